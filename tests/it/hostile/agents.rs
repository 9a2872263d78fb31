//! Agents: names, calls, futures, closures, and what they throw.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use sortie::{
    Agent, AgentContext, AgentError, AgentRef, Cause, LaunchRecord, LaunchStatus, MemoryJournal, Outcome,
    Restart, System, Verdict, agent_fn, blocking, foreach,
};
use tokio::time::sleep;

use super::errors::{HOSTILITIES, Hostile};
use super::{Bomb, innocent, innocents_run, is_well};
use crate::support::{SECOND, leaves_no_task, threads};

fn message<T>(outcome: &Outcome<T>) -> &str {
    match outcome.as_ref().err().unwrap().cause() {
        Cause::Panicked(message) => message,
        other => panic!("{other}"),
    }
}

/// An agent that is hostile where it is asked for its name, called, polled or dropped.
struct Wild {
    name: Option<&'static str>,
    _bomb: Option<Bomb>,
}

impl Agent for Wild {
    type Input = u32;
    type Output = u32;

    fn name(&self) -> &str {
        self.name.expect("no name")
    }

    fn run(&self, n: u32, _: AgentContext) -> impl Future<Output = Result<u32, AgentError>> + Send {
        assert!(n != 1, "before the future");
        Erratic { n, _bomb: (n == 3).then(|| Bomb) }
    }
}

struct Erratic {
    n: u32,
    _bomb: Option<Bomb>,
}

impl Future for Erratic {
    type Output = Result<u32, AgentError>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        assert!(self.n != 2, "in the future");
        Poll::Ready(Ok(self.n))
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_that_panics_does_so_in_the_caller_and_a_system_is_built_all_the_same() {
    let mut builder = System::builder().journal(MemoryJournal::new());
    let innocent = builder.register(innocent());
    let wild = || Wild { name: None, _bomb: None };
    assert!(catch_unwind(AssertUnwindSafe(|| builder.register(wild()).name().len())).is_err());
    assert!(catch_unwind(AssertUnwindSafe(|| AgentRef::new(wild()).name().len())).is_err());
    let system = builder.start().await.unwrap();
    innocents_run(&system, &innocent).await;
}

#[tokio::test(start_paused = true)]
async fn a_call_a_future_and_a_drop_cost_their_own_attempt() {
    let wild = || Wild { name: Some("wild"), _bomb: Some(Bomb) };
    let outcomes = leaves_no_task(foreach(0..5, &AgentRef::new(wild())).settled()).await;
    assert_eq!((message(&outcomes[1]), message(&outcomes[2])), ("before the future", "in the future"));
    assert!([0, 3, 4].iter().all(|n| outcomes[*n as usize].as_ref().is_ok_and(|value| value == n)));

    let mut builder = System::builder().journal(MemoryJournal::new());
    let (agent, innocent) = (builder.register(wild()), builder.register(innocent()));
    let system = builder.start().await.unwrap();
    for n in 0..4 {
        let ticket = system.launch(&agent, n).restart(Restart::attempts(1)).await.unwrap();
        // The drop of the future that the agent's own view awaits is a part of the attempt.
        assert_eq!(ticket.result().await.unwrap().is_ok(), n == 0);
    }
    innocents_run(&system, &innocent).await;
    is_well(&system);
    drop(agent);
    system.shutdown(SECOND).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_payload_of_a_panic_is_dropped_and_cut() {
    struct Nested;
    impl Drop for Nested {
        fn drop(&mut self) {
            panic_any(Bomb);
        }
    }
    let agent = agent_fn(|n: u32, _| async move {
        match n {
            0 => panic_any(Bomb),
            1 => panic_any(Nested),
            2 => panic_any("x".repeat(100 << 20)),
            _ => Ok(n),
        }
    });
    let agent = AgentRef::new(agent.named("throwing"));
    let outcomes = leaves_no_task(foreach(0..4, &agent).settled()).await;
    assert_eq!(message(&outcomes[0]), "a panic without a message");
    assert_eq!(message(&outcomes[1]), "a panic without a message");
    assert!(message(&outcomes[2]).starts_with("xxx") && message(&outcomes[2]).len() <= 8192);
    assert_eq!(*outcomes[3].as_ref().unwrap(), 3);

    let mut builder = System::builder().journal(MemoryJournal::new());
    let (agent, innocent) = (builder.register(agent), builder.register(innocent()));
    let system = builder.start().await.unwrap();
    for n in 0..3 {
        let ticket = system.launch(&agent, n).restart(Restart::attempts(1)).await.unwrap();
        assert!(ticket.result().await.unwrap().is_err());
        assert!(ticket.record().await.unwrap().history[0].message.len() <= 1000);
    }
    innocents_run(&system, &innocent).await;
    is_well(&system);
}

#[tokio::test(start_paused = true)]
async fn an_error_that_panics_while_it_is_made_an_error_of_an_agent_costs_its_own_attempt() {
    struct Raw;
    impl From<Raw> for AgentError {
        fn from(_: Raw) -> Self {
            panic!("in From")
        }
    }
    async fn agent(n: u32) -> Result<u32, Raw> {
        if n == 1 { Err(Raw) } else { Ok(n) }
    }
    let outcomes = leaves_no_task(foreach(0..3, agent).settled()).await;
    assert_eq!(message(&outcomes[1]), "in From");
    assert!(outcomes[0].is_ok() && outcomes[2].is_ok());
}

#[test]
fn a_blocking_function_costs_its_own_attempt_also_after_that_was_given_up() {
    let runtime = threads(2);
    runtime.block_on(async {
        let goes_on = Arc::new(AtomicBool::new(false));
        let theirs = Arc::clone(&goes_on);
        let captured = Arc::new(Bomb);
        let agent = blocking(move |n: u32, _| {
            let _ = &captured;
            match n {
                0 => panic!("plain"),
                1 => panic_any(Bomb),
                2 | 3 => {
                    // Beyond its timeout.
                    while !theirs.load(Ordering::SeqCst) {
                        std::thread::sleep(Duration::from_millis(1));
                    }
                    if n == 2 {
                        panic_any(Bomb)
                    }
                    Ok(Some(Bomb))
                }
                _ => Ok(None),
            }
        });
        let outcomes = foreach(0..6, agent).timeout(SECOND / 5).settled().await;
        assert_eq!((message(&outcomes[0]), message(&outcomes[1])), ("plain", "a panic without a message"));
        for n in [2, 3] {
            let cause = outcomes[n].as_ref().err().unwrap().cause();
            assert!(matches!(cause, Cause::TimedOut { stopped: false, .. }), "{cause}");
        }
        assert!(outcomes[4].is_ok() && outcomes[5].is_ok());
        goes_on.store(true, Ordering::SeqCst);
        let agent = blocking(|n: u32, _| Ok(n));
        assert_eq!(foreach(0..3, agent).all().await.unwrap(), [0, 1, 2]);
    });
}

#[tokio::test(start_paused = true)]
async fn a_hook_costs_its_own_verdict() {
    for hostility in HOSTILITIES {
        let mut builder = System::builder().journal(MemoryJournal::new());
        let charge = agent_fn(|what: u32, _| async move {
            assert!(what > 100, "nobody knows");
            Ok(what)
        });
        let charge = builder.register(AgentRef::new(charge.named("charge")).at_most_once());
        let innocent = builder.register(innocent());
        let hook = agent_fn(move |launch: LaunchRecord, _| async move {
            match launch.key.as_deref() {
                Some("error") => Err(AgentError::fatal(Hostile(hostility))),
                Some("payload") => panic_any(Bomb),
                _ => Ok(Verdict::Settle(7)),
            }
        });
        builder.when_ambiguous(&charge, hook);
        let system = builder.start().await.unwrap();
        let mut tickets = Vec::new();
        for key in ["error", "payload", "fine"] {
            tickets.push(system.launch(&charge, 1).key(key).await.unwrap());
        }
        sleep(60 * SECOND).await;
        for (ticket, status) in
            tickets.iter().zip([LaunchStatus::Ambiguous, LaunchStatus::Ambiguous, LaunchStatus::Done])
        {
            assert_eq!(ticket.status().await.unwrap(), status);
        }
        innocents_run(&system, &innocent).await;
        is_well(&system);
    }
}
