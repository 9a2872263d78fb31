//! Launches that run at most once: one body starts, and what nobody knows is said.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::{FutureExt, join_all};
use serde_json::json;
use sortie::journal::Delivery;
use sortie::{
    AgentContext, AgentError, AgentRef, Builder, Cause, LaunchErrorKind, LaunchStatus, MemoryJournal,
    Restart, SledJournal, System, Ticket, agent_fn,
};
use tokio::time::sleep;

use crate::directory::Directory;
use crate::support::{Gauge, SECOND, eventually};

fn builder() -> Builder {
    System::builder().journal(MemoryJournal::new())
}

/// An agent that does what its input says.
fn fragile(calls: &Arc<AtomicUsize>) -> AgentRef<String, u32> {
    let calls = Arc::clone(calls);
    let agent = agent_fn(move |text: String, cx: AgentContext| {
        calls.fetch_add(1, Ordering::SeqCst);
        async move {
            match text.as_str() {
                "error" => Err(AgentError::retry("declined")),
                "panic" => panic!("oops"),
                "hang" => std::future::pending().await,
                _ => Ok(cx.attempt()),
            }
        }
    });
    AgentRef::new(agent.named("fragile"))
}

#[tokio::test(start_paused = true)]
async fn an_error_is_final_and_what_nobody_knows_is_ambiguous() {
    let calls = Arc::default();
    let mut builder = builder();
    let agent = builder.register(fragile(&calls).timeout(SECOND).at_most_once());
    let system = builder.start().await.unwrap();
    let run = async |text: &str| {
        calls.store(0, Ordering::SeqCst);
        let ticket = system.launch(&agent, text.to_owned()).await.unwrap();
        let outcome = ticket.result().await.unwrap();
        sleep(600 * SECOND).await;
        assert_eq!(calls.load(Ordering::SeqCst), 1, "{text}");
        (outcome, ticket.status().await.unwrap(), ticket)
    };
    let (outcome, status, ticket) = run("fine").await;
    assert_eq!((outcome.unwrap(), status), (1, LaunchStatus::Done));
    let terms = ticket.record().await.unwrap().terms;
    assert_eq!((terms.delivery, terms.restart), (Delivery::AtMostOnce, Restart::attempts(1)));
    let (outcome, status, _) = run("error").await;
    assert_eq!((outcome.unwrap_err().attempts(), status), (1, LaunchStatus::Dead));
    let (outcome, status, ticket) = run("panic").await;
    assert!(matches!(outcome.unwrap_err().cause(), Cause::Panicked(text) if text == "oops"));
    assert_eq!(status, LaunchStatus::Ambiguous);
    // Somebody decides.
    assert!(ticket.requeue().await.unwrap());
    assert!(ticket.result().await.unwrap().is_err());
    assert_eq!((ticket.record().await.unwrap().attempts, calls.load(Ordering::SeqCst)), (2, 2));
    let (outcome, status, _) = run("hang").await;
    assert!(matches!(outcome.unwrap_err().cause(), Cause::TimedOut { limit: SECOND, .. }));
    assert_eq!(status, LaunchStatus::Ambiguous);
}

#[tokio::test(start_paused = true)]
async fn more_than_one_attempt_is_refused_where_the_agent_is_registered() {
    let mut builder = builder();
    builder.register(fragile(&Arc::default()).at_most_once().restart(Restart::attempts(3)));
    let error = builder.start().await.unwrap_err().to_string();
    assert!(error.contains("agent `fragile`") && error.contains("3 attempts"), "{error}");
    assert!(error.contains("without the policy"), "{error}");
    let mut builder = System::builder();
    builder.register(fragile(&Arc::default()).restart(Restart::attempts(1)).at_most_once());
    builder.start().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_launch_may_be_stricter_than_its_agent_and_never_laxer() {
    let calls = Arc::default();
    let mut builder = builder();
    let restart = Restart::attempts(3);
    let often = builder.register(fragile(&calls).restart(restart.clone()));
    let once = AgentRef::new(agent_fn(|(): (), _| async { Err::<(), _>("no".into()) }).named("once"));
    builder.register(once.clone().at_most_once());
    let system = builder.start().await.unwrap();

    let ticket = system.launch(&often, "error".into()).at_most_once().await.unwrap();
    assert_eq!(ticket.result().await.unwrap().unwrap_err().attempts(), 1);
    let strict = often.clone().at_most_once();
    for launch in [
        system.launch(&often, "error".into()).restart(restart.clone()).at_most_once(),
        system.launch(&often, "error".into()).at_most_once().restart(restart.clone()),
        system.launch(&strict, "error".into()),
    ] {
        let error = launch.await.unwrap_err();
        assert!(matches!(error.kind(), LaunchErrorKind::AtMostOnce { attempts: 3 }), "{error}");
    }
    assert_eq!(calls.load(Ordering::SeqCst), 1);

    // A reference that does not know how its agent is registered, and the view by name.
    let ticket = system.launch(&once, ()).await.unwrap();
    assert_eq!(ticket.result().await.unwrap().unwrap_err().attempts(), 1);
    let ticket = system.launch(&system.agent("once").unwrap(), json!(null)).await.unwrap();
    assert_eq!(ticket.result().await.unwrap().unwrap_err().attempts(), 1);
    let laxer = once.clone().restart(restart);
    let error = system.launch(&laxer, ()).await.unwrap_err();
    assert!(matches!(error.kind(), LaunchErrorKind::AtMostOnce { attempts: 3 }), "{error}");
}

/// An agent that takes a minute. The first body does what it is told, before anything else can happen.
fn slow(gauge: &Gauge, first: impl Fn() + Clone + Send + Sync + 'static) -> AgentRef<u32, u32> {
    let gauge = gauge.clone();
    let agent = agent_fn(move |n: u32, _| {
        let (gauge, first) = (gauge.clone(), first.clone());
        async move {
            let _body = gauge.enter();
            if gauge.begun() == 1 {
                first();
            }
            sleep(60 * SECOND).await;
            Ok(n)
        }
    });
    AgentRef::new(agent.named("slow")).at_most_once()
}

async fn standing(tickets: &[Ticket<u32>], status: LaunchStatus) -> usize {
    let mut count = 0;
    for ticket in tickets {
        count += usize::from(ticket.status().await.unwrap() == status);
    }
    count
}

#[tokio::test(start_paused = true)]
async fn s34_a_shutdown_hands_back_what_has_not_begun_and_leaves_the_rest_ambiguous() {
    let directory = Directory::new();
    let gauge = Gauge::default();
    let system = Arc::new(std::sync::OnceLock::<System>::new());
    let theirs = Arc::clone(&system);
    let shut_down = move || {
        let system = theirs.get().unwrap().clone();
        // It goes on when it is dropped.
        assert!(system.shutdown(Duration::ZERO).now_or_never().is_none());
    };
    let mut builder = System::builder().journal(SledJournal::open(directory.journal()).unwrap());
    let agent = builder.register(slow(&gauge, shut_down));
    let started = builder.start().await.unwrap();
    let _ = system.set(started.clone());
    let launches = (0..20).map(|n| started.launch(&agent, n).delay(SECOND).into_future());
    let ids: Vec<_> = join_all(launches).await.into_iter().map(|ticket| ticket.unwrap().id()).collect();
    eventually("a body", || gauge.begun() > 0).await;
    let left = started.shutdown(60 * SECOND).await.unwrap();
    let begun = gauge.begun();
    assert!((1..20).contains(&begun), "{begun}");
    assert_eq!(left.handed_back, 20 - begun);

    let again = Gauge::default();
    let mut builder = System::builder().journal(SledJournal::open(directory.journal()).unwrap());
    builder.register(slow(&again, || {}));
    let system = builder.start().await.unwrap();
    let tickets: Vec<_> = ids.iter().map(|id| system.ticket::<u32>(*id).unwrap()).collect();
    assert_eq!(standing(&tickets, LaunchStatus::Ambiguous).await, begun);
    let (mut done, mut ambiguous) = (0, 0);
    for ticket in &tickets {
        match ticket.result().await.unwrap() {
            Ok(_) => done += 1,
            Err(failure) => {
                assert!(format!("{failure:#}").contains("nobody knows"), "{failure:#}");
                ambiguous += 1;
            }
        }
    }
    assert_eq!((done, ambiguous, again.begun()), (20 - begun, begun, 20 - begun));
}

#[tokio::test(start_paused = true)]
async fn s32_a_supervisor_that_dies_runs_what_has_not_begun_and_leaves_the_rest_ambiguous() {
    let gauge = Gauge::default();
    let system = Arc::new(std::sync::OnceLock::<System>::new());
    let theirs = Arc::clone(&system);
    let mut builder = builder();
    let agent =
        builder.register(slow(&gauge, move || assert!(theirs.get().unwrap().break_supervisor("main"))));
    let started = builder.start().await.unwrap();
    let _ = system.set(started.clone());
    let launches = (0..20).map(|n| started.launch(&agent, n).delay(SECOND).into_future());
    let tickets: Vec<_> = join_all(launches).await.into_iter().map(Result::unwrap).collect();
    eventually("a restart", || started.status().supervisors[0].restarts == 1).await;
    for ticket in &tickets {
        let _ = ticket.result().await.unwrap();
    }
    let ambiguous = standing(&tickets, LaunchStatus::Ambiguous).await;
    assert!((1..20).contains(&ambiguous), "{ambiguous}");
    assert_eq!(standing(&tickets, LaunchStatus::Done).await, 20 - ambiguous);
    assert_eq!((gauge.begun(), gauge.running()), (20, 0));
}

#[tokio::test(start_paused = true)]
async fn an_input_that_does_not_fit_is_parked_and_not_ambiguous() {
    let directory = Directory::new();
    let mut builder = System::builder().journal(SledJournal::open(directory.journal()).unwrap());
    let agent = builder.register(fragile(&Arc::default()).at_most_once());
    let system = builder.start().await.unwrap();
    let id = system.launch(&agent, "fine".into()).delay(SECOND).await.unwrap().id();
    system.shutdown(Duration::ZERO).await.unwrap();

    let mut builder = System::builder().journal(SledJournal::open(directory.journal()).unwrap());
    builder.register(agent_fn(|n: u32, _| async move { Ok(n) }).named("fragile"));
    let system = builder.start().await.unwrap();
    sleep(10 * SECOND).await;
    assert_eq!(system.ticket::<u32>(id).unwrap().status().await.unwrap(), LaunchStatus::Parked);
    system.shutdown(Duration::ZERO).await.unwrap();

    let calls = Arc::default();
    let mut builder = System::builder().journal(SledJournal::open(directory.journal()).unwrap());
    builder.register(fragile(&calls));
    let system = builder.start().await.unwrap();
    let ticket = system.ticket::<u32>(id).unwrap();
    assert!(ticket.result().await.unwrap().unwrap() > 1);
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}
