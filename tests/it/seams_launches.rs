//! Where features of launches meet that know nothing of each other.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::{Duration, SystemTime};

use futures::future::poll_fn;
use sortie::journal::{Appended, Claim, Delivery, Due, Intent, Journal, Scope, Terms, WallClock, Want};
use sortie::probe::{Shelf, ShelfFault};
use sortie::{
    AgentContext, JournalErrorKind, LaunchFilter, LaunchId, LaunchStatus, MemoryJournal, System, agent_fn,
};
use tokio::time::timeout;

use crate::support::{MS, SECOND};

const AGENT: &str = "agent";
const HOUR: Duration = Duration::from_secs(3600);

fn scope() -> Scope {
    Scope::new([AGENT.to_owned()])
}

fn intent(input: Vec<u8>, terms: Terms) -> Intent {
    Intent { agent: AGENT.to_owned(), key: None, digest: 0, input, due: Due::Now, terms }
}

async fn launch(journal: &impl Journal, input: Vec<u8>, terms: Terms) -> LaunchId {
    match journal.append(vec![intent(input, terms)]).await.unwrap()[..] {
        [Appended::New(id)] => id,
        ref other => panic!("{other:?}"),
    }
}

async fn claim(journal: &impl Journal, max: usize) -> Vec<Claim> {
    journal.claim(&[Want::new(AGENT, usize::MAX)], max).await.unwrap().claims
}

async fn close(journal: &impl Journal) {
    journal.close();
    timeout(HOUR, journal.closed()).await.expect("it does not close").unwrap();
}

fn once() -> Terms {
    Terms { delivery: Delivery::AtMostOnce, ..Terms::default() }
}

/// A long output of an attempt that is over meanwhile is not mixed into the one that somebody has settled.
#[tokio::test(start_paused = true)]
async fn an_output_that_comes_too_late_leaves_the_settled_one_alone() {
    let journal = MemoryJournal::new();
    journal.start(scope()).await.unwrap();
    let id = launch(&journal, vec![1], once()).await;
    let [claim] = &claim(&journal, 1).await[..] else { panic!() };
    let (late, settled) = (vec![b'l'; 3 << 20], vec![b's'; 2 << 20]);
    let mut late = journal.complete(claim, &late);
    let decided = async {
        // The attempt's first pieces are there.
        for _ in 0..4 {
            journal.get(id).await.unwrap();
        }
        journal.release_all(&[AGENT.to_owned()], &[id]).await.unwrap();
        assert_eq!(journal.get(id).await.unwrap().unwrap().status, LaunchStatus::Ambiguous);
        journal.settle(id, &settled).await.unwrap().unwrap();
    };
    let (concluded, ()) = tokio::join!(&mut late, decided);
    concluded.unwrap().unwrap_err();
    assert!(journal.output(id).await.unwrap().unwrap() == settled, "two outputs are mixed");
}
