//! Nothing runs behind the caller's back.

use sortie::{AgentContext, AgentError, agent_fn, foreach};
use tokio::time::sleep;

use crate::support::{Gauge, SECOND, eventually, leaves_no_task};

fn hanging(gauge: &Gauge) -> impl sortie::IntoAgent<u32, ()> {
    let gauge = gauge.clone();
    agent_fn(move |_: u32, _| {
        let body = gauge.enter();
        async move {
            let _body = body;
            std::future::pending::<Result<(), AgentError>>().await
        }
    })
}

#[tokio::test(start_paused = true)]
async fn dropping_the_future_stops_every_body() {
    let gauge = Gauge::default();
    leaves_no_task(async {
        let ending = foreach(0..1000, hanging(&gauge)).concurrency(50).settled();
        assert!(tokio::time::timeout(SECOND, ending).await.is_err());
    })
    .await;
    assert_eq!((gauge.begun(), gauge.running()), (50, 0), "and starts no other one");
}

#[tokio::test(start_paused = true)]
async fn dropping_an_unpolled_future_starts_nothing() {
    let gauge = Gauge::default();
    drop(foreach(0..10, hanging(&gauge)).settled());
    sleep(SECOND).await;
    assert_eq!(gauge.begun(), 0);
}

#[tokio::test(start_paused = true)]
async fn aborting_the_callers_task_stops_the_run() {
    let gauge = Gauge::default();
    leaves_no_task(async {
        let caller = tokio::spawn(foreach(0..100, hanging(&gauge)).settled());
        eventually("64 bodies", || gauge.running() == 64).await;
        caller.abort();
        eventually("no body", || gauge.running() == 0).await;
    })
    .await;
    assert_eq!(gauge.begun(), 64);
}

#[tokio::test(start_paused = true)]
async fn a_context_that_outlives_its_attempt_shows_it_as_cancelled() {
    let (sender, mut contexts) = tokio::sync::mpsc::unbounded_channel();
    let agent = agent_fn(move |n: u32, cx: AgentContext| {
        sender.send(cx.clone()).unwrap();
        async move {
            assert!(!cx.is_cancelled());
            Ok(n)
        }
    });
    foreach(0..3, agent).concurrency(1).all().await.unwrap();
    for n in 0..3 {
        let cx = contexts.recv().await.unwrap();
        assert_eq!((cx.index(), cx.attempt()), (n, 1), "it is still the same attempt's");
        cx.cancelled().await;
        assert!(cx.is_cancelled());
    }
}

#[test]
fn a_runtime_that_shuts_down_takes_its_runs_along() {
    let gauge = Gauge::default();
    let runtime = crate::support::threads(2);
    runtime.spawn(foreach(0..100, hanging(&gauge)).settled());
    while gauge.running() < 64 {
        std::thread::yield_now();
    }
    runtime.shutdown_timeout(10 * SECOND);
    assert_eq!(gauge.running(), 0);
}

#[test]
fn a_run_ends_when_its_runtime_does_not_last() {
    // The caller is outside: the run's actors are in a runtime that goes away beneath it.
    let gauge = Gauge::default();
    let inner = crate::support::threads(1);
    let outer = crate::support::threads(1);
    let bodies = gauge.clone();
    let caller = outer.spawn({
        let handle = inner.handle().clone();
        async move {
            let ending = foreach(0..10, hanging(&bodies)).settled();
            tokio::pin!(ending);
            std::future::poll_fn(move |cx| {
                let _entered = handle.enter();
                ending.as_mut().poll(cx)
            })
            .await
        }
    });
    while gauge.running() < 10 {
        std::thread::yield_now();
    }
    inner.shutdown_timeout(10 * SECOND);
    let outcomes =
        outer.block_on(async { tokio::time::timeout(10 * SECOND, caller).await }).unwrap().unwrap();
    assert_eq!(outcomes.len(), 10);
    assert!(outcomes.iter().all(Result::is_err));
    assert_eq!(gauge.running(), 0);
}
