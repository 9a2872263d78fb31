//! What goes out and comes in is the same journal, and goes on as it would have.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;
use serde_json::value::RawValue;
use sortie::journal::{Claim, Delivery, Due, EndedBy, Intent, Journal, Terms};
use sortie::{
    AgentError, Backoff, LaunchFilter, LaunchId, LaunchRecord, LaunchStatus, Restart, SledJournal, System,
    agent_fn,
};
use tokio::time::sleep;

use super::{append, begin, close, everything, export, failed, import, intent, open};
use crate::directory::{Directory, names};
use crate::support::{SECOND, wants};

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
