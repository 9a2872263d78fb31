//! Launches in a journal on disk: what a shutdown and the next start make of them, and what happens when the disk does not
//! do its part. The clock is paused: it waits for the disk.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::join_all;
use sortie::probe::Trap;
use sortie::{
    AgentContext, AgentRef, Backoff, Cause, JournalErrorKind, LaunchErrorKind, LaunchStatus, Registrable,
    Restart, SledJournal, System, Ticket, agent_fn,
};
use tokio::time::{Instant, sleep};

use crate::directory::Directory;
use crate::support::{Gauge, MS, SECOND, eventually};

/// A system on the journal of a directory, with one agent.
async fn start<R: Registrable>(directory: &Directory, agent: R) -> (System, AgentRef<R::Input, R::Output>) {
    let mut builder = System::builder().journal(SledJournal::open(directory.journal()).unwrap());
    let agent = builder.register(agent);
    (builder.start().await.unwrap(), agent)
}

/// An agent that takes as long as its input says, and gives the number of its attempt.
fn worker(gauge: &Gauge) -> AgentRef<Duration, u32> {
    let gauge = gauge.clone();
    let agent = agent_fn(move |time: Duration, cx: AgentContext| {
        let gauge = gauge.clone();
        async move {
            let _body = gauge.enter();
            sleep(time).await;
            Ok(cx.attempt())
        }
    });
    AgentRef::new(agent.named("worker"))
}

async fn result<O: sortie::Payload>(ticket: &Ticket<O>) -> O {
    ticket.result().await.unwrap().unwrap()
}

#[tokio::test(start_paused = true)]
async fn s34_a_shutdown_hands_back_what_has_not_ended_and_the_next_start_runs_it() {
    let directory = Directory::new();
    let gauge = Gauge::default();
    let (system, agent) = start(&directory, worker(&gauge)).await;
    let tickets = join_all((0..10).map(|_| system.launch(&agent, 5 * SECOND).into_future())).await;
    let ids: Vec<_> = tickets.iter().map(|ticket| ticket.as_ref().unwrap().id()).collect();
    eventually("bodies", || gauge.running() == 10).await;
    let began = Instant::now();
    let left = system.shutdown(SECOND).await.unwrap();
    assert!((SECOND..SECOND + 50 * MS).contains(&began.elapsed()), "{:?}", began.elapsed());
    assert_eq!((left.handed_back, left.cut_short, left.not_stopped), (10, 0, 0));
    assert_eq!(left.to_string(), "every run had ended, 10 launches were handed back");
    assert_eq!(gauge.running(), 0);

    // The journal is free at once, although tickets of the system are still there.
    let (system, _) = start(&directory, worker(&gauge)).await;
    for id in ids {
        assert_eq!(result(&system.ticket::<u32>(id).unwrap()).await, 2);
    }
    // Handed back is neither failed nor crashed: they ran side by side again.
    assert_eq!((gauge.begun(), gauge.peak()), (20, 10));
    assert_eq!(system.shutdown(SECOND).await.unwrap().handed_back, 0);
}

#[tokio::test(start_paused = true)]
async fn s35_launches_of_unknown_agents_and_unreadable_inputs_wait_for_a_process_that_can_run_them() {
    let directory = Directory::new();
    let (system, agent) = start(&directory, worker(&Gauge::default())).await;
    let ticket = system.launch(&agent, 60 * SECOND).await.unwrap();
    system.shutdown(Duration::ZERO).await.unwrap();
    let id = ticket.id();

    let other = agent_fn(|n: u32, _| async move { Ok(n) });
    let (system, other) = start(&directory, other.named("other")).await;
    let ticket = system.ticket::<u32>(id).unwrap();
    assert_eq!(ticket.status().await.unwrap(), LaunchStatus::Parked);
    assert_eq!(result(&system.launch(&other, 7).await.unwrap()).await, 7);
    sleep(60 * SECOND).await;
    assert_eq!(ticket.status().await.unwrap(), LaunchStatus::Parked);
    system.shutdown(SECOND).await.unwrap();

    // An agent of that name that takes something else.
    let calls = Arc::new(AtomicUsize::new(0));
    let called = Arc::clone(&calls);
    let changed = agent_fn(move |_: String, _| {
        called.fetch_add(1, Ordering::SeqCst);
        async { Ok(0) }
    });
    let (system, changed) = start(&directory, changed.named("worker")).await;
    let ticket = system.ticket::<u32>(id).unwrap();
    let next = system.launch(&changed, "text".into()).await.unwrap();
    assert_eq!(result(&next).await, 0);
    sleep(60 * SECOND).await;
    assert_eq!(ticket.status().await.unwrap(), LaunchStatus::Parked);
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    system.shutdown(SECOND).await.unwrap();

    let (system, _) = start(&directory, worker(&Gauge::default())).await;
    assert!(result(&system.ticket::<u32>(id).unwrap()).await >= 2);
}

#[tokio::test(start_paused = true)]
async fn s37_a_large_input_and_a_large_output_survive_a_restart() {
    let directory = Directory::new();
    let echo = || agent_fn(|text: String, _| async move { Ok(text) }).named("echo");
    let text: String = (0..1 << 20).map(|n| char::from(b'a' + (n % 23) as u8)).collect();
    let sizes =
        [0, 1, 1022, 1023, 3998, 4000, 4002, 256_000, 1 << 20].map(|length| text[..length].to_owned());
    let (system, agent) = start(&directory, echo()).await;
    let mut ids = Vec::new();
    for (key, text) in sizes.iter().enumerate() {
        let ticket = system.launch(&agent, text.clone()).key(key).await.unwrap();
        assert!(result(&ticket).await == *text);
        ids.push(ticket.id());
    }
    let unfinished = agent_fn(|_: String, _| std::future::pending::<Result<String, sortie::AgentError>>());
    system.shutdown(SECOND).await.unwrap();
    let (system, hanging) = start(&directory, unfinished.named("echo")).await;
    let waits = system.launch(&hanging, text.clone()).key("waits").await.unwrap();
    system.shutdown(Duration::ZERO).await.unwrap();

    let (system, agent) = start(&directory, echo()).await;
    for (id, text) in ids.into_iter().zip(&sizes) {
        assert!(result(&system.ticket::<String>(id).unwrap()).await == *text);
    }
    assert!(result(&system.ticket::<String>(waits.id()).unwrap()).await == text);
    // A large one is known by its key, too.
    assert!(system.launch(&agent, text.clone()).key("waits").await.unwrap().is_known());
    let error = system.launch(&agent, text[1..].to_owned()).key("waits").await.unwrap_err();
    assert!(matches!(error.kind(), LaunchErrorKind::KeyConflict(_)), "{error}");
}

/// Fails at every attempt.
fn failing(calls: &Arc<AtomicUsize>, restart: Restart) -> AgentRef<(), u32> {
    let calls = Arc::clone(calls);
    let agent = agent_fn(move |(): (), cx: AgentContext| {
        calls.fetch_add(1, Ordering::SeqCst);
        async move { Err(format!("attempt {} failed", cx.attempt()).into()) }
    });
    AgentRef::new(agent.named("failing")).restart(restart)
}

#[tokio::test(start_paused = true)]
async fn s19_attempts_and_the_wait_between_them_survive_a_restart() {
    let directory = Directory::new();
    let calls = Arc::default();
    let restart = Restart::attempts(3).backoff(Backoff::fixed(60 * SECOND));
    let (system, agent) = start(&directory, failing(&calls, restart)).await;
    let id = system.launch(&agent, ()).key("k").await.unwrap().id();
    eventually("the first attempt", || calls.load(Ordering::SeqCst) == 1).await;
    let left = system.shutdown(SECOND).await.unwrap();
    assert_eq!(left.handed_back, 0);

    // The policy is the launch's, whatever the agent says now.
    let (system, _) = start(&directory, failing(&calls, Restart::attempts(9))).await;
    let began = Instant::now();
    let ticket = system.ticket::<u32>(id).unwrap();
    assert_eq!(ticket.status().await.unwrap(), LaunchStatus::Pending);
    sleep(50 * SECOND).await;
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    let failure = ticket.result().await.unwrap().unwrap_err();
    // The wall clock of a test goes on while the other stands still.
    assert!((110 * SECOND..121 * SECOND).contains(&began.elapsed()), "{:?}", began.elapsed());
    assert_eq!((failure.attempts(), calls.load(Ordering::SeqCst)), (3, 3));
    system.shutdown(SECOND).await.unwrap();

    // A dead launch is kept, with its last error, and not run again.
    let (system, agent) = start(&directory, failing(&calls, Restart::attempts(9))).await;
    let ticket = system.launch(&agent, ()).key("k").await.unwrap();
    assert!(ticket.is_known());
    assert_eq!(ticket.status().await.unwrap(), LaunchStatus::Dead);
    let failure = ticket.result().await.unwrap().unwrap_err();
    assert!(format!("{failure:#}").ends_with("attempt 3 failed"), "{failure:#}");
    assert_eq!((failure.label(), failure.agent()), (Some("k"), "failing"));
    sleep(600 * SECOND).await;
    assert_eq!(calls.load(Ordering::SeqCst), 3);
}

#[tokio::test(start_paused = true)]
async fn a_journal_belongs_to_one_system() {
    let directory = Directory::new();
    let (system, _agent) = start(&directory, worker(&Gauge::default())).await;
    let error = SledJournal::open(directory.journal()).unwrap_err();
    assert_eq!(error.kind(), JournalErrorKind::InUse);
    drop(system.clone());
    system.shutdown(SECOND).await.unwrap();
    drop(SledJournal::open(directory.journal()).unwrap());
}

#[tokio::test(start_paused = true)]
async fn long_errors_are_cut_and_old_ones_forgotten_so_that_a_record_stays_small() {
    let directory = Directory::new();
    let agent = agent_fn(|text: String, cx: AgentContext| async move {
        let error = format!("{}: {}", cx.attempt(), "ß".repeat(100_000));
        let code = "c".repeat(10_000);
        if text.is_empty() { Ok(()) } else { Err(sortie::AgentError::retry(error).with_code(code)) }
    });
    let agent =
        AgentRef::new(agent.named("n".repeat(256))).restart(Restart::attempts(40).backoff(Backoff::none()));
    let (system, agent) = start(&directory, agent).await;
    let ticket = system.launch(&agent, "x".repeat(1022)).key("k".repeat(512)).await.unwrap();
    let failure = ticket.result().await.unwrap().unwrap_err();
    assert_eq!(failure.attempts(), 40);
    let Cause::Failed(error) = failure.cause() else { panic!("{failure:?}") };
    assert!(error.to_string().starts_with("40: ßß") && error.to_string().len() <= 1000);
    assert_eq!(error.code().map(str::len), Some(100));
}

#[tokio::test(start_paused = true)]
async fn s36_while_the_disk_is_full_launches_are_refused_and_outcomes_wait() {
    let directory = Directory::new();
    let gauge = Gauge::default();
    let (system, agent) = start(&directory, worker(&gauge)).await;
    let before = system.launch(&agent, SECOND).key("before").await.unwrap();
    eventually("a body", || gauge.running() == 1).await;
    let full = Trap::fail(&directory.journal(), "store.before_write", io::ErrorKind::StorageFull);
    let error = system.launch(&agent, SECOND).key("refused").await.unwrap_err();
    let LaunchErrorKind::Journal(journal) = error.kind() else { panic!("{error:?}") };
    assert_eq!(journal.kind(), JournalErrorKind::DiskFull);
    eventually("the end of the body", || gauge.running() == 0).await;
    sleep(30 * SECOND).await;
    drop(full);
    // Its outcome has waited, and it was not run again.
    assert_eq!(result(&before).await, 1);
    let after = system.launch(&agent, SECOND).key("refused").await.unwrap();
    assert_eq!(result(&after).await, 1);
    assert_eq!(gauge.begun(), 2);
    assert_eq!(system.status().supervisors[0].deaths, 0);
    let again = system.launch(&agent, SECOND).key("before").await.unwrap();
    assert_eq!((again.is_known(), again.id()), (true, before.id()));
}

#[tokio::test(start_paused = true)]
async fn s20_a_disk_that_does_not_keep_what_is_written_ends_the_system() {
    let directory = Directory::new();
    let gauge = Gauge::default();
    let (system, agent) = start(&directory, worker(&gauge)).await;
    let kept = system.launch(&agent, 2 * SECOND).await.unwrap();
    eventually("a body", || gauge.running() == 1).await;
    let trap = Trap::fail(&directory.journal(), "store.fdatasync", io::ErrorKind::Other);
    let error = system.launch(&agent, SECOND).await.unwrap_err();
    let LaunchErrorKind::Journal(journal) = error.kind() else { panic!("{error:?}") };
    assert_eq!(journal.kind(), JournalErrorKind::NotSynced);
    let error = system.wait().await.unwrap_err();
    assert!(error.is_escalated() && error.to_string().contains("takes no more writes"), "{error}");
    drop(trap);
    assert_eq!(gauge.running(), 0);

    let (system, _) = start(&directory, worker(&gauge)).await;
    assert!(result(&system.ticket::<u32>(kept.id()).unwrap()).await >= 2);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_launches_are_one_commit() {
    let directory = Directory::new();
    let mut builder = System::builder().journal(SledJournal::open(directory.journal()).unwrap());
    builder.launch_concurrency(1);
    let gauge = Gauge::default();
    let agent = builder.register(worker(&gauge));
    let system = builder.start().await.unwrap();
    // The only slot is taken, so that nothing else is committed.
    let first = system.launch(&agent, 60 * 60 * SECOND).await.unwrap();
    eventually("the first runs", || gauge.running() == 1).await;
    let _trap = Trap::panic(&directory.journal(), "store.before_write", 1);
    let launches = (0..1_000).map(|n| system.launch(&agent, SECOND).key(n));
    let tickets = system.launch_many(launches).await;
    assert!(tickets.iter().all(Result::is_ok));
    // The next commit is the second.
    assert!(system.launch(&agent, SECOND).await.is_err());
    assert!(first.status().await.is_err());
}
