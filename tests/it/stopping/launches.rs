//! Launches whose agents wait for nested work when they are stopped.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::FutureExt;
use sortie::journal::{LaunchFilter, LaunchRecord};
use sortie::{AgentContext, AgentError, AgentRef, LaunchStatus, Restart, SledJournal, System, agent_fn};
use tokio::runtime::Runtime;

use super::{FORMS, Form, rounds, waits};
use crate::directory::Directory;
use crate::support::{Gauge, MS, SECOND, eventually, threads};

/// How a life of a system ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Shutdown,
    Grace,
    Drop,
    Root,
}

fn agent(form: Form, depth: u32, leaves: &Gauge, at_most_once: bool) -> AgentRef<u32, u32> {
    let agent = waits(form, depth, leaves);
    if at_most_once { agent.at_most_once() } else { agent.restart(Restart::attempts(1)) }
}

/// Launches agents that wait for nested work, ends the system, and reads what the next one finds.
async fn stopped(
    (form, depth, at_most_once): (Form, u32, bool),
    count: u32,
    end: End,
    pause: Duration,
) -> Vec<LaunchRecord> {
    let (directory, leaves) = (Directory::new(), Gauge::default());
    let mut builder = System::builder().journal(SledJournal::open(directory.journal()).unwrap());
    let waits = builder.register(agent(form, depth, &leaves, at_most_once));
    let system = builder.start().await.unwrap();
    let many = system.launch_many((0..count).map(|n| system.launch(&waits, n))).await;
    assert!(many.iter().all(Result::is_ok));
    drop(many);
    let all = count as usize * form.leaves(depth);
    eventually("bodies", || leaves.running() == all).await;
    if !pause.is_zero() {
        tokio::time::sleep(pause).await;
    }
    match end {
        End::Shutdown => drop(system.shutdown(Duration::ZERO).await.unwrap()),
        End::Grace => drop(system.shutdown(5 * MS).await.unwrap()),
        End::Drop => drop(system),
        End::Root => {
            // The intensity of a system allows a few deaths only.
            for _ in 0..20 {
                system.break_supervisor("main");
                tokio::time::sleep(MS).await;
            }
            assert!(system.wait().await.unwrap_err().is_escalated());
        }
    }
    eventually("no body", || leaves.running() == 0).await;
    let journal = loop {
        match SledJournal::open(directory.journal()) {
            Ok(journal) => break journal,
            Err(_) => tokio::time::sleep(MS).await,
        }
    };
    // Without an agent of this name the launches are only looked at.
    let mut builder = System::builder().journal(journal);
    builder.register(agent_fn(|n: u32, _| async move { Ok(n) }).named("other"));
    let system = builder.start().await.unwrap();
    let records = system.launches(LaunchFilter::all()).page(None, 1000).await.unwrap();
    system.shutdown(Duration::ZERO).await.unwrap();
    records
}

fn waiting(records: &[LaunchRecord]) -> usize {
    let waits =
        |record: &&LaunchRecord| matches!(record.status, LaunchStatus::Pending | LaunchStatus::Parked);
    records.iter().filter(waits).count()
}

fn ambiguous(records: &[LaunchRecord]) -> usize {
    records.iter().filter(|record| record.status == LaunchStatus::Ambiguous).count()
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_makes_no_dead_letters_of_launches_over_nested_work() {
    for form in FORMS {
        for depth in 1..=3 {
            let records = stopped((form, depth, false), 20, End::Shutdown, Duration::ZERO).await;
            assert_eq!(waiting(&records), 20, "{form:?}, {depth} deep: {records:?}");
        }
    }
}

#[test]
fn a_shutdown_makes_no_dead_letters_on_one_or_two_threads() {
    for (count, seed) in [(1, 1), (2, 2)] {
        let runtime = threads(count);
        for (form, (moment, how)) in FORMS.into_iter().cycle().zip(rounds(seed, 27)) {
            let end = if how % 2 == 0 { End::Shutdown } else { End::Grace };
            let agent = (form, 1 + how as u32 % 3, false);
            let records = on(&runtime, stopped(agent, 20, end, Duration::from_micros(moment)));
            assert_eq!(waiting(&records), 20, "{form:?}, {end:?}: {records:?}");
        }
    }
}

#[test]
fn a_dropped_system_makes_no_dead_letters() {
    let runtime = threads(2);
    for (form, (moment, how)) in FORMS.into_iter().zip(rounds(3, 9)) {
        let agent = (form, 1 + how as u32 % 3, false);
        let records = on(&runtime, stopped(agent, 20, End::Drop, Duration::from_micros(moment)));
        assert_eq!(waiting(&records), 20, "{form:?}: {records:?}");
    }
}

#[test]
fn a_system_that_ends_because_of_too_many_deaths_makes_no_dead_letters() {
    let runtime = threads(2);
    for (form, (_, how)) in FORMS.into_iter().zip(rounds(4, 9)) {
        let agent = (form, 1 + how as u32 % 3, false);
        let records = on(&runtime, stopped(agent, 10, End::Root, Duration::ZERO));
        assert_eq!(waiting(&records), 10, "{form:?}: {records:?}");
    }
}

#[test]
fn launches_that_run_at_most_once_are_ambiguous_after_a_shutdown_over_nested_work() {
    let runtime = threads(2);
    for (form, (moment, how)) in FORMS.into_iter().zip(rounds(5, 9)) {
        let end = if how % 2 == 0 { End::Shutdown } else { End::Drop };
        let agent = (form, 1 + how as u32 % 3, true);
        let records = on(&runtime, stopped(agent, 20, end, Duration::from_micros(moment)));
        assert_eq!(ambiguous(&records), 20, "{form:?}, {end:?}: {records:?}");
    }
}

#[test]
fn the_death_of_a_supervisor_is_no_failure_of_launches_over_nested_work() {
    for count in [1, 2] {
        let runtime = threads(count);
        for form in FORMS {
            on(&runtime, async move {
                let leaves = Gauge::default();
                let mut builder = System::builder().journal(sortie::MemoryJournal::new());
                let waits = builder.register(agent(form, 2, &leaves, false));
                let system = builder.start().await.unwrap();
                let many = system.launch_many((0..20).map(|n| system.launch(&waits, n))).await;
                let tickets: Vec<_> = many.into_iter().map(Result::unwrap).collect();
                eventually("bodies", || leaves.running() == 20 * form.leaves(2)).await;
                assert!(system.break_supervisor("main"));
                eventually("a restart", || system.status().supervisors[0].restarts == 1).await;
                eventually("the next attempts", || leaves.begun() == 2 * 20 * form.leaves(2)).await;
                for ticket in &tickets {
                    let record = ticket.record().await.unwrap();
                    assert_eq!(record.status, LaunchStatus::Running, "{form:?}: {record:?}");
                    assert_eq!(record.failures, 0, "{form:?}: {record:?}");
                }
                system.shutdown(Duration::ZERO).await.unwrap();
            });
        }
    }
}

/// An agent that fails by itself keeps its failure, however soon after that the system is shut down.
#[tokio::test(start_paused = true)]
async fn a_launch_that_has_failed_before_the_shutdown_stays_failed() {
    let directory = Directory::new();
    let mut builder = System::builder().journal(SledJournal::open(directory.journal()).unwrap());
    let handle = Arc::new(std::sync::OnceLock::<System>::new());
    let calls = Arc::new(AtomicUsize::new(0));
    let (theirs, called) = (Arc::clone(&handle), Arc::clone(&calls));
    let agent = agent_fn(move |_: u32, cx: AgentContext| {
        let (theirs, called) = (Arc::clone(&theirs), Arc::clone(&called));
        async move {
            called.fetch_add(1, Ordering::SeqCst);
            let none: Result<u32, AgentError> = Err("by itself".into());
            // The order comes in the poll in which the agent fails, and nothing is stopped before that ends.
            assert!(theirs.get().unwrap().shutdown(SECOND).now_or_never().is_none());
            drop(cx);
            none
        }
    });
    let agent = builder.register(AgentRef::new(agent.named("fails")).restart(Restart::attempts(1)));
    let system = builder.start().await.unwrap();
    let _ = handle.set(system.clone());
    let ticket = system.launch(&agent, 1).await.unwrap();
    system.wait().await.unwrap();
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    let id = ticket.id();
    drop(ticket);
    let mut builder = System::builder().journal(SledJournal::open(directory.journal()).unwrap());
    builder.register(agent_fn(|n: u32, _| async move { Ok(n) }).named("fails"));
    let system = builder.start().await.unwrap();
    let record = system.ticket::<u32>(id).unwrap().record().await.unwrap();
    assert_eq!((record.status, record.failures), (LaunchStatus::Dead, 1));
}

/// The attempt's own timeout decides as well: the restart policy of the launch applies.
#[tokio::test(start_paused = true)]
async fn a_timeout_over_nested_work_is_a_timeout_of_the_launch() {
    for form in FORMS {
        let leaves = Gauge::default();
        let mut builder = System::builder().journal(sortie::MemoryJournal::new());
        let restart = Restart::attempts(3).backoff(sortie::Backoff::none());
        let waits = builder.register(waits(form, 2, &leaves).timeout(SECOND).restart(restart));
        let system = builder.start().await.unwrap();
        let ticket = system.launch(&waits, 1).await.unwrap();
        let failure = ticket.result().await.unwrap().unwrap_err();
        assert!(matches!(failure.cause(), sortie::Cause::TimedOut { .. }), "{form:?}: {failure:?}");
        assert_eq!(failure.attempts(), 3, "{form:?}");
        system.shutdown(Duration::ZERO).await.unwrap();
    }
}

fn on<T: Send + 'static>(runtime: &Runtime, work: impl Future<Output = T> + Send) -> T {
    // The test's own thread drives the work, beside the runtime's.
    runtime.block_on(work)
}
