//! Branches that are queued for too long end at that very moment, whatever else is going on.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::stream::{self, StreamExt};
use sortie::{
    AgentContext, AgentError, AgentRef, Backoff, Cause, Failure, Outcome, Recorder, Restart, agent_fn,
    branches, foreach, foreach_stream,
};
use tokio::time::{Instant, sleep};

use crate::support::{Gauge, MS, SECOND, eventually, leaves_no_task, stay_awake, threads};

/// Waits for as many milliseconds as it is told.
async fn wait(millis: u64) -> Result<u64, AgentError> {
    sleep(Duration::from_millis(millis)).await;
    Ok(millis)
}

/// The paused clock is a little late where timers were rounded up.
fn is_at(start: Instant, moment: Duration) -> bool {
    let elapsed = start.elapsed();
    elapsed >= moment && elapsed < moment + 3 * MS
}

fn is_queue_timeout(failure: &Failure) -> bool {
    matches!(failure.cause(), Cause::QueueTimedOut { limit, .. } if *limit == SECOND)
        && failure.attempts() == 0
        && failure.elapsed().is_zero()
        && failure.stopped()
}

fn is_late<T>(outcome: &Outcome<T>) -> bool {
    outcome.as_ref().is_err_and(is_queue_timeout)
}

#[tokio::test(start_paused = true)]
async fn settled_keeps_what_has_started_and_finishes_it() {
    let gauge = Gauge::default();
    let bodies = gauge.clone();
    let agent = agent_fn(move |millis: u64, _| {
        let body = bodies.enter();
        async move {
            let _body = body;
            wait(millis).await
        }
    });
    let start = Instant::now();
    // At one second two run, for long; two others were quick.
    let items = [300, 10_000, 300, 20_000, 5, 5, 5];
    let outcomes = leaves_no_task(foreach(items, agent).concurrency(2).queue_timeout(SECOND).settled()).await;
    assert!(is_at(start, 20 * SECOND + 600 * MS), "{:?}", start.elapsed());
    assert!(outcomes[..4].iter().zip(items).all(|(outcome, item)| *outcome.as_ref().unwrap() == item));
    assert!(outcomes[4..].iter().all(is_late), "{outcomes:?}");
    let text = format!("{:#}", outcomes[6].as_ref().unwrap_err());
    assert!(text.ends_with("did not start: timed out in the queue after 1s"), "{text}");
    assert_eq!((gauge.begun(), gauge.peak(), gauge.running()), (4, 2, 0));
}

#[tokio::test(start_paused = true)]
async fn all_fails_at_that_moment_while_every_slot_is_taken() {
    let start = Instant::now();
    let fan_out = foreach([60_000; 3], wait).concurrency(2).queue_timeout(SECOND);
    let error = leaves_no_task(fan_out.all()).await.unwrap_err();
    assert!(is_at(start, SECOND), "{:?}", start.elapsed());
    assert!(is_queue_timeout(error.failure()), "{error:#}");
    let outcomes = error.into_outcomes();
    assert!(is_late(&outcomes[2]));
    assert!(outcomes[..2].iter().all(|o| matches!(o.as_ref().unwrap_err().cause(), Cause::Cancelled { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_stream_yields_them_at_that_moment() {
    let start = Instant::now();
    // More than the consumer may leave lying, so that the run has to wait for it in between.
    let items = std::iter::repeat_n(5000, 2).chain(std::iter::repeat_n(1, 500));
    let mut stream = foreach(items, wait).concurrency(2).queue_timeout(SECOND).stream();
    for index in 2..502 {
        let next = stream.next().await.unwrap();
        assert_eq!(next.index, index);
        assert!(is_late(&next.outcome) && is_at(start, SECOND), "{next:?} at {:?}", start.elapsed());
    }
    let last: Vec<_> = stream.map(|completed| completed.outcome.unwrap()).collect().await;
    assert_eq!(last, [5000; 2]);
    assert!(is_at(start, 5 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn a_branch_that_would_start_at_the_limit_is_late() {
    // The slot is free at the very moment.
    for _ in 0..20 {
        let start = Instant::now();
        let outcomes = foreach([1000, 1000, 1], wait).concurrency(2).queue_timeout(SECOND).settled().await;
        assert!(is_late(&outcomes[2]) && outcomes[..2].iter().all(Result::is_ok), "{outcomes:?}");
        assert!(is_at(start, SECOND));
        let outcomes = foreach([999, 5000, 1], wait).concurrency(2).queue_timeout(SECOND).settled().await;
        assert!(outcomes.iter().all(Result::is_ok), "just in time: {outcomes:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn retries_are_not_queued_branches() {
    let agent = agent_fn(|n: u32, cx: AgentContext| async move {
        sleep(100 * MS).await;
        if cx.attempt() < 3 { Err("not yet".into()) } else { Ok(n) }
    });
    let restart = Restart::attempts(3).backoff(Backoff::fixed(2 * SECOND));
    let start = Instant::now();
    let fan_out = foreach(0..40, agent).concurrency(2).restart(restart).queue_timeout(SECOND);
    let outcomes = fan_out.settled().await;
    // In two slots, 2 × 8 of them wait for their second attempt when the cursor pauses.
    let ok = outcomes.iter().take_while(|outcome| outcome.is_ok()).count();
    assert!(ok >= 8 && outcomes[ok..].iter().all(is_late) && ok < 40, "{ok} of {outcomes:?}");
    assert!(start.elapsed() > 4 * SECOND, "they had all their attempts");
}

#[tokio::test(start_paused = true)]
async fn the_failure_says_which_of_the_three_fired() {
    let fan_out = foreach([400, 60_000, 60_000, 60_000], wait).concurrency(2);
    let outcomes = fan_out.timeout(3 * SECOND).queue_timeout(SECOND).deadline(2 * SECOND).settled().await;
    assert!(outcomes[0].is_ok() && is_late(&outcomes[3]));
    assert!(
        outcomes[1..3]
            .iter()
            .all(|o| matches!(o.as_ref().unwrap_err().cause(), Cause::DeadlineExceeded { .. }))
    );
    let outcomes =
        foreach([60_000; 3], wait).concurrency(2).timeout(3 * SECOND).queue_timeout(SECOND).settled().await;
    assert!(outcomes[..2].iter().all(|o| matches!(o.as_ref().unwrap_err().cause(), Cause::TimedOut { .. })));
    assert!(is_late(&outcomes[2]));
    let report = {
        let recorder = Recorder::default();
        let fan_out = foreach([60_000; 5], wait).concurrency(2).timeout(3 * SECOND).queue_timeout(SECOND);
        fan_out.record(&recorder).settled().await;
        recorder.report()
    };
    let counts = report.counts();
    assert_eq!((counts.queue_timed_out, counts.timed_out, counts.total()), (3, 2, 5));
    assert_eq!(report.runs()[0].branches()[4].queue_wait(), None);
}

#[tokio::test(start_paused = true)]
async fn any_and_quorum_lose_their_chance_at_that_moment() {
    let start = Instant::now();
    let error = foreach([60_000; 4], wait).concurrency(2).queue_timeout(SECOND).quorum(3).await.unwrap_err();
    assert!(is_at(start, SECOND), "{error:#}");
    assert_eq!(foreach([2000; 4], wait).concurrency(1).queue_timeout(SECOND).any().await.unwrap(), 2000);
}

#[tokio::test(start_paused = true)]
async fn an_endless_list_ends() {
    let start = Instant::now();
    let outcomes =
        leaves_no_task(foreach(0.., |_: u64| wait(300)).concurrency(2).queue_timeout(SECOND).settled()).await;
    assert!(is_at(start, SECOND + 200 * MS), "{:?}", start.elapsed());
    assert_eq!(outcomes.len(), 8);
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
}

#[tokio::test(start_paused = true)]
async fn a_long_list_is_shown_out_item_by_item_and_at_once() {
    let pulled = Arc::new(AtomicUsize::new(0));
    let items = (0..100_000).filter({
        let pulled = Arc::clone(&pulled);
        move |_| pulled.fetch_add(1, Ordering::SeqCst) < usize::MAX
    });
    let start = Instant::now();
    let mut run =
        Box::pin(foreach(items, |_: u32| wait(5000)).concurrency(4).queue_timeout(SECOND).settled());
    assert!(tokio::time::timeout(999 * MS, &mut run).await.is_err());
    assert_eq!(pulled.load(Ordering::SeqCst), 4);
    assert!(tokio::time::timeout(2 * MS, &mut run).await.is_err());
    eventually("all of them are pulled", || pulled.load(Ordering::SeqCst) == 100_000).await;
    assert!(is_at(start, SECOND), "{:?}", start.elapsed());
    let outcomes = run.await;
    assert_eq!(outcomes.iter().filter(|outcome| is_late(outcome)).count(), 99_996);
    assert!(is_at(start, 5 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn an_iterator_that_panics_meanwhile_ends_the_list() {
    let items = (0..10).map(|n| if n == 5 { panic!("the iterator") } else { 2000 });
    let outcomes = leaves_no_task(foreach(items, wait).concurrency(2).queue_timeout(SECOND).settled()).await;
    assert_eq!(outcomes.len(), 6);
    assert!(outcomes[..2].iter().all(Result::is_ok) && outcomes[2..5].iter().all(is_late));
    assert!(matches!(outcomes[5].as_ref().unwrap_err().cause(), Cause::Panicked(_)));
}

#[tokio::test(start_paused = true)]
async fn a_nested_run_has_its_own_queue() {
    let inner = AgentRef::new(agent_fn(|millis: u64, _| wait(millis)));
    let outer = agent_fn(move |(): (), cx: AgentContext| {
        let inner = inner.clone();
        async move {
            let outcomes = cx.foreach([3000; 3], &inner).concurrency(2).queue_timeout(SECOND).settled().await;
            Ok(outcomes.iter().map(is_late).collect::<Vec<_>>())
        }
    });
    // The second one starts after three seconds, and so does its queue.
    let start = Instant::now();
    let all = leaves_no_task(foreach([(); 2], outer).concurrency(1).all()).await.unwrap();
    assert_eq!(all, [[false, false, true], [false, false, true]]);
    assert!(is_at(start, 6 * SECOND), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn dropping_the_run_while_it_is_shown_out_leaves_nothing() {
    for moment in [999 * MS, SECOND, SECOND + MS, 2 * SECOND] {
        let fan_out = foreach(std::iter::repeat_n(60_000, 5000), wait).concurrency(2).queue_timeout(SECOND);
        leaves_no_task(async { assert!(tokio::time::timeout(moment, fan_out.settled()).await.is_err()) })
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn it_holds_with_fresh_children_and_sets_of_branches() {
    let agent = AgentRef::new(agent_fn(|millis: u64, _| wait(millis)));
    let start = Instant::now();
    let set = (agent.branch(2000), agent.branch(2000).label("late"));
    let (one, two) = branches(set).concurrency(1).fresh_children().queue_timeout(SECOND).settled().await;
    assert!(one.is_ok() && is_late(&two) && is_at(start, 2 * SECOND));
    assert_eq!(two.unwrap_err().label(), Some("late"));
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "a queue timeout must be longer than zero")]
async fn none_at_all_is_refused() {
    let _ = foreach([1], wait).queue_timeout(Duration::ZERO);
}

#[test]
fn it_fires_while_bodies_compute_on_every_slot() {
    const LIMIT: Duration = Duration::from_millis(50);
    let runtime = threads(2);
    stay_awake(&runtime);
    // One body keeps its thread for longer than the limit, and the iterator is quick.
    let agent = agent_fn(|n: u32, _| async move {
        std::thread::sleep(10 * LIMIT);
        Ok(n)
    });
    let fan_out = foreach(0..3, agent).concurrency(1).queue_timeout(LIMIT);
    let error = runtime.block_on(async { tokio::spawn(fan_out.all()).await }).unwrap().unwrap_err();
    assert!(matches!(error.failure().cause(), Cause::QueueTimedOut { .. }), "{error:#}");
}

#[tokio::test(start_paused = true)]
async fn items_of_a_stream_wait_from_their_arrival() {
    let arriving = stream::iter(0..5_u32).then(|n| async move {
        sleep(SECOND).await;
        n
    });
    let start = Instant::now();
    let run = foreach_stream(
        arriving,
        agent_fn(|n: u32, _| async move {
            // The first holds the only slot until after the third has expired.
            sleep(if n == 0 { 3500 * MS } else { MS }).await;
            Ok(n)
        }),
    );
    let mut outcomes = run.concurrency(1).queue_timeout(1200 * MS).stream();
    let mut seen = Vec::new();
    while let Some(completed) = outcomes.next().await {
        let timed_out = completed.outcome.is_err_and(|f| matches!(f.cause(), Cause::QueueTimedOut { .. }));
        seen.push((completed.index, timed_out, start.elapsed().as_millis()));
    }
    // Read-ahead is one item here: the third is put down when the second is gone, and arrives as late.
    let [second, first, rest @ ..] = &seen[..] else { panic!("{seen:?}") };
    assert_eq!((second.0, second.1), (1, true), "{seen:?}");
    assert!((3200..3210).contains(&second.2), "1.2 s after its arrival at 2 s: {seen:?}");
    assert_eq!((first.0, first.1), (0, false), "{seen:?}");
    assert!(rest.iter().all(|(_, timed_out, _)| !timed_out), "{seen:?}");
    assert_eq!(seen.len(), 5);
}
