//! Processes killed with SIGKILL, at every step of a commit and of an open and at random moments: what was acknowledged is
//! there, no batch is there by half, and the store opens. (The page cache survives: this says nothing of power cuts.)
#![cfg(unix)]

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use sortie::JournalErrorKind;
use sortie::probe::{StoreProbe, Trap};

use crate::directory::{Directory, names};

/// Batch n puts two pairs, removes those of n − KEPT, and says that it was the last.
const KEPT: u64 = 30;
const SIGKILL: i32 = 9;
const JOURNAL: &str = "SORTIE_TEST_JOURNAL";
const BATCHES: &str = "SORTIE_TEST_BATCHES";

fn key(side: u8, number: u64) -> [u8; 9] {
    let mut key = [side; 9];
    key[1..].copy_from_slice(&number.to_be_bytes());
    key
}

fn commit(store: &mut StoreProbe, number: u64) -> Result<(), sortie::JournalError> {
    let value = [number as u8; 300];
    let (left, right) = (key(b'l', number), key(b'r', number));
    let old = number.saturating_sub(KEPT);
    let (old_left, old_right) = (key(b'l', old), key(b'r', old));
    store.commit(&[
        (&left, Some(&value)),
        (&old_left, None),
        (b"number", Some(&number.to_be_bytes())),
        (&old_right, None),
        (&right, Some(&value)),
    ])
}

/// The last batch that is there, after checking that it is there as a whole, and every one before it.
fn last(store: &StoreProbe) -> u64 {
    let last = store.get(b"number").unwrap().map_or(0, |bytes| u64::from_be_bytes(bytes.try_into().unwrap()));
    let expected: Vec<_> = (1..=last).rev().take(KEPT as usize).collect();
    for side in *b"lr" {
        let mut found = store.scan(&[side]).unwrap();
        found.reverse();
        let numbers: Vec<_> =
            found.iter().map(|(key, _)| u64::from_be_bytes(key[1..].try_into().unwrap())).collect();
        assert_eq!(numbers, expected, "the pairs of `{}`", side as char);
        for ((_, value), number) in found.iter().zip(numbers) {
            assert_eq!(value[..], [number as u8; 300]);
        }
    }
    last
}

/// Not a test: what the child processes do.
#[test]
fn child() {
    let Some(journal) = std::env::var_os(JOURNAL) else { return };
    let batches: u64 = std::env::var(BATCHES).unwrap().parse().unwrap();
    let mut out = io::stdout();
    let mut store = match StoreProbe::sled(Path::new(&journal)) {
        Ok(store) => store,
        Err(error) => {
            writeln!(out, "\nrefused {:?}", error.kind()).unwrap();
            return;
        }
    };
    writeln!(out, "\nopen").unwrap();
    let first =
        store.get(b"number").unwrap().map_or(0, |bytes| u64::from_be_bytes(bytes.try_into().unwrap()));
    for number in first + 1..=first + batches {
        commit(&mut store, number).unwrap();
        writeln!(out, "done {number}").unwrap();
        out.flush().unwrap();
    }
    if batches == 0 {
        writeln!(out, "waiting").unwrap();
        out.flush().unwrap();
        let _ = io::stdin().read(&mut [0]); // until it is killed
    }
}

/// A child process. Dropping it kills it.
struct Process(Child);

impl Process {
    fn start(journal: &Path, batches: u64, failpoint: &str) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "journal_kills::child", "--nocapture", "--test-threads=1"])
            .env(JOURNAL, journal)
            .env(BATCHES, batches.to_string())
            .env("SORTIE_FAILPOINT", failpoint)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }

    /// What it says until it ends, and how it ends.
    fn end(mut self) -> (Vec<String>, ExitStatus) {
        let mut text = String::new();
        self.0.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        (text.lines().map(str::to_owned).collect(), self.0.wait().unwrap())
    }

    /// Kills it, and returns what it had said.
    fn kill(mut self) -> Vec<String> {
        self.0.kill().unwrap();
        self.end().0
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The last batch that a child said was committed.
fn acknowledged(said: &[String]) -> u64 {
    said.iter().rev().find_map(|line| line.strip_prefix("done ")).map_or(0, |number| number.parse().unwrap())
}

/// Runs a child that has to be killed at a point.
fn killed_at(journal: &Path, batches: u64, point: &str) -> u64 {
    let (said, status) = Process::start(journal, batches, point).end();
    assert_eq!(status.signal(), Some(SIGKILL), "{point}: {said:?}");
    acknowledged(&said)
}

#[test]
fn s02_s03_killed_at_every_step_of_a_commit() {
    for (point, least) in [
        ("store.before_write", 4),
        ("store.after_write_before_sync", 5),
        ("store.fdatasync", 5),
        ("store.after_sync", 5),
    ] {
        let directory = Directory::new();
        let done = killed_at(&directory.journal(), 20, &format!("{point}=kill@5"));
        assert_eq!(done, 4, "{point}");
        let mut store = StoreProbe::sled(&directory.journal()).unwrap();
        let found = last(&store);
        assert!(found >= least && found <= 5, "{point}: {found}");
        if point == "store.before_write" {
            assert_eq!(found, 4);
        }
        commit(&mut store, found + 1).unwrap();
        assert_eq!(last(&store), found + 1);
    }
}

/// The steps at which sled is told of commits.
const CHECKPOINT: [&str; 6] =
    ["before_batch", "after_batch@2", "before_flush", "before_sync", "fdatasync", "after_sync"];

#[test]
fn s02_killed_at_every_step_of_a_checkpoint() {
    for point in CHECKPOINT {
        let (name, time) = point.split_once('@').unwrap_or((point, "1"));
        // Before that, sled commits twice: the first store is made, and the opening is counted.
        for time in [2, 3, 4].map(|checkpoint| checkpoint + time.parse::<u64>().unwrap()) {
            let directory = Directory::new();
            let fault = format!("store.checkpoint.{name}=kill@{time}");
            let done = killed_at(&directory.journal(), 2000, &fault);
            let store = StoreProbe::sled(&directory.journal()).unwrap();
            let found = last(&store);
            assert!(found == done || found == done + 1, "{fault}: {found} of {done}");
            assert!(done > 50, "{fault}: {done}");
        }
    }
}

#[test]
fn s19_killed_while_sled_is_told_what_the_log_has() {
    for point in CHECKPOINT {
        let directory = Directory::new();
        let done = killed_at(&directory.journal(), 2000, "store.before_write=kill@80");
        assert_eq!(done, 79);
        let (name, time) = point.split_once('@').unwrap_or((point, "1"));
        for _ in 0..2 {
            killed_at(&directory.journal(), 1, &format!("store.checkpoint.{name}=kill@{time}"));
        }
        assert_eq!(last(&StoreProbe::sled(&directory.journal()).unwrap()), done, "{point}");
    }
}

#[test]
fn s19_killed_at_every_step_of_making_a_journal() {
    for point in [
        "owned", "declared", "copied", "swapped", "opened", "replayed", "synced", "counted", "marked",
        "logged",
    ] {
        let directory = Directory::new();
        for _ in 0..2 {
            // The second process finds what the first has left; beyond the step, it does not come by again.
            let (said, _) =
                Process::start(&directory.journal(), 3, &format!("store.open.{point}=kill")).end();
            assert!(!said.iter().any(|line| line.starts_with("refused")), "{point}: {said:?}");
        }
        let mut store =
            StoreProbe::sled(&directory.journal()).unwrap_or_else(|error| panic!("{point}: {error:#}"));
        let found = last(&store);
        commit(&mut store, found + 1).unwrap();
        drop(store);
        assert_eq!(names(&directory.journal()), ["lock", "progress", "store-1", "watermark"], "{point}");
        assert_eq!(names(directory.path()), ["journal"], "{point}");
    }
}

#[test]
fn s19_killed_at_every_step_of_an_open() {
    for point in ["owned", "opened", "replayed", "synced", "counted", "marked", "logged"] {
        let directory = Directory::new();
        let mut done = 0;
        for round in 1..=3 {
            done = acknowledged(&Process::start(&directory.journal(), 20, "").end().0);
            assert_eq!(done, round * 20, "{point}");
            for _ in 0..2 {
                killed_at(&directory.journal(), 1, &format!("store.open.{point}=kill"));
            }
        }
        assert_eq!(last(&StoreProbe::sled(&directory.journal()).unwrap()), done, "{point}");
    }
}

#[test]
fn s20_killed_at_every_step_of_a_copy_to_fresh_files() {
    for point in ["owned", "opened", "copying", "copied", "swapped", "opened@2", "synced"] {
        let directory = Directory::new();
        let mut store = StoreProbe::sled(&directory.journal()).unwrap();
        (1..=40).for_each(|number| commit(&mut store, number).unwrap());
        let many: Vec<_> = (0..600_u64).map(|number| key(b'x', number)).collect();
        let many: Vec<_> = many.iter().map(|key| (&key[..], Some(&b"many"[..]))).collect();
        many.chunks(200).for_each(|batch| store.commit(batch).unwrap());
        let trap = Trap::fail(&directory.journal(), "store.fdatasync", io::ErrorKind::Other);
        store.commit(&[(b"y", None)]).unwrap_err();
        drop((trap, store));
        let (name, time) = point.split_once('@').unwrap_or((point, "1"));
        for _ in 0..2 {
            let (said, _) =
                Process::start(&directory.journal(), 1, &format!("store.open.{name}=kill@{time}")).end();
            assert!(!said.iter().any(|line| line.starts_with("refused")), "{point}: {said:?}");
        }
        let store = StoreProbe::sled(&directory.journal()).unwrap();
        assert!(last(&store) >= 40, "{point}");
        assert_eq!(store.scan(b"x").unwrap().len(), 600, "{point}");
        let parts = names(&directory.journal());
        assert_eq!(parts.len(), 4, "{point}: {parts:?}");
        assert!(
            !parts.contains(&"store-1".into()) && !parts.contains(&"not-synced".into()),
            "{point}: {parts:?}"
        );
    }
}

#[test]
fn killed_at_every_step_of_setting_a_damaged_store_aside() {
    for point in ["quarantined", "moved", "moved@2", "moved@3"] {
        let directory = Directory::new();
        drop(StoreProbe::sled(&directory.journal()).unwrap());
        let watermark = directory.journal().join("watermark");
        std::fs::write(&watermark, "nonsense").unwrap();
        let (name, time) = point.split_once('@').unwrap_or((point, "1"));
        killed_at(&directory.journal(), 1, &format!("store.open.{name}=kill@{time}"));

        let error = StoreProbe::sled(&directory.journal()).err().unwrap();
        assert_eq!(error.kind(), JournalErrorKind::Corrupt);
        assert_eq!(names(error.set_aside().unwrap()), ["progress", "store-1", "watermark"], "{point}");
        assert_eq!(names(&directory.journal()), ["damaged-1", "lock", "quarantined"], "{point}");
    }
}

#[test]
fn s02_s03_s19_killed_at_random_moments() {
    let directory = Directory::new();
    let mut random = fastrand::Rng::with_seed(5);
    let (mut known, mut interrupted_opens) = (0, 0);
    for round in 0..60 {
        let mut process = Process::start(&directory.journal(), u64::MAX >> 1, "");
        // Every third is killed while it starts, the others once they have committed something.
        if round % 3 != 0 {
            let mut out = BufReader::new(process.0.stdout.take().unwrap());
            let mut line = String::new();
            while !line.starts_with("done ") {
                line.clear();
                assert!(out.read_line(&mut line).unwrap() > 0, "it ended by itself");
            }
            known = known.max(line.trim()["done ".len()..].parse().unwrap());
            std::thread::sleep(Duration::from_micros(random.u64(..15_000)));
            process.0.kill().unwrap();
            let mut rest = String::new();
            out.read_to_string(&mut rest).unwrap();
            known = known.max(acknowledged(&rest.lines().map(str::to_owned).collect::<Vec<_>>()));
        } else {
            std::thread::sleep(Duration::from_micros(random.u64(..25_000)));
            let said = process.kill();
            interrupted_opens += u32::from(!said.iter().any(|line| line == "open"));
            known = known.max(acknowledged(&said));
        }
        let store = StoreProbe::sled(&directory.journal()).unwrap();
        let found = last(&store);
        assert!(found == known || found == known + 1, "{found} batches are there, {known} were acknowledged");
        known = found;
    }
    assert!(known > 60, "hardly anything was committed");
    assert!(interrupted_opens > 0, "no open was interrupted");
}

#[test]
fn s21_another_process_is_refused_at_once_until_the_owner_is_dead() {
    let directory = Directory::new();
    let mut owner = Process::start(&directory.journal(), 0, "");
    let mut out = BufReader::new(owner.0.stdout.take().unwrap());
    let mut line = String::new();
    while line != "waiting\n" {
        line.clear();
        assert!(out.read_line(&mut line).unwrap() > 0, "it ended by itself");
    }
    let before = names(&directory.journal());
    let error = StoreProbe::sled(&directory.journal()).err().unwrap();
    assert_eq!(error.kind(), JournalErrorKind::OwnedByAnotherProcess);
    assert_eq!(error.path(), Some(&*directory.journal()));
    assert_eq!(names(&directory.journal()), before);

    owner.0.kill().unwrap();
    owner.0.wait().unwrap();
    StoreProbe::sled(&directory.journal()).unwrap();
}
