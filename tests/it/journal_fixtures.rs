//! A journal that an earlier version of the crate has left is opened, and goes on.
//!
//! `fixtures/journal_v1.hex` holds its records, as pairs of keys and values: what stood there when its process died, with one
//! launch in every state, and one whose input was half written. It is never made anew: the same stands in journals of users.

use sortie::journal::{Appended, Claim, Due, EndedBy, Intent, Journal, Scope, Terms};
use sortie::probe::StoreProbe;
use sortie::{AgentContext, LaunchRecord, LaunchStatus, SledJournal, System, agent_fn};

use crate::directory::Directory;
use crate::support::{SECOND, wants};

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// A directory with the journal of version 1.
fn old_journal() -> Directory {
    let directory = Directory::new();
    let pairs = include_str!("fixtures/journal_v1.hex").lines().map(|line| line.split_once(' ').unwrap());
    let pairs: Vec<_> = pairs.map(|(key, value)| (bytes(key), bytes(value))).collect();
    let batch: Vec<_> = pairs.iter().map(|(key, value)| (&key[..], Some(&value[..]))).collect();
    StoreProbe::sled(&directory.journal()).unwrap().commit(&batch).unwrap();
    directory
}

fn agents() -> Vec<String> {
    vec!["once".to_owned(), "worker".to_owned()]
}

async fn by_key(journal: &impl Journal, key: &str) -> LaunchRecord {
    let agent = if key == "ambiguous" { "once" } else { "worker" };
    journal.by_key(agent, key).await.unwrap().unwrap()
}

#[tokio::test(start_paused = true)]
async fn every_record_of_version_1_is_read() {
    let directory = old_journal();
    let journal = SledJournal::open(directory.journal()).unwrap();
    journal.start(Scope::new(agents())).await.unwrap();
    for (key, status, attempts, by) in [
        ("done", LaunchStatus::Done, 1, None),
        ("large", LaunchStatus::Done, 1, None),
        ("dead", LaunchStatus::Dead, 1, Some(EndedBy::Fatal)),
        ("cancelled", LaunchStatus::Cancelled, 1, None),
        ("ambiguous", LaunchStatus::Ambiguous, 1, Some(EndedBy::Panic)),
        ("running", LaunchStatus::Pending, 1, Some(EndedBy::Crash)),
        ("backoff", LaunchStatus::Pending, 1, Some(EndedBy::Error)),
        ("waiting", LaunchStatus::Pending, 0, None),
    ] {
        let told = by_key(&journal, key).await;
        assert_eq!((told.status, told.attempts), (status, attempts), "{key}");
        assert_eq!(told.history.last().map(|end| end.by), by, "{key}");
    }
    assert!(by_key(&journal, "running").await.suspect);
    let waiting = by_key(&journal, "waiting").await.terms;
    assert_eq!((waiting.priority, waiting.timeout), (-4, Some(9 * SECOND)));
    let large = by_key(&journal, "large").await.id;
    assert_eq!(journal.output(large).await.unwrap(), Some(format!("\"{}\"", "L".repeat(5000)).into_bytes()));
    let dead = by_key(&journal, "dead").await.id;
    assert_eq!(journal.input(dead).await.unwrap(), Some(b"\"dead\"".to_vec()));
    // The epoch goes on as well, and so the fences of the old process hold.
    let claims = journal.claim(&wants(&agents()), 9).await.unwrap().claims;
    assert_eq!(claims.len(), 3);
    for claim in claims {
        assert_eq!(claim.epoch, 2);
        let stale = Claim { epoch: 1, ..claim };
        assert!(journal.complete(&stale, b"").await.unwrap().is_err());
    }
    // Of the input that was half written nothing is left, and its launch can be recorded.
    assert_eq!(journal.by_key("worker", "half").await.unwrap(), None);
    let key = Some("half".to_owned());
    let (input, due, terms) = (b"\"half\"".to_vec(), Due::Now, Terms::default());
    let intent = Intent { agent: "worker".to_owned(), key, input, digest: 1, due, terms };
    assert!(matches!(journal.append(vec![intent]).await.unwrap()[..], [Appended::New(_)]));
    journal.close();
    journal.closed().await.unwrap();
    drop(journal);
    let store = StoreProbe::sled(&directory.journal()).unwrap();
    assert_eq!((store.scan(b"s").unwrap().len(), store.scan(b"i").unwrap().len()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_system_goes_on_with_a_journal_of_version_1() {
    let directory = old_journal();
    let echo = |text: String, cx: AgentContext| async move { Ok(format!("{} {}", text.len(), cx.attempt())) };
    let mut builder = System::builder().journal(SledJournal::open(directory.journal()).unwrap());
    let worker = builder.register(agent_fn(echo).named("worker"));
    builder.register(agent_fn(echo).named("once"));
    let system = builder.start().await.unwrap();
    // The same names and inputs are the same launches.
    for (key, input, result) in [
        ("done", "done".to_owned(), "DONE".to_owned()),
        ("large", "large".to_owned(), "L".repeat(5000)),
        ("running", "running".to_owned(), "7 2".to_owned()),
        ("backoff", "backoff".to_owned(), "7 2".to_owned()),
        ("waiting", "w".repeat(2000), "2000 1".to_owned()),
    ] {
        let ticket = system.launch(&worker, input).key(key).await.unwrap();
        assert!(ticket.is_known(), "{key}");
        assert_eq!(ticket.result().await.unwrap().unwrap(), result, "{key}");
    }
    assert!(system.launch(&worker, "other".to_owned()).key("done").await.is_err());
    system.shutdown(SECOND).await.unwrap();
}
