//! A journal as lines of JSON: everything that is recorded, out of a directory and into a new one.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use serde_json::Value;
use serde_json::value::RawValue;
use sortie::journal::{
    Appended, Claim, Delivery, Due, EndedBy, ExportError, Exported, FailedAttempt, ImportError, Intent,
    Journal, JournalErrorKind, Scope, Terms,
};
use sortie::probe::StoreProbe;
use sortie::{
    AgentError, Backoff, LaunchFilter, LaunchId, LaunchRecord, LaunchStatus, Restart, SledJournal, System,
    WallClock, agent_fn,
};
use tokio::time::sleep;

use crate::directory::{Directory, copy, names};
use crate::support::{SECOND, wants};

/// The lines of a journal, and what else was found.
fn export(path: &Path) -> (Vec<String>, Exported) {
    let mut lines = Vec::new();
    let exported = SledJournal::export(path, &mut lines).unwrap();
    let lines: Vec<_> = String::from_utf8(lines).unwrap().lines().map(str::to_owned).collect();
    assert_eq!(lines[0], r#"{"sortie":"launches","version":1}"#);
    assert_eq!(lines.len() as u64, exported.launches + 1);
    (lines, exported)
}

fn import(path: &Path, lines: &[String]) -> Result<u64, ImportError> {
    SledJournal::import(path, lines.join("\n").as_bytes())
}

/// A journal in a directory, for one agent, at a fixed time.
async fn open(path: &Path) -> SledJournal {
    let journal = SledJournal::open(path).unwrap();
    let mut scope = Scope::new(["a".to_owned()]);
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    scope.clock = WallClock::new(move || now);
    journal.start(scope).await.unwrap();
    journal
}

async fn close(journal: SledJournal) {
    journal.close();
    journal.closed().await.unwrap();
}

fn intent(agent: &str, key: Option<&str>, input: &[u8]) -> Intent {
    Intent {
        agent: agent.to_owned(),
        key: key.map(str::to_owned),
        input: input.to_vec(),
        digest: u128::MAX / 3 + input.len() as u128,
        due: Due::Now,
        terms: Terms::default(),
    }
}

async fn append(journal: &SledJournal, intent: Intent) -> LaunchId {
    match journal.append(vec![intent]).await.unwrap()[..] {
        [Appended::New(id)] => id,
        ref other => panic!("{other:?}"),
    }
}

/// Records a launch and claims it. Nothing else may be ready.
async fn begin(journal: &SledJournal, intent: Intent) -> Claim {
    let id = append(journal, intent).await;
    let claimed = journal.claim(&wants(&["a".to_owned()]), 1).await.unwrap().claims.remove(0);
    assert_eq!(claimed.id, id);
    claimed
}

fn failed(by: EndedBy) -> FailedAttempt {
    let message = "out of \"paper\"\n\u{1f4a9}".to_owned();
    FailedAttempt { by, message, code: Some("p1".to_owned()), floor: SECOND, roll: 0.3 }
}

/// Everything about every launch.
async fn everything(journal: &SledJournal) -> Vec<(LaunchRecord, Option<Vec<u8>>, Option<Vec<u8>>)> {
    let mut found = Vec::new();
    for record in journal.scan(&LaunchFilter::all(), None, 10_000).await.unwrap() {
        let (input, output) = (journal.input(record.id).await, journal.output(record.id).await);
        found.push((record, input.unwrap(), output.unwrap()));
    }
    found
}

/// A journal with launches in every state, and payloads of every kind.
async fn every_state(path: &Path) {
    let journal = open(path).await;
    let long: Vec<u8> = serde_json::to_vec(&"x\\".repeat(1 << 19)).unwrap();
    let claim = begin(&journal, intent("a", Some("done"), b"[1]")).await;
    journal.complete(&claim, b"null").await.unwrap().unwrap();
    let claim = begin(&journal, intent("a", Some("long"), &long)).await;
    journal.complete(&claim, &long).await.unwrap().unwrap();
    let claim = begin(&journal, intent("a", Some("dead"), &long)).await;
    journal.fail(&claim, failed(EndedBy::Fatal)).await.unwrap().unwrap();
    let cancelled = append(&journal, intent("a", None, &long)).await;
    journal.cancel(cancelled).await.unwrap().unwrap();
    let mut once = intent("a", Some("k \"\u{e4}\" \\"), b"{}");
    once.terms = Terms {
        delivery: Delivery::AtMostOnce,
        timeout: Some(Duration::new(3, 141_592_653)),
        priority: i32::MIN,
        lane: Some("lane".to_owned()),
        restart: Restart::attempts(7).backoff(Backoff::fixed(SECOND)),
        retention: Duration::MAX,
        max_crashes: u32::MAX,
    };
    let claim = begin(&journal, once).await;
    journal.fail(&claim, failed(EndedBy::Panic)).await.unwrap().unwrap();
    // It waits for another attempt, and these for their first.
    let claim = begin(&journal, intent("a", Some("retry"), b"1.50")).await;
    journal.fail(&claim, failed(EndedBy::Timeout)).await.unwrap().unwrap();
    let due = Due::After(Duration::from_secs(86_400));
    append(&journal, Intent { due, ..intent("a", Some("delayed"), b"true") }).await;
    append(&journal, intent("b", Some("parked"), b"\"b\"")).await;
    for input in
        [&b""[..], b" 1", b"1 ", b"[\n]", b"{", b"\xff\x00", b"1e400", b"\"\\ud800\"", b"{\"a\":1,\"a\":2}"]
    {
        append(&journal, intent("b", None, input)).await;
    }
    // A suspect, and what runs while it waits.
    begin(&journal, intent("a", Some("suspect"), b"7")).await;
    close(journal).await;
    let journal = open(path).await;
    append(&journal, intent("a", Some("running"), &long)).await;
    let claims = journal.claim(&wants(&["a".to_owned()]), 10).await.unwrap().claims;
    assert_eq!(claims.len(), 2);
    journal.cancel(claims[0].id).await.unwrap().unwrap();
    close(journal).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_exported_and_imported_is_the_same_journal() {
    let directory = Directory::new();
    let (here, there) = (directory.journal(), directory.path().join("there"));
    every_state(&here).await;
    let before = names(&here);
    let (lines, exported) = export(&here);
    assert_eq!(names(directory.path()), ["journal"], "the copy is removed");
    assert_eq!(names(&here), before);
    assert_eq!((exported.damaged, exported.missing), (0, None));
    // Every line is JSON for others, and says what there is.
    let mut states = BTreeMap::<String, usize>::new();
    for line in &lines[1..] {
        let line: BTreeMap<&str, &RawValue> = serde_json::from_str(line).unwrap();
        let state: Value = serde_json::from_str(line["state"].get()).unwrap();
        *states.entry(state.as_object().unwrap().keys().next().unwrap().clone()).or_default() += 1;
        assert!(line["id"].get().trim_matches('"').parse::<LaunchId>().is_ok());
    }
    let expected =
        [("ambiguous", 1), ("cancelled", 1), ("dead", 1), ("done", 2), ("pending", 12), ("running", 2)];
    assert!(states.iter().map(|(state, count)| (&**state, *count)).eq(expected), "{states:?}");
    let done = lines[1..].iter().find(|line| line.contains(r#""key":"done""#)).unwrap();
    assert!(done.ends_with(r#""input":null,"output":{"json":null}}"#), "{done}");

    assert_eq!(import(&there, &lines).unwrap(), exported.launches);
    assert_eq!(names(directory.path()), ["journal", "there"]);
    assert_eq!(export(&there).0, lines);

    // And both go on alike.
    let (one, other) = (open(&here).await, open(&there).await);
    let (mine, theirs) = (everything(&one).await, everything(&other).await);
    assert_eq!(mine.len(), theirs.len());
    for (mine, theirs) in mine.iter().zip(&theirs) {
        assert!(mine == theirs, "{:?}\n{:?}", mine.0, theirs.0);
        assert_ne!(mine.0.status, LaunchStatus::Running);
    }
    let waits = |record: &LaunchRecord| record.suspect && record.status == LaunchStatus::Pending;
    let crashed: Vec<_> = theirs.iter().filter(|launch| waits(&launch.0)).collect();
    assert_eq!(crashed.len(), 1);
    assert_eq!(crashed[0].0.history.last().unwrap().by, EndedBy::Crash);
    for key in ["done", "dead", "parked", "suspect"] {
        let agent = if key == "parked" { "b" } else { "a" };
        let (mine, theirs) = (one.by_key(agent, key).await.unwrap(), other.by_key(agent, key).await.unwrap());
        assert!(mine.is_some() && mine == theirs, "{key}");
    }
    // New ids come after those that were imported.
    let last = theirs.last().unwrap().0.id;
    assert!(append(&other, intent("a", None, b"1")).await > last);
    close(one).await;
    close(other).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_imported_runs_once_and_what_has_ended_does_not_run_again() {
    let directory = Directory::new();
    let (here, there) = (directory.journal(), directory.path().join("there"));
    let calls = Arc::new(AtomicUsize::new(0));
    let start = async |path: &Path| {
        let calls = Arc::clone(&calls);
        let agent = agent_fn(move |what: String, _| {
            calls.fetch_add(1, Ordering::SeqCst);
            async move {
                match &*what {
                    "hang" => std::future::pending().await,
                    "fail" => Err(AgentError::fatal("told to")),
                    _ => Ok(what),
                }
            }
        });
        let mut builder = System::builder().journal(SledJournal::open(path).unwrap());
        let agent = builder.register(agent.named("told"));
        (builder.start().await.unwrap(), agent)
    };
    let (system, agent) = start(&here).await;
    for what in ["work", "fail", "hang"] {
        system.launch(&agent, what.to_owned()).key(what).await.unwrap();
    }
    sleep(SECOND).await;
    system.shutdown(SECOND).await.unwrap();
    assert_eq!(calls.load(Ordering::SeqCst), 3);

    let (lines, _) = export(&here);
    // Mended on the way.
    let lines: Vec<_> =
        lines.iter().map(|line| line.replace("{\"json\":\"hang\"}", "{\"json\":\"mended\"}")).collect();
    import(&there, &lines).unwrap();
    let (system, agent) = start(&there).await;
    sleep(SECOND).await;
    assert_eq!(calls.load(Ordering::SeqCst), 4);
    let ticket = system.ticket_by_key(&agent, "hang").await.unwrap().unwrap();
    assert_eq!(ticket.result().await.unwrap().unwrap(), "mended");
    let known = system.launch(&agent, "work".to_owned()).key("work").await.unwrap();
    assert!(known.is_known());
    assert_eq!(known.result().await.unwrap().unwrap(), "work");
    assert_eq!(system.launches(LaunchFilter::all()).count().await.unwrap(), 3);
    assert_eq!(calls.load(Ordering::SeqCst), 4);
}

/// The key of the record of a launch.
fn record(prefix: u8, id: LaunchId, piece: Option<u32>) -> Vec<u8> {
    let piece = piece.map(u32::to_be_bytes);
    [&[prefix][..], &id.as_u128().to_be_bytes(), piece.as_ref().map_or(&[], |piece| &piece[..])].concat()
}

#[tokio::test(start_paused = true)]
async fn damaged_records_are_skipped_and_named_and_all_others_are_exported() {
    let directory = Directory::new();
    let (here, there) = (directory.journal(), directory.path().join("there"));
    let journal = open(&here).await;
    let mut ids = Vec::new();
    for number in 0..20 {
        let length = if number % 2 == 0 { 10 } else { 10_000 };
        ids.push(append(&journal, intent("a", None, &vec![b'1'; length])).await);
    }
    close(journal).await;
    let mut store = StoreProbe::sled(&here).unwrap();
    let mut flipped = store.get(&record(b'h', ids[4], None)).unwrap().unwrap();
    flipped[40] ^= 1;
    let mut newer = store.get(&record(b'h', ids[6], None)).unwrap().unwrap();
    newer[0] = 2;
    let foreign = store.get(&record(b'i', ids[9], Some(1))).unwrap().unwrap();
    store
        .commit(&[
            (&record(b'h', ids[4], None), Some(&flipped)),
            (&record(b'h', ids[6], None), Some(&newer)),
            (&record(b'h', ids[8], None), Some(b"")),
            (&record(b'i', ids[11], Some(1)), Some(&foreign)),
            (&record(b'i', ids[13], Some(2)), None),
            (b"hshort", Some(b"")),
        ])
        .unwrap();
    drop(store);
    let (lines, exported) = export(&here);
    let skipped: Vec<_> = exported.skipped.iter().map(|skipped| (skipped.id, &*skipped.reason)).collect();
    let expected = [
        (Some(ids[4]), "the record is damaged: its checksum differs"),
        (Some(ids[6]), "the record is of version 2, which only a newer version of the crate can read"),
        (Some(ids[8]), "the record is damaged: it is too short"),
        (Some(ids[11]), "its input: piece 1: the record is damaged: its checksum differs"),
        (Some(ids[13]), "its input: piece 2 is missing"),
        (None, "its key cannot be read"),
    ];
    assert_eq!(skipped, expected);
    assert_eq!((exported.damaged, exported.launches, exported.missing), (6, 15, None));
    assert_eq!(import(&there, &lines).unwrap(), 15);
    let journal = open(&there).await;
    let found: Vec<_> = everything(&journal).await.into_iter().map(|launch| launch.0.id).collect();
    let lost = [4, 6, 8, 11, 13].map(|number| ids[number]);
    assert!(found.iter().eq(ids.iter().filter(|id| !lost.contains(id))));
    close(journal).await;
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_was_set_aside_is_repaired_by_export_and_import() {
    let whole = Directory::new();
    let journal = open(&whole.journal()).await;
    for number in 0..300 {
        append(&journal, intent("a", None, format!("[{number}]").as_bytes())).await;
    }
    close(journal).await;
    // From here on all of it is in sled's files alone.
    close(open(&whole.journal()).await).await;
    let mut some = false;
    for (what, share) in [("no watermark", 100), ("a short file", 75), ("a short file", 40), ("nothing", 0)] {
        let directory = Directory::new();
        let here = directory.journal();
        copy(&whole.journal(), &here);
        let database = here.join("store-1").join("db");
        if share == 100 {
            fs::remove_file(here.join("watermark")).unwrap();
        } else {
            let bytes = fs::read(&database).unwrap();
            let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
            fs::write(&database, &bytes[..used * share / 100]).unwrap();
        }
        let error = SledJournal::open(&here).unwrap_err();
        assert_eq!(error.kind(), JournalErrorKind::Corrupt, "{what}");
        let aside = error.set_aside().unwrap().to_owned();
        // Where it was, there is nothing to export; the error says where to look.
        let error = SledJournal::export(&here, Vec::new()).unwrap_err();
        let ExportError::Journal(error) = error else { panic!("{error:?}") };
        assert_eq!(error.set_aside(), Some(&*aside));

        let files =
            |path: &Path| names(path).iter().map(|name| fs::read(path.join(name)).ok()).collect::<Vec<_>>();
        let before = files(&aside.join("store-1"));
        let (lines, exported) = export(&aside);
        assert_eq!(files(&aside.join("store-1")), before, "{what}: it was changed");
        assert_eq!(exported.launches == 300, share == 100, "{what} {share}");
        assert_eq!(exported.missing.is_some(), share < 100, "{what} {share}: {exported:?}");
        some |= (1..300).contains(&exported.launches);

        // Once somebody has decided, the journal begins with what there is.
        fs::remove_dir_all(&here).unwrap();
        assert_eq!(import(&here, &lines).unwrap(), exported.launches);
        let journal = open(&here).await;
        let all = journal.scan(&LaunchFilter::all(), None, 1000).await.unwrap();
        assert_eq!(all.len() as u64, exported.launches);
        close(journal).await;
    }
    assert!(some, "a part of a damaged store can be read");
}

#[tokio::test(start_paused = true)]
async fn only_a_closed_journal_is_exported_and_nothing_is_made_of_none() {
    let directory = Directory::new();
    let here = directory.journal();
    let journal = open(&here).await;
    let kind = |result: Result<Exported, ExportError>| match result {
        Err(ExportError::Journal(error)) => error.kind(),
        other => panic!("{other:?}"),
    };
    assert_eq!(kind(SledJournal::export(&here, Vec::new())), JournalErrorKind::InUse);
    append(&journal, intent("a", None, b"1")).await;
    close(journal).await;
    assert_eq!(export(&here).1.launches, 1);
    let nowhere = directory.path().join("nowhere");
    assert_eq!(kind(SledJournal::export(&nowhere, Vec::new())), JournalErrorKind::Io);
    fs::create_dir(&nowhere).unwrap();
    assert_eq!(kind(SledJournal::export(&nowhere, Vec::new())), JournalErrorKind::Corrupt);
    fs::write(nowhere.join("holiday.jpg"), "").unwrap();
    assert_eq!(kind(SledJournal::export(nowhere.join("holiday.jpg"), Vec::new())), JournalErrorKind::Io);

    let mut full = [0; 100];
    let error = SledJournal::export(&here, &mut full[..]).unwrap_err();
    assert!(matches!(error, ExportError::Write(_)), "{error}");
    assert_eq!(names(directory.path()), ["journal", "nowhere"]);
}

#[tokio::test(start_paused = true)]
async fn a_line_that_is_wrong_is_refused_with_its_number_and_leaves_nothing_behind() {
    let directory = Directory::new();
    let here = directory.journal();
    let journal = open(&here).await;
    append(&journal, intent("b", Some("k"), b"[1]")).await;
    begin(&journal, intent("a", Some("running"), b"[2]")).await;
    append(&journal, intent("a", None, b"\xff")).await;
    close(journal).await;
    let (lines, _) = export(&here);
    fs::remove_dir_all(&here).unwrap();
    let refused = |change: &dyn Fn(&mut Vec<String>), at: u64, why: &str| {
        let mut lines = lines.clone();
        change(&mut lines);
        match import(&here, &lines) {
            Err(ImportError::BadLine { line, reason }) => {
                assert!(line == at && reason.contains(why), "line {line}: {reason}; expected {at}: {why}");
            }
            other => panic!("{why}: {other:?}"),
        }
        assert!(names(directory.path()).is_empty(), "{why}");
    };
    let replace = |at: usize, from: &'static str, to: &'static str| {
        move |lines: &mut Vec<String>| {
            assert!(lines[at].contains(from), "{}", lines[at]);
            lines[at] = lines[at].replace(from, to);
        }
    };
    refused(&|lines| lines.clear(), 1, "no first line");
    refused(&|lines| drop(lines.remove(0)), 1, "the first line must be");
    refused(&replace(0, "launches", "lunches"), 1, "`lunches`");
    refused(&replace(0, "1", "2"), 1, "newer version");
    refused(&|lines| lines[2].truncate(50), 3, "EOF");
    refused(&|lines| lines[1].clear(), 2, "EOF");
    refused(&|lines| lines.push(lines[1].replace("\"k\"", "null")), 5, "the same id");
    refused(
        &replace(2, "\"a\",\"key\":\"running\"", "\"b\",\"key\":\"k\""),
        3,
        "the same key of the same agent: `k`",
    );
    refused(&replace(1, "\"agent\":\"b\"", "\"agent\":\"\""), 2, "a name of 0 bytes");
    refused(&replace(1, "\"agent\"", "\"agents\""), 2, "agents");
    refused(&replace(1, "\"key\":\"k\"", "\"key\":\"\""), 2, "its key is 0 bytes long");
    refused(
        &replace(1, "\"output\":null", "\"output\":{\"json\":1}"),
        2,
        "a launch that is done has an output",
    );
    refused(&replace(1, "\"input\":{\"json\":[1]}", "\"input\":null"), 2, "it has no input");
    refused(&replace(3, "\"hex\":\"ff\"", "\"hex\":\"f\""), 4, "hexadecimal");
    refused(&replace(3, "\"hex\":\"ff\"", "\"hex\":\"\u{e4}\""), 4, "hexadecimal");
    refused(&replace(1, "\"digest\":\"", "\"digest\":\"0"), 2, "digest");
    refused(&replace(1, "\"id\":\"0", "\"id\":\"f"), 2, "no journal has given the id");
    refused(&replace(1, "\"id\":\"", "\"id\":\"x"), 2, "is not the id of a launch");
    refused(&replace(2, "\"epoch\":1", "\"epoch\":18446744073709551615"), 3, "the epoch");
    // What is good is still taken, without an end of its last line as well.
    assert_eq!(import(&here, &lines).unwrap(), 3);
}

#[test]
fn a_journal_is_imported_into_a_new_directory_only() {
    let directory = Directory::new();
    let here = directory.journal();
    let first = [r#"{"sortie":"launches","version":1}"#.to_owned()];
    fs::create_dir(&here).unwrap();
    fs::write(here.join("something"), "").unwrap();
    let error = import(&here, &first).unwrap_err();
    assert!(matches!(&error, ImportError::NotNew(path) if *path == here), "{error}");
    fs::remove_file(here.join("something")).unwrap();
    assert_eq!(import(&here, &first).unwrap(), 0);
    // It is a journal by now.
    assert!(matches!(import(&here, &first), Err(ImportError::NotNew(_))));
    drop(SledJournal::open(&here).unwrap());

    let other = directory.path().join("other");
    fs::create_dir(directory.path().join("other.importing")).unwrap();
    let error = import(&other, &first).unwrap_err();
    assert!(error.to_string().contains("other.importing` is there"), "{error}");
    fs::remove_dir(directory.path().join("other.importing")).unwrap();
    assert_eq!(import(&other, &first).unwrap(), 0);
    let error = import(&directory.path().join("no/folder"), &first).unwrap_err();
    assert!(matches!(error, ImportError::Journal(_)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn launches_at_random_come_through_unchanged() {
    for seed in 0..8 {
        let mut random = fastrand::Rng::with_seed(seed);
        let directory = Directory::new();
        let (here, there) = (directory.journal(), directory.path().join("there"));
        for _ in 0..2 {
            let journal = open(&here).await;
            wander(&journal, &mut random).await;
            close(journal).await;
        }
        let (lines, exported) = export(&here);
        assert!((exported.damaged, &exported.missing) == (0, &None), "seed {seed}: {exported:?}");
        import(&there, &lines).unwrap();
        assert!(export(&there).0 == lines, "seed {seed}");
        let (one, other) = (open(&here).await, open(&there).await);
        assert!(everything(&one).await == everything(&other).await, "seed {seed}");
        close(one).await;
        close(other).await;
    }
}

/// Does a hundred things at random.
async fn wander(journal: &SledJournal, random: &mut fastrand::Rng) {
    let (mut ids, mut claims) = (Vec::new(), Vec::<Claim>::new());
    for step in 0..100 {
        let payload = |random: &mut fastrand::Rng| {
            let length = random.choice([0, 1, 10, 1024, 1025, 5000]).unwrap();
            let bytes: Vec<u8> = (0..length).map(|_| random.u8(..)).collect();
            if random.bool() { serde_json::to_vec(&bytes).unwrap() } else { bytes }
        };
        match random.u8(..10) {
            0..=3 => {
                let key = random.bool().then(|| format!("{}", random.u32(..)));
                let agent = random.choice(["a", "b"]).unwrap();
                let mut intent = intent(agent, key.as_deref(), &payload(random));
                intent.terms.restart = Restart::attempts(random.u32(1..4));
                intent.terms.priority = random.i32(..);
                if random.u8(..4) == 0 {
                    intent.terms.delivery = Delivery::AtMostOnce;
                    intent.due = Due::After(Duration::from_millis(random.u64(..100_000)));
                }
                ids.push(append(journal, intent).await);
            }
            4 | 5 => claims.extend(journal.claim(&wants(&["a".to_owned()]), 2).await.unwrap().claims),
            6 if !claims.is_empty() => {
                let claim = claims.swap_remove(random.usize(..claims.len()));
                journal.complete(&claim, &payload(random)).await.unwrap().unwrap();
            }
            7 if !claims.is_empty() => {
                let claim = claims.swap_remove(random.usize(..claims.len()));
                let by = random.choice([EndedBy::Error, EndedBy::Fatal, EndedBy::Panic]).unwrap();
                journal.fail(&claim, failed(by)).await.unwrap().unwrap();
            }
            decision if !ids.is_empty() => {
                let id = ids[random.usize(..ids.len())];
                let output = payload(random);
                // Refused or not.
                let _ = match (decision, step % 3) {
                    (8, _) => journal.cancel(id).await.unwrap(),
                    (_, 0) => journal.requeue(id).await.unwrap(),
                    (_, 1) => journal.settle(id, &output).await.unwrap(),
                    _ => journal.discard(id).await.unwrap(),
                };
            }
            _ => {}
        }
    }
}
