//! Readers and cancellers that race the end of a launch: each launch ends once, and all see the same end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::{join, join_all};
use sortie::{AgentRef, Cause, LaunchStatus, MemoryJournal, System, agent_fn};

use crate::support::threads;

const ROUNDS: usize = 10_000;
const AT_ONCE: usize = 50;

/// Ends after as many turns of the scheduler as its input says.
fn hasty(bodies: &Arc<AtomicUsize>) -> AgentRef<usize, usize> {
    let bodies = Arc::clone(bodies);
    let agent = agent_fn(move |turns: usize, _| {
        bodies.fetch_add(1, Ordering::SeqCst);
        async move {
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
            // Some have no value to give: then a cancellation that was recorded before counts.
            if turns % 3 == 0 { Err(sortie::AgentError::fatal("no value")) } else { Ok(turns) }
        }
    });
    AgentRef::new(agent.named("hasty"))
}

/// One launch, four readers and four cancellers. Gives the status in which it ended.
async fn race(system: &System, agent: &AgentRef<usize, usize>, round: usize) -> LaunchStatus {
    let ticket = system.launch(agent, round % 7).await.unwrap();
    let readers = join_all((0..4).map(|_| {
        let ticket = ticket.clone();
        tokio::spawn(async move { ticket.result().await.unwrap() })
    }));
    let cancellers = join_all((0..4).map(|canceller| {
        let ticket = ticket.clone();
        tokio::spawn(async move {
            for _ in 0..(round / 7 + canceller) % 11 {
                tokio::task::yield_now().await;
            }
            ticket.cancel().await.unwrap()
        })
    }));
    let (read, cancelled) = join(readers, cancellers).await;
    let cancelled = cancelled.into_iter().any(Result::unwrap);
    let status = ticket.status().await.unwrap();
    for outcome in read.into_iter().map(Result::unwrap) {
        match (status, outcome) {
            (LaunchStatus::Done, Ok(value)) => assert_eq!(value, round % 7),
            (LaunchStatus::Cancelled, Err(failure)) => {
                assert!(matches!(failure.cause(), Cause::Cancelled { .. }), "{failure}");
                assert!(cancelled, "nobody has cancelled it");
            }
            (LaunchStatus::Dead, Err(failure)) => {
                assert!(matches!(failure.cause(), Cause::Failed(_)), "{failure}");
                assert!(!cancelled, "a cancellation was recorded before the attempt ended without a value");
            }
            (status, outcome) => panic!("{status:?}, and a reader got {outcome:?}"),
        }
    }
    // It has ended: nothing moves it any more.
    assert!(!ticket.cancel().await.unwrap());
    assert_eq!(ticket.status().await.unwrap(), status);
    status
}

#[test]
fn readers_and_cancellers_see_one_end_each() {
    threads(2).block_on(async {
        let bodies = Arc::default();
        let mut builder = System::builder().journal(MemoryJournal::new());
        let agent = builder.register(hasty(&bodies));
        let system = builder.start().await.unwrap();
        let mut ends = [0; 3];
        for first in (0..ROUNDS).step_by(AT_ONCE) {
            let races = (first..first + AT_ONCE).map(|round| race(&system, &agent, round));
            for status in join_all(races).await {
                let end = match status {
                    LaunchStatus::Done => 0,
                    LaunchStatus::Cancelled => 1,
                    _ => 2,
                };
                ends[end] += 1;
            }
        }
        // Each of them happens, and no launch had two attempts.
        assert!(ends.iter().all(|count| *count > 0), "{ends:?}");
        assert!(bodies.load(Ordering::SeqCst) <= ROUNDS);
    });
}
