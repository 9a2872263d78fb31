//! Records with a right checksum and with numbers that no journal has written.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use serde_json::Value;
use sortie::journal::Journal;
use sortie::probe::{Sample, Shelf, StoreProbe};
use sortie::{
    AgentError, LaunchFilter, LaunchId, LaunchRecord, LaunchStatus, Phase, SledJournal, System, agent_fn,
};
use tokio::time::sleep;

use crate::directory::Directory;
use crate::support::SECOND;

const FIELDS: [&str; 24] = [
    "recorded",
    "attempt",
    "failures",
    "crashes",
    "terms.restart.attempts",
    "terms.restart.factor",
    "terms.restart.base",
    "terms.restart.max",
    "terms.restart.causes",
    "terms.max_crashes",
    "terms.timeout",
    "terms.retention",
    "terms.priority",
    "input.length",
    "output.length",
    "state.pending.at",
    "state.pending.wait",
    "state.pending.both",
    "state.running.epoch",
    "state.running.since",
    "state.at",
    "history.attempt",
    "history.epoch",
    "history.at",
];

fn extremes() -> [u64; 10] {
    let floats = [f64::NAN, f64::INFINITY, -1.0].map(f64::to_bits);
    [
        0,
        1,
        u64::from(u32::MAX),
        u64::MAX >> 1,
        u64::MAX - 1,
        u64::MAX,
        1 << 31,
        floats[0],
        floats[1],
        floats[2],
    ]
}

/// How a launch comes into each of its states.
const STATES: [&[&str]; 7] = [
    &[],
    &["start 1", "error 1 1"],
    &["start 1", "error 1 1", "start 1"],
    &["start 1", "error 1 1", "start 1", "succeed 1 2"],
    &["start 1", "fatal 1 1"],
    &["start 1", "error 1 1", "cancel"],
    &["start 1", "panic 1 1"],
];

fn id(time: SystemTime, number: u64) -> LaunchId {
    let millis = time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
    let id = millis << 80 | 7 << 76 | 0b10 << 62 | u128::from(number);
    uuid_text(id).parse().unwrap()
}

fn uuid_text(id: u128) -> String {
    let hex = format!("{id:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// Heads with every number at each of its ends, one for each launch.
fn heads() -> Vec<(LaunchId, Vec<u8>, Vec<u8>)> {
    let mut heads = Vec::new();
    let recorded = SystemTime::now() - Duration::from_secs(60 * 60);
    for (field, number, events, once) in FIELDS.into_iter().flat_map(|field| {
        extremes().into_iter().flat_map(move |number| {
            STATES.into_iter().flat_map(move |events| [false, true].map(|once| (field, number, events, once)))
        })
    }) {
        let count = heads.len() as u64;
        let key = format!("key {count}");
        let mut sample = Sample::new(5, once).named("agent", Some(&key), (count % 3 == 0).then_some(&key));
        for (at, event) in events.iter().enumerate() {
            sample.apply(event, 1_700_000_000_000 + at as u64);
        }
        if !sample.set(field, number) {
            continue;
        }
        let id = id(recorded, count);
        let key = [b"h", &id.as_u128().to_be_bytes()[..]].concat();
        let record = sample.record(&key);
        heads.push((id, key, record));
    }
    heads
}

/// A system with an agent that fails at its first call for each launch.
async fn start(journal: impl Journal) -> (System, sortie::AgentRef<Value, Value>, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    let agent = agent_fn(move |input: Value, cx: sortie::AgentContext| {
        counter.fetch_add(1, Ordering::SeqCst);
        async move { if cx.attempt() % 3 == 1 { Err(AgentError::retry("again")) } else { Ok(input) } }
    });
    let mut builder = System::builder().journal(journal);
    let agent = builder.register(agent.named("agent"));
    (builder.start().await.unwrap(), agent, calls)
}

async fn all(system: &System) -> Vec<LaunchRecord> {
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page = system.launches(LaunchFilter::all()).page(after, 500).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        found.extend(page);
    }
    found
}

#[tokio::test(start_paused = true)]
async fn no_number_in_a_record_ends_a_system_or_holds_up_the_others() {
    let heads = heads();
    assert!(heads.len() > 1500, "{}", heads.len());
    let shelf = Shelf::default();
    for (_, key, record) in &heads {
        shelf.store().commit(&[(key, Some(record))]).unwrap();
    }
    for life in 0..3 {
        let (system, agent, calls) = start(shelf.journal()).await;
        let innocent = system.launch(&agent, life.into()).await.unwrap();
        assert_eq!(innocent.result().await.unwrap().unwrap(), life);
        sleep(600 * SECOND).await;
        let records = all(&system).await;
        assert_eq!(system.status().phase, Phase::Running, "life {life}");
        assert_eq!(system.status().supervisors[0].deaths, 0, "life {life}");
        let counts = system.status().launches.unwrap();
        let count = |status| records.iter().filter(|record| record.status == status).count();
        assert_eq!(counts.parked, count(LaunchStatus::Parked), "life {life}");
        assert_eq!(counts.pending, count(LaunchStatus::Pending), "life {life}");
        assert_eq!(counts.running, count(LaunchStatus::Running), "life {life}");
        assert_eq!(counts.dead, count(LaunchStatus::Dead), "life {life}");
        assert_eq!(counts.ambiguous, count(LaunchStatus::Ambiguous), "life {life}");
        assert!(counts.parked > 50 || life == 2, "life {life}: {counts:?}");
        assert!(
            life > 0 || calls.load(Ordering::SeqCst) > 200,
            "life {life}: {}",
            calls.load(Ordering::SeqCst)
        );
        for record in records {
            let ticket = system.ticket::<Value>(record.id).unwrap();
            match record.status {
                // What no journal has written is parked again, and each decision about it works.
                LaunchStatus::Dead | LaunchStatus::Ambiguous if life == 0 => {
                    assert!(ticket.requeue().await.unwrap())
                }
                LaunchStatus::Parked if life == 1 => assert!(ticket.discard().await.unwrap()),
                LaunchStatus::Pending if life == 1 => assert!(ticket.cancel().await.unwrap()),
                _ => {}
            }
        }
        sleep(600 * SECOND).await;
        system.shutdown(SECOND).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_with_such_records_is_opened_exported_and_what_is_sound_in_it_imported() {
    let directory = Directory::new();
    let mut store = StoreProbe::sled(&directory.journal()).unwrap();
    for (_, key, record) in heads() {
        store.commit(&[(&key, Some(&record))]).unwrap();
    }
    drop(store);
    let mut lines = Vec::new();
    let exported = SledJournal::export(directory.journal(), &mut lines).unwrap();
    assert!(exported.missing.is_none() && exported.launches > 500, "{exported:?}");
    // A line for each launch that can be imported, and a reason with the field for each that cannot.
    assert!(exported.damaged > 100, "{}", exported.damaged);
    assert!(
        exported
            .skipped
            .iter()
            .all(|skipped| skipped.reason.contains('`') || skipped.reason.contains("piece"))
    );
    let there = directory.path().join("there");
    assert_eq!(SledJournal::import(&there, &lines[..]).unwrap(), exported.launches);
    let (system, agent, _) = start(SledJournal::open(&there).unwrap()).await;
    let innocent = system.launch(&agent, 1.into()).await.unwrap();
    assert_eq!(innocent.result().await.unwrap().unwrap(), 1);
    assert_eq!(system.status().supervisors[0].deaths, 0);
    system.shutdown(SECOND).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_epoch_that_no_journal_has_had_is_replaced_by_one_that_fences_all_attempts() {
    for epoch in [u64::MAX, u64::MAX - 1, u64::MAX >> 1, 0] {
        let shelf = Shelf::default();
        let id = id(SystemTime::now(), 1);
        let key = [b"h", &id.as_u128().to_be_bytes()[..]].concat();
        let mut sample = Sample::new(5, true).named("agent", None, None);
        assert_eq!(sample.apply("start 6", 1_700_000_000_000), "running 1");
        shelf
            .store()
            .commit(&[(b"e", Some(&Sample::epoch(b"e", epoch))), (&key, Some(&sample.record(&key)))])
            .unwrap();
        for life in 0..3 {
            let (system, agent, calls) = start(shelf.journal()).await;
            let ticket = system.ticket::<Value>(id).unwrap();
            // What ran before the start does not run again, whatever its epoch says.
            assert_eq!(ticket.status().await.unwrap(), LaunchStatus::Ambiguous, "{epoch} {life}");
            assert_eq!(calls.load(Ordering::SeqCst), 0);
            system.launch(&agent, 1.into()).await.unwrap().result().await.unwrap().unwrap();
            system.shutdown(SECOND).await.unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn new_ids_do_not_follow_one_of_the_far_future() {
    let (hour, day) = (Duration::from_secs(60 * 60), Duration::from_secs(24 * 60 * 60));
    for (ahead, follows) in [
        (hour, true),
        (day - hour, true),
        (day + hour, false),
        (9 * 365 * day, false),
        (5000 * 365 * day, false),
    ] {
        let shelf = Shelf::default();
        let future = id(SystemTime::now() + ahead, 1);
        let key = [b"h", &future.as_u128().to_be_bytes()[..]].concat();
        let sample = Sample::new(5, false).named("agent", None, None);
        shelf.store().commit(&[(&key, Some(&sample.record(&key)))]).unwrap();
        let mut last = future;
        for life in 0..2 {
            let (system, agent, _) = start(shelf.journal()).await;
            for number in 0..10 {
                let id = system.launch(&agent, number.into()).await.unwrap().id();
                let follows = follows || life > 0 || number > 0;
                assert_eq!(id > last, follows, "{ahead:?}: {id} after {last}");
                last = id;
            }
            system.shutdown(SECOND).await.unwrap();
        }
    }
}
