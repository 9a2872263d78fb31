//! How launches run: again, in turn, as many at once as may, and until they are cancelled or their supervisor dies.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::join_all;
use sortie::{AgentContext, AgentRef, Backoff, Cause, LaunchStatus, Restart, TicketError, agent_fn};
use tokio::time::{Instant, sleep, timeout};

use super::{builder, result, script, scripted, sleeper};
use crate::support::{Gauge, MS, SECOND, eventually, leaves_no_task};

#[tokio::test(start_paused = true)]
async fn s19_a_launch_is_tried_again_as_its_agent_says() {
    let began = Arc::new(Mutex::new(Vec::new()));
    let mut builder = builder();
    let policy = Restart::attempts(3).backoff(Backoff::fixed(100 * MS));
    let agent = builder.register(scripted(Arc::clone(&began)).restart(policy).timeout(SECOND));
    let system = builder.start().await.unwrap();
    let launch = async |steps: Vec<String>| {
        began.lock().unwrap().clear();
        let ticket = system.launch(&agent, steps).await.unwrap();
        let outcome = ticket.result().await.unwrap();
        let began = began.lock().unwrap().clone();
        assert!(began.iter().map(|(number, _)| *number).eq(1..=began.len() as u32), "{began:?}");
        let waits: Vec<_> = began.windows(2).map(|two| two[1].1 - two[0].1).collect();
        (outcome, waits)
    };
    let (outcome, waits) = launch(script(["error", "error"])).await;
    assert_eq!(outcome.unwrap(), 3);
    assert!(waits.len() == 2 && waits.iter().all(|wait| (100 * MS..120 * MS).contains(wait)), "{waits:?}");

    let (outcome, waits) = launch(script(["fatal"])).await;
    let failure = outcome.unwrap_err();
    assert_eq!((failure.attempts(), waits.len()), (1, 0));
    let Cause::Failed(error) = failure.cause() else { panic!("{failure:?}") };
    assert_eq!((error.code(), error.to_string().as_str()), (Some("gone"), "never"));

    let (outcome, waits) = launch(script(["later"])).await;
    assert_eq!(outcome.unwrap(), 2);
    assert!((300 * MS..320 * MS).contains(&waits[0]), "{waits:?}");

    let (outcome, waits) = launch(script(["panic", "hang", "panic"])).await;
    let failure = outcome.unwrap_err();
    assert!(matches!(failure.cause(), Cause::Panicked(text) if text == "oops"), "{failure:?}");
    assert_eq!((failure.attempts(), waits.len()), (3, 2));
    assert!(waits[1] >= SECOND + 100 * MS, "{waits:?}");

    let (outcome, _) = launch(script(["hang", "hang", "hang"])).await;
    let failure = outcome.unwrap_err();
    assert!(matches!(failure.cause(), Cause::TimedOut { limit: SECOND, stopped: true, .. }), "{failure:?}");
}

#[tokio::test(start_paused = true)]
async fn a_launch_has_five_attempts_unless_its_agent_says_otherwise() {
    let began = Arc::default();
    let mut builder = builder();
    let agent = builder.register(scripted(Arc::clone(&began)));
    let system = builder.start().await.unwrap();
    let ticket = system.launch(&agent, script(["error"; 10])).await.unwrap();
    assert_eq!(ticket.result().await.unwrap().unwrap_err().attempts(), 5);
    assert_eq!(began.lock().unwrap().len(), 5);

    // A dead one gets a new series, under its id.
    assert!(ticket.requeue().await.unwrap());
    assert_eq!(ticket.result().await.unwrap().unwrap_err().attempts(), 10);
    assert!(ticket.requeue().await.unwrap());
    assert_eq!(result(&ticket).await, 11);
    assert!(!ticket.requeue().await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn s18_a_hundred_readers_wait_and_wake() {
    let mut builder = builder();
    let agent = builder.register(sleeper(&Gauge::default()));
    let system = builder.start().await.unwrap();
    let ticket = system.launch(&agent, SECOND).await.unwrap();
    assert!(timeout(100 * MS, ticket.result()).await.is_err());
    let start = Instant::now();
    let readers = (0..100).map(|_| {
        let ticket = ticket.clone();
        tokio::spawn(async move { result(&ticket).await })
    });
    for read in join_all(readers.collect::<Vec<_>>()).await {
        assert_eq!(read.unwrap(), SECOND);
    }
    assert!(start.elapsed() < SECOND, "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn s24_no_more_launches_run_at_once_than_may_and_a_retry_holds_no_slot() {
    let mut builder = builder();
    builder.launch_concurrency(2);
    let gauge = Gauge::default();
    let agent = builder.register(sleeper(&gauge));
    let waiting = scripted(Arc::default()).restart(Restart::attempts(2).backoff(Backoff::fixed(60 * SECOND)));
    let waiting = builder.register(waiting);
    let system = builder.start().await.unwrap();
    let backoff = system.launch(&waiting, script(["error"])).await.unwrap();
    eventually("the first attempt", || system.status().runs == 0).await;
    sleep(MS).await;
    let start = Instant::now();
    let tickets = join_all((0..5).map(|_| system.launch(&agent, 100 * MS).into_future())).await;
    for ticket in tickets {
        result(&ticket.unwrap()).await;
    }
    assert_eq!(gauge.peak(), 2);
    assert!((300 * MS..350 * MS).contains(&start.elapsed()), "{:?}", start.elapsed());
    assert_eq!(backoff.status().await.unwrap(), LaunchStatus::Pending);
    assert_eq!(result(&backoff).await, 2);
}

#[tokio::test(start_paused = true)]
async fn agents_take_turns() {
    let mut builder = builder();
    builder.launch_concurrency(1);
    let order = Arc::new(Mutex::new(Vec::new()));
    let agent = |name: &'static str| {
        let order = Arc::clone(&order);
        let agent = agent_fn(move |n: u32, _| {
            order.lock().unwrap().push((name, n));
            async move {
                sleep(MS).await;
                Ok(n)
            }
        });
        AgentRef::new(agent.named(name))
    };
    let (many, few) = (builder.register(agent("many")), builder.register(agent("few")));
    let system = builder.start().await.unwrap();
    let mut tickets = Vec::new();
    for n in 0..20 {
        tickets.push(system.launch(&many, n).await.unwrap());
    }
    let last = system.launch(&few, 0).await.unwrap();
    result(&last).await;
    let before = order.lock().unwrap().len();
    assert!(before < 20, "{before} of the other agent came first");
    for ticket in &tickets {
        result(ticket).await;
    }
    let order = order.lock().unwrap();
    assert!(order.iter().filter(|(name, _)| *name == "many").map(|(_, n)| *n).eq(0..20), "{order:?}");
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_launch_is_not_run_and_a_running_one_not_again() {
    let began = Arc::default();
    let mut builder = builder();
    builder.launch_concurrency(1);
    let gauge = Gauge::default();
    let busy = builder.register(sleeper(&gauge));
    let agent = scripted(Arc::clone(&began)).restart(Restart::attempts(5).backoff(Backoff::none()));
    let agent = builder.register(agent.timeout(SECOND));
    let system = builder.start().await.unwrap();

    let running = system.launch(&busy, SECOND).await.unwrap();
    eventually("a body", || gauge.running() == 1).await;
    let waits = system.launch(&agent, script([])).await.unwrap();
    assert!(waits.cancel().await.unwrap());
    assert!(!waits.cancel().await.unwrap());
    assert_eq!(waits.status().await.unwrap(), LaunchStatus::Cancelled);
    let failure = waits.result().await.unwrap().unwrap_err();
    assert!(matches!(failure.cause(), Cause::Cancelled { .. }), "{failure:?}");
    assert_eq!(failure.attempts(), 0);

    // What comes out of an attempt that runs counts.
    assert!(running.cancel().await.unwrap());
    assert_eq!(result(&running).await, SECOND);
    // And otherwise there is no other one.
    let hangs = system.launch(&agent, script(["hang"])).await.unwrap();
    eventually("a body", || began.lock().unwrap().len() == 1).await;
    assert!(hangs.cancel().await.unwrap());
    let failure = hangs.result().await.unwrap().unwrap_err();
    assert!(matches!(failure.cause(), Cause::Cancelled { .. }), "{failure:?}");
    assert_eq!(began.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_agent_knows_its_launch() {
    let mut builder = builder();
    let agent = agent_fn(|(): (), cx: AgentContext| async move {
        Ok((cx.launch_id().map(|id| id.to_string()), cx.attempt()))
    });
    let agent = builder.register(agent.named("who"));
    let system = builder.start().await.unwrap();
    for _ in 0..3 {
        let ticket = system.launch(&agent, ()).await.unwrap();
        assert_eq!(result(&ticket).await, (Some(ticket.id().to_string()), 1));
    }
    assert_eq!(system.ask(&agent, ()).await.unwrap(), (None, 1));
}

#[tokio::test(start_paused = true)]
async fn a_launch_can_fan_out_and_is_no_run_of_a_caller() {
    let mut builder = builder();
    let inner = sleeper(&Gauge::default());
    let outer = agent_fn(move |n: u32, cx: AgentContext| {
        let inner = inner.clone();
        async move { Ok(cx.foreach((0..n).map(|_| SECOND), &inner).all().await?.len()) }
    });
    let outer = builder.register(outer.named("outer"));
    let system = builder.start().await.unwrap();
    assert_eq!(system.status().runs, 0);
    let ticket = system.launch(&outer, 3).await.unwrap();
    eventually("the nested run", || system.status().runs == 1).await;
    // What runs may end within the grace.
    let left = system.shutdown(5 * SECOND).await.unwrap();
    assert_eq!((left.cut_short, left.not_stopped, left.handed_back), (0, 0, 0));
    assert!(matches!(ticket.status().await.unwrap_err(), TicketError::Journal(_)));
}

#[tokio::test(start_paused = true)]
async fn a_paused_clock_waits_for_the_journal() {
    let mut builder = builder();
    let agent = builder.register(agent_fn(|n: u32, _| async move { Ok(n) }).named("echo"));
    let system = builder.start().await.unwrap();
    let start = Instant::now();
    // A timer far away would fire at once if the clock took a wait for the journal for idleness.
    for n in 0..200 {
        let launch = async { result(&system.launch(&agent, n).await.unwrap()).await };
        assert_eq!(timeout(60 * SECOND, launch).await.expect("no timer fires falsely"), n);
    }
    assert!(start.elapsed() < SECOND, "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_system_with_a_journal_that_is_dropped_leaves_nothing() {
    let gauge = Gauge::default();
    leaves_no_task(async {
        let mut builder = builder();
        let agent = builder.register(sleeper(&gauge));
        let system = builder.start().await.unwrap();
        let ticket = system.launch(&agent, 60 * SECOND).await.unwrap();
        eventually("a body", || gauge.running() == 1).await;
        drop(system);
        // Who waits learns that nobody will tell.
        assert!(matches!(ticket.result().await.unwrap_err(), TicketError::Journal(_)));
    })
    .await;
    assert_eq!(gauge.running(), 0);
}

#[tokio::test(start_paused = true)]
async fn s32_a_supervisor_that_dies_makes_its_launches_run_again() {
    let mut builder = builder();
    let (gauge, calls) = (Gauge::default(), Arc::new(AtomicUsize::new(0)));
    let (body, called) = (gauge.clone(), Arc::clone(&calls));
    let agent = agent_fn(move |time: Duration, cx: AgentContext| {
        let body = body.clone();
        called.fetch_add(1, Ordering::SeqCst);
        async move {
            let _body = body.enter();
            sleep(time).await;
            Ok(cx.attempt())
        }
    });
    let agent = builder.register(agent.named("work"));
    let system = builder.start().await.unwrap();
    let tickets = join_all((0..10).map(|_| system.launch(&agent, SECOND).into_future())).await;
    eventually("bodies", || gauge.running() == 10).await;
    assert!(system.break_supervisor("main"));
    eventually("a restart", || system.status().supervisors[0].restarts == 1).await;
    for ticket in tickets {
        assert_eq!(result(&ticket.unwrap()).await, 2);
    }
    assert_eq!((gauge.peak(), calls.load(Ordering::SeqCst)), (10, 20));
    // The handle still works.
    let ticket = system.launch(&agent, MS).await.unwrap();
    assert_eq!(result(&ticket).await, 1);
}
