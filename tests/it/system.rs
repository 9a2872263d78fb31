//! Systems: agents by name, runs that a system answers for, and the ways it ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::StreamExt;
use futures::future::poll_immediate;
use serde_json::json;
use sortie::{
    AgentContext, AgentError, AgentRef, Backoff, Cause, Phase, Restart, Shutdown, System, agent_fn,
};
use tokio::time::{Instant, sleep};

use crate::support::{Gauge, MS, SECOND, eventually, leaves_no_task};

async fn started() -> System {
    System::builder().start().await.unwrap()
}

/// An agent that takes as long as its input says.
fn sleeper(gauge: &Gauge) -> AgentRef<Duration, Duration> {
    let gauge = gauge.clone();
    AgentRef::new(agent_fn(move |time: Duration, _| {
        let gauge = gauge.clone();
        async move {
            let _body = gauge.enter();
            sleep(time).await;
            Ok(time)
        }
    }))
}

fn counts(left: Shutdown) -> (usize, usize) {
    (left.cut_short, left.not_stopped)
}

#[tokio::test(start_paused = true)]
async fn the_verbs_of_a_system_do_what_the_free_functions_do() {
    let system = started().await;
    let double = AgentRef::new(agent_fn(|n: u32, _| async move { Ok(2 * n) }));
    assert_eq!(system.ask(&double, 4).await.unwrap(), 8);
    assert_eq!(system.foreach(0..3, &double).all().await.unwrap(), [0, 2, 4]);
    let (one, two) = system.branches((double.branch(1), double.branch(2))).all().await.unwrap();
    assert_eq!((one, two), (2, 4));
    let streamed: Vec<_> = system.foreach(0..3, &double).concurrency(1).stream().collect().await;
    assert_eq!(streamed.len(), 3);
    let arriving = futures::stream::iter(0..3);
    assert_eq!(system.foreach_stream(arriving, &double).all().await.unwrap(), [0, 2, 4]);
    assert_eq!(counts(system.shutdown(SECOND).await.unwrap()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_agent_is_called_by_its_name_with_the_policies_it_was_registered_with() {
    let mut builder = System::builder();
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let flaky = agent_fn(move |n: u32, cx: AgentContext| {
        counted.fetch_add(1, Ordering::SeqCst);
        async move { if cx.attempt() < 3 { Err("not yet".into()) } else { Ok(n + 1) } }
    });
    builder
        .register(AgentRef::new(flaky.named("flaky")).restart(Restart::attempts(3).backoff(Backoff::none())));
    let slow = agent_fn(|time: Duration, _| async move {
        sleep(time).await;
        Ok(time)
    });
    builder.register(AgentRef::new(slow.named("slow")).timeout(SECOND));
    let system = builder.start().await.unwrap();

    let flaky = system.agent("flaky").unwrap();
    assert_eq!(system.ask(&flaky, json!(7)).await.unwrap(), json!(8));
    assert_eq!(calls.load(Ordering::SeqCst), 3);

    let slow = system.agent("slow").unwrap();
    let failure = system.ask(&slow, json!({ "secs": 5, "nanos": 0 })).await.unwrap_err();
    assert!(matches!(failure.cause(), Cause::TimedOut { limit: SECOND, .. }), "{failure:?}");

    let failure = system.ask(&flaky, json!("seven")).await.unwrap_err();
    assert_eq!((failure.attempts(), failure.agent()), (1, "flaky"));
    let Cause::Failed(error) = failure.cause() else { panic!("{failure:?}") };
    assert_eq!(error.code(), Some("bad_input"));
    assert!(error.to_string().contains("`flaky`"), "{error}");

    assert!(system.agent("nobody").is_none());
    assert_eq!(system.status().agents, ["flaky", "slow"]);
}

#[tokio::test(start_paused = true)]
async fn start_reports_everything_that_is_wrong() {
    let mut builder = System::builder();
    let agent = || agent_fn(|n: u32, _| async move { Ok(n) });
    builder.register(agent().named("twice"));
    builder.register(agent().named("twice"));
    builder.register(agent().named(""));
    builder.supervisor("");
    let error = leaves_no_task(builder.start()).await.unwrap_err();
    assert_eq!(error.problems().count(), 3);
    let text = error.to_string();
    assert!(text.contains("`twice`") && text.contains("without a name"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn status_counts_the_runs_nested_ones_included() {
    let system = started().await;
    let inner = sleeper(&Gauge::default());
    let outer = AgentRef::new(agent_fn(move |(): (), cx: AgentContext| {
        let inner = inner.clone();
        async move { Ok(cx.foreach([SECOND; 3], &inner).all().await?.len()) }
    }));
    assert_eq!(system.status().runs, 0);
    let run = tokio::spawn(system.branches([outer.branch(()), outer.branch(())]).settled());
    eventually("three runs", || system.status().runs == 3).await;
    assert_eq!(system.status().phase, Phase::Running);
    assert!(run.await.unwrap().iter().all(Result::is_ok));
    assert_eq!(system.status().runs, 0);
}

#[tokio::test(start_paused = true)]
async fn shutdown_waits_for_what_ends_within_the_grace() {
    let system = started().await;
    let gauge = Gauge::default();
    let run = tokio::spawn(system.foreach([SECOND; 3], &sleeper(&gauge)).settled());
    eventually("three bodies", || gauge.running() == 3).await;
    let start = Instant::now();
    let left = system.shutdown(5 * SECOND).await.unwrap();
    assert_eq!(counts(left), (0, 0));
    assert!(start.elapsed() <= SECOND, "{:?}", start.elapsed());
    assert!(run.await.unwrap().iter().all(Result::is_ok));
    assert_eq!(system.status().phase, Phase::Ended);
    system.wait().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn shutdown_cuts_short_what_takes_longer_and_keeps_what_is_done() {
    let system = started().await;
    let gauge = Gauge::default();
    let times = [MS, 10 * SECOND, 10 * SECOND, MS, 10 * SECOND];
    let run = tokio::spawn(system.foreach(times, &sleeper(&gauge)).concurrency(2).settled());
    eventually("bodies", || gauge.begun() == 3).await;
    let start = Instant::now();
    let left = system.shutdown(SECOND).await.unwrap();
    assert!((SECOND..SECOND + 50 * MS).contains(&start.elapsed()), "{:?}", start.elapsed());
    assert_eq!(counts(left), (1, 0));
    assert_eq!(gauge.running(), 0);
    let outcomes = run.await.unwrap();
    assert!(outcomes[0].is_ok());
    for failure in outcomes[1..].iter().map(|outcome| outcome.as_ref().unwrap_err()) {
        assert!(matches!(failure.cause(), Cause::ShutDown { stopped: true, .. }), "{failure:?}");
    }
    assert_eq!(outcomes[4].as_ref().unwrap_err().attempts(), 0);
}

#[tokio::test(start_paused = true)]
async fn nothing_new_starts_once_a_system_shuts_down() {
    let system = started().await;
    let gauge = Gauge::default();
    let agent = sleeper(&gauge);
    let run = tokio::spawn(system.foreach([SECOND], &agent).settled());
    eventually("a body", || gauge.running() == 1).await;
    let down = tokio::spawn({
        let system = system.clone();
        async move { system.shutdown(5 * SECOND).await }
    });
    eventually("draining", || system.status().phase == Phase::Draining).await;
    let refused = system.foreach([SECOND; 2], &agent).settled().await;
    for failure in refused.into_iter().map(Result::unwrap_err) {
        assert!(matches!(failure.cause(), Cause::ShutDown { stopped: true, .. }), "{failure:?}");
        assert_eq!(failure.attempts(), 0);
    }
    let mut stream = system.foreach([SECOND], &agent).stream();
    assert!(stream.next().await.unwrap().outcome.is_err());
    assert!(run.await.unwrap()[0].is_ok());
    assert_eq!(counts(down.await.unwrap().unwrap()), (0, 0));
    let failure = system.ask(&agent, MS).await.unwrap_err();
    assert_eq!(format!("{failure:#}").split(": ").last(), Some("the system was shut down"));
    assert_eq!(gauge.begun(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_nested_still_starts_while_a_system_drains() {
    let system = started().await;
    let inner = sleeper(&Gauge::default());
    let outer = AgentRef::new(agent_fn(move |(): (), cx: AgentContext| {
        let inner = inner.clone();
        async move {
            sleep(SECOND).await;
            Ok(cx.foreach([SECOND; 3], &inner).all().await?.len())
        }
    }));
    let run = tokio::spawn(system.ask(&outer, ()).into_future());
    eventually("a run", || system.status().runs == 1).await;
    let left = system.shutdown(5 * SECOND).await.unwrap();
    assert_eq!(counts(left), (0, 0));
    assert_eq!(run.await.unwrap().unwrap(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_run_has_its_own_stop_grace_at_a_shutdown() {
    let system = started().await;
    let tidy = AgentRef::new(agent_fn(|(): (), cx: AgentContext| async move {
        cx.cancelled().await;
        sleep(200 * MS).await;
        Ok("tidied up")
    }));
    let run = tokio::spawn(system.branches([tidy.branch(())]).stop_grace(SECOND).settled());
    eventually("a run", || system.status().runs == 1).await;
    let start = Instant::now();
    system.shutdown(Duration::ZERO).await.unwrap();
    assert!((200 * MS..250 * MS).contains(&start.elapsed()), "{:?}", start.elapsed());
    let [outcome] = run.await.unwrap();
    assert_eq!(outcome.unwrap(), "tidied up");
}

#[tokio::test(start_paused = true)]
async fn a_second_shutdown_can_only_shorten_the_first() {
    let system = started().await;
    let gauge = Gauge::default();
    let run = tokio::spawn(system.foreach([60 * SECOND; 4], &sleeper(&gauge)).settled());
    eventually("bodies", || gauge.running() == 4).await;
    let start = Instant::now();
    let shutdown = |grace| {
        let system = system.clone();
        tokio::spawn(async move { system.shutdown(grace).await.unwrap() })
    };
    let first = shutdown(30 * SECOND);
    sleep(SECOND).await;
    let longer = shutdown(50 * SECOND);
    sleep(SECOND).await;
    let shorter = shutdown(Duration::ZERO);
    let lefts = [first.await.unwrap(), longer.await.unwrap(), shorter.await.unwrap()];
    assert_eq!(lefts.map(counts), [(1, 0); 3]);
    assert!((2 * SECOND..2 * SECOND + 50 * MS).contains(&start.elapsed()), "{:?}", start.elapsed());
    // And once more, when it is over.
    assert_eq!(counts(system.shutdown(SECOND).await.unwrap()), (1, 0));
    assert_eq!(run.await.unwrap().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_goes_on_when_its_caller_does_not_wait() {
    let system = started().await;
    let gauge = Gauge::default();
    let run = tokio::spawn(system.foreach([60 * SECOND], &sleeper(&gauge)).settled());
    eventually("a body", || gauge.running() == 1).await;
    assert!(poll_immediate(Box::pin(system.shutdown(SECOND))).await.is_none());
    system.wait().await.unwrap();
    assert!(run.await.unwrap()[0].is_err());
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_waits_for_a_shutdown_waits_for_itself() {
    let system = started().await;
    let own = system.clone();
    let suicide = AgentRef::new(agent_fn(move |(): (), _| {
        let own = own.clone();
        async move {
            own.shutdown(SECOND).await.map_err(AgentError::fatal)?;
            Ok(())
        }
    }));
    let start = Instant::now();
    let failure = system.ask(&suicide, ()).await.unwrap_err();
    assert!(matches!(failure.cause(), Cause::ShutDown { stopped: true, .. }), "{failure:?}");
    assert_eq!(counts(system.shutdown(SECOND).await.unwrap()), (1, 0));
    assert!((SECOND..SECOND + 50 * MS).contains(&start.elapsed()), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_that_an_agent_orders_does_not_wait_for_that_agent() {
    let system = started().await;
    let own = system.clone();
    let agent = AgentRef::new(agent_fn(move |(): (), _| {
        let own = own.clone();
        async move {
            drop(tokio::spawn(async move { own.shutdown(5 * SECOND).await }));
            sleep(MS).await;
            Ok("done")
        }
    }));
    assert_eq!(system.ask(&agent, ()).await.unwrap(), "done");
    system.wait().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_system_that_is_dropped_leaves_nothing() {
    let gauge = Gauge::default();
    leaves_no_task(async {
        let system = started().await;
        let run = system.foreach([60 * SECOND; 8], &sleeper(&gauge)).settled();
        let mut run = Box::pin(run);
        assert!(poll_immediate(&mut run).await.is_none());
        // The fan-out keeps the system running.
        drop(system);
        assert!(poll_immediate(&mut run).await.is_none());
        sleep(SECOND).await;
        assert!(poll_immediate(&mut run).await.is_none());
        eventually("bodies", || gauge.running() == 8).await;
    })
    .await;
    assert_eq!(gauge.running(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_start_that_is_dropped_at_any_moment_leaves_nothing() {
    for polls in 0..20 {
        leaves_no_task(async {
            let mut builder = System::builder();
            for name in ["a", "b", "c", "d"] {
                builder.supervisor(name);
            }
            let mut start = Box::pin(builder.start());
            for _ in 0..polls {
                if poll_immediate(&mut start).await.is_some() {
                    return;
                }
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_system_can_be_shut_down_as_soon_as_it_has_started() {
    leaves_no_task(async {
        let system = started().await;
        assert_eq!(counts(system.shutdown(60 * SECOND).await.unwrap()), (0, 0));
        assert_eq!(system.status().phase, Phase::Ended);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_supervisor_whose_actor_panics_is_restarted_and_the_system_goes_on() {
    let mut builder = System::builder();
    builder.supervisor("mail");
    let system = builder.start().await.unwrap();
    let gauge = Gauge::default();
    let run = tokio::spawn(system.foreach([SECOND; 3], &sleeper(&gauge)).settled());
    eventually("bodies", || gauge.running() == 3).await;
    assert!(!system.break_supervisor("nobody"));
    assert!(system.break_supervisor("mail"));
    eventually("a restart", || system.status().supervisors[0].restarts == 1).await;
    assert!(run.await.unwrap().iter().all(Result::is_ok));
    assert_eq!(system.ask(&sleeper(&gauge), MS).await.unwrap(), MS);
    system.shutdown(SECOND).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn beyond_the_intensity_of_the_root_the_system_stops_with_an_error() {
    let mut builder = System::builder();
    builder.supervisor("mail");
    let system = builder.start().await.unwrap();
    let gauge = Gauge::default();
    let run = tokio::spawn(system.foreach([60 * SECOND; 3], &sleeper(&gauge)).settled());
    eventually("bodies", || gauge.running() == 3).await;
    for death in 1..=4 {
        assert_eq!(system.status().phase, Phase::Running);
        system.break_supervisor("mail");
        let restarted = || {
            let status = system.status();
            status.supervisors[0].restarts == death || status.phase != Phase::Running
        };
        eventually("a restart or the end", restarted).await;
    }
    let error = system.wait().await.unwrap_err();
    assert!(error.is_escalated());
    let text = error.to_string();
    assert!(text.contains("more than 3 deaths of supervisors in 5s") && text.contains("`mail`"), "{text}");
    for failure in run.await.unwrap().into_iter().map(Result::unwrap_err) {
        assert!(matches!(failure.cause(), Cause::ShutDown { stopped: true, .. }), "{failure:?}");
    }
    assert_eq!(gauge.running(), 0);
    assert!(system.shutdown(SECOND).await.unwrap_err().is_escalated());
}

#[tokio::test(start_paused = true)]
async fn deaths_far_apart_do_not_add_up() {
    let mut builder = System::builder();
    builder.supervisor("mail");
    builder.intensity(sortie::Intensity::new(1, SECOND));
    let system = builder.start().await.unwrap();
    for restarts in 1..=5 {
        system.break_supervisor("mail");
        eventually("a restart", || system.status().supervisors[0].restarts == restarts).await;
        sleep(2 * SECOND).await;
    }
    system.break_supervisor("mail");
    eventually("a restart", || system.status().supervisors[0].restarts == 6).await;
    system.break_supervisor("mail");
    assert!(system.wait().await.unwrap_err().is_escalated());
}
