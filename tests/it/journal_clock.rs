//! A wall clock that is set wrongly: before 1970, or beyond the year 9999. Times are saturated; nothing panics, and nothing is
//! lost.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sortie::journal::{
    Appended, Due, EndedBy, FailedAttempt, Intent, Journal, LaunchStatus, Scope, Terms, WallClock,
};
use sortie::{LaunchFilter, MemoryJournal, SledJournal, System, agent_fn};

use crate::directory::Directory;
use crate::support::{MS, SECOND, wants};

const AGENT: &str = "agent";
const DAY: u64 = 24 * 60 * 60;

/// The times that a clock is set to.
fn times() -> Vec<SystemTime> {
    let before = [1, DAY, 400 * 365 * DAY].map(|seconds| UNIX_EPOCH - Duration::from_secs(seconds));
    // The years 6429 (the last one of an id), 9999, 10000, 10889 (the last one that an id could hold), 20000, and the latest that the
    // type holds.
    let after = [
        140_737_488_355,
        253_402_300_799,
        253_402_300_800,
        281_474_976_711,
        569_000_000_000,
        i64::MAX as u64,
    ]
    .map(|seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds)));
    before.into_iter().chain([UNIX_EPOCH]).chain(after.into_iter().flatten()).collect()
}

fn scope(time: SystemTime) -> Scope {
    let mut scope = Scope::new([AGENT.to_owned()]);
    scope.clock = WallClock::new(move || time);
    scope
}

fn intent(key: &str, due: Due) -> Intent {
    let terms = Terms { retention: SECOND, ..Terms::default() };
    let (agent, key, input) = (AGENT.to_owned(), Some(key.to_owned()), vec![b'1'; 5000]);
    Intent { agent, key, input, digest: 1, due, terms }
}

/// All that a launch goes through.
async fn lives(journal: &impl Journal, time: SystemTime) {
    journal.start(scope(time)).await.unwrap();
    let dues =
        [Due::Now, Due::After(MS), Due::After(Duration::MAX), Due::At(time), Due::At(UNIX_EPOCH), Due::Now];
    let intents = (0..).zip(dues).map(|(n, due): (u32, _)| intent(&n.to_string(), due)).collect();
    let mut ids = Vec::new();
    for answer in journal.append(intents).await.unwrap() {
        let Appended::New(id) = answer else { panic!("{answer:?}") };
        ids.push(id);
    }
    assert!(ids.is_sorted(), "{time:?}");
    tokio::time::sleep(2 * MS).await;
    let claims = journal.claim(&wants(&[AGENT.to_owned()]), 9).await.unwrap().claims;
    assert_eq!(claims.len(), 5, "{time:?}");
    for (n, claim) in claims.iter().enumerate() {
        match n {
            0 | 1 => journal.complete(claim, b"2").await.unwrap().unwrap(),
            2 => journal.release(claim, true).await.unwrap().unwrap(),
            _ => {
                let failed = FailedAttempt {
                    by: EndedBy::Error,
                    message: "why".to_owned(),
                    code: None,
                    floor: Duration::ZERO,
                    roll: 0.5,
                };
                journal.fail(claim, failed).await.unwrap().unwrap();
            }
        }
    }
    let records = journal.scan(&LaunchFilter::all(), None, 99).await.unwrap();
    assert_eq!(records.len(), 6);
    let done = records.iter().filter(|record| record.status == LaunchStatus::Done).count();
    assert_eq!(done, 2, "{time:?}");
    for record in records {
        assert!(format!("{record:?}").contains("recorded"));
        journal.input(record.id).await.unwrap();
    }
    journal.sweep(9).await.unwrap();
    journal.close();
    journal.closed().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_journal_in_memory_lives_with_any_clock() {
    for time in times() {
        lives(&MemoryJournal::new(), time).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_journal_on_disk_lives_and_moves_with_any_clock() {
    for time in times() {
        let directory = Directory::new();
        lives(&SledJournal::open(directory.journal()).unwrap(), time).await;
        let mut lines = Vec::new();
        let exported = SledJournal::export(directory.journal(), &mut lines).unwrap();
        assert_eq!((exported.launches, exported.damaged), (6, 0), "{time:?}");
        let copy = directory.path().join("copy");
        let imported = SledJournal::import(&copy, &lines[..]);
        if time > SystemTime::now() + 366 * Duration::from_secs(DAY) {
            // Every later id would have to follow those of the far future.
            let error = imported.unwrap_err().to_string();
            assert!(error.contains("`id`"), "{time:?}: {error}");
            continue;
        }
        assert_eq!(imported.unwrap(), 6, "{time:?}");
        // What was recorded by a wrong clock goes on with a right one, and the other way round.
        for (key, next) in [("6", SystemTime::now()), ("7", time)] {
            let journal = SledJournal::open(&copy).unwrap();
            journal.start(scope(next)).await.unwrap();
            assert!(journal.scan(&LaunchFilter::all(), None, 99).await.unwrap().len() >= 6, "{time:?}");
            let Appended::New(id) = journal.append(vec![intent(key, Due::Now)]).await.unwrap()[0] else {
                panic!()
            };
            journal.cancel(id).await.unwrap().unwrap();
            journal.close();
            journal.closed().await.unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_system_runs_launches_with_any_clock() {
    for time in times() {
        let mut builder = System::builder().journal(MemoryJournal::new());
        builder.wall_clock(WallClock::new(move || time));
        let agent = builder.register(agent_fn(|n: u32, _| async move { Ok(n + 1) }).named("work"));
        let system = builder.start().await.unwrap();
        let ticket = system.launch(&agent, 1).await.unwrap();
        assert_eq!(ticket.result().await.unwrap().unwrap(), 2, "{time:?}");
        let late = system.launch(&agent, 2).delay(SECOND).await.unwrap();
        assert_eq!(late.result().await.unwrap().unwrap(), 3, "{time:?}");
        let at = system.launch(&agent, 3).at(time).await.unwrap();
        assert_eq!(at.result().await.unwrap().unwrap(), 4, "{time:?}");
        system.shutdown(SECOND).await.unwrap();
    }
}
