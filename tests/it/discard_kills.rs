//! Processes that discard launches, killed with SIGKILL at every commit: a launch is there with all of its payload, or it is
//! gone and nothing is left of it.
#![cfg(unix)]

use std::path::Path;
use std::process::{Command, Stdio};

use sortie::journal::{Due, Intent, Journal, Scope, Terms};
use sortie::probe::StoreProbe;
use sortie::{LaunchFilter, LaunchStatus, SledJournal};

use crate::directory::{Directory, copy};
use crate::support::threads;

const DIRECTORY: &str = "SORTIE_TEST_DISCARDS";
/// Five commits of pieces, the first also says that the launch is leaving, and its head goes with the last.
const LENGTH: usize = 300 * 4000;
const KEYS: [&str; 2] = ["one", "two"];

/// A journal that knows no agent, so that every launch is parked.
async fn open(path: &Path) -> SledJournal {
    let journal = SledJournal::open(path).unwrap();
    journal.start(Scope::new([])).await.unwrap();
    journal
}

async fn close(journal: SledJournal) {
    journal.close();
    journal.closed().await.unwrap();
}

fn intent(key: &str) -> Intent {
    let (agent, key, input) = ("a".to_owned(), Some(key.to_owned()), vec![b'1'; LENGTH]);
    Intent { agent, key, input, digest: 1, due: Due::Now, terms: Terms::default() }
}

/// Not a test: what the child processes do.
#[test]
fn child() {
    let Some(path) = std::env::var_os(DIRECTORY) else { return };
    threads(1).block_on(async {
        let journal = open(Path::new(&path)).await;
        for record in journal.scan(&LaunchFilter::all(), None, 10).await.unwrap() {
            journal.discard(record.id).await.unwrap().unwrap();
        }
        close(journal).await;
    });
}

#[tokio::test(start_paused = true)]
async fn s13_killed_at_every_commit_of_a_discard() {
    let whole = Directory::new();
    let journal = open(&whole.journal()).await;
    journal.append(KEYS.map(intent).into()).await.unwrap();
    close(journal).await;
    let mut seen = [0; 3];
    for point in ["store.before_write", "store.after_sync"] {
        // The first commit is of the start: the epoch.
        for hit in 1..=22 {
            let directory = Directory::new();
            let path = directory.journal();
            copy(&whole.journal(), &path);
            let status = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "discard_kills::child", "--test-threads=1"])
                .env(DIRECTORY, &path)
                .env("SORTIE_FAILPOINT", format!("{point}=kill@{hit}"))
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .unwrap();
            let what = format!("{point} {hit}: {status}");

            // An export has what is there, and misses nothing.
            let exported = SledJournal::export(&path, std::io::sink()).unwrap();
            assert_eq!((exported.damaged, &exported.missing), (0, &None), "{what}");

            let journal = open(&path).await;
            let left = journal.scan(&LaunchFilter::all(), None, 10).await.unwrap();
            assert_eq!(exported.launches, left.len() as u64, "{what}");
            for record in &left {
                assert_eq!(record.status, LaunchStatus::Parked, "{what}");
                assert!(journal.input(record.id).await.unwrap() == Some(vec![b'1'; LENGTH]), "{what}");
            }
            // A key that is free names another launch, and one that is not names the one that is there.
            for key in KEYS {
                let there = left.iter().find(|record| record.key.as_deref() == Some(key));
                let found = journal.by_key("a", key).await.unwrap();
                assert_eq!(found.as_ref(), there, "{what}");
            }
            // What is left of one that was being removed goes with the next sweep.
            while journal.sweep(10).await.unwrap().next.is_some() {}
            close(journal).await;
            let store = StoreProbe::sled(&path).unwrap();
            assert_eq!(store.scan(b"i").unwrap().len(), 300 * left.len(), "{what}");
            assert!(store.scan(b"s").unwrap().is_empty(), "{what}");
            seen[left.len()] += 1;
        }
    }
    assert!(seen.iter().all(|times| *times > 0), "{seen:?}");
}
