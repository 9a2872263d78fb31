//! Items that come from a stream.

use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::stream::{self, Stream, StreamExt};
use sortie::{
    AgentContext, AgentError, AgentRef, Backoff, Cause, Outcome, Restart, agent_fn, foreach_stream,
};
use tokio::time::{Instant, sleep};

use crate::support::{Gauge, MS, SECOND, eventually, leaves_no_task, stay_awake, threads};

/// A stream that counts how many items it has given, and whose gauge shows whether it lives.
pub struct Probe<S> {
    items: Pin<Box<S>>,
    given: Arc<AtomicUsize>,
    _alive: crate::support::Body,
}

/// What a [`Probe`] has counted.
#[derive(Clone, Default)]
pub struct Probed {
    given: Arc<AtomicUsize>,
    alive: Gauge,
}

impl Probed {
    pub fn stream<S: Stream>(&self, items: S) -> Probe<S> {
        Probe { items: Box::pin(items), given: Arc::clone(&self.given), _alive: self.alive.enter() }
    }

    pub fn given(&self) -> usize {
        self.given.load(Ordering::SeqCst)
    }

    pub fn is_alive(&self) -> bool {
        self.alive.running() > 0
    }
}

impl<S: Stream> Stream for Probe<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let polled = self.items.as_mut().poll_next(cx);
        if matches!(polled, Poll::Ready(Some(_))) {
            self.given.fetch_add(1, Ordering::SeqCst);
        }
        polled
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.items.size_hint()
    }
}

/// These, and then nothing for ever.
fn then_pending<T>(items: impl IntoIterator<Item = T>) -> impl Stream<Item = T> {
    stream::iter(items).chain(stream::pending())
}

/// Waits as many milliseconds as it is told, and gives them back; fails if they are odd.
fn timed(gauge: &Gauge) -> AgentRef<u32, u32> {
    let gauge = gauge.clone();
    AgentRef::new(agent_fn(move |millis: u32, _| {
        let body = gauge.enter();
        async move {
            let _body = body;
            sleep(millis * MS).await;
            if millis % 2 == 1 { Err(format!("failed after {millis} ms").into()) } else { Ok(millis) }
        }
    }))
}

fn hanging(gauge: &Gauge) -> AgentRef<u32, ()> {
    let gauge = gauge.clone();
    AgentRef::new(agent_fn(move |_: u32, _| {
        let body = gauge.enter();
        async move {
            let _body = body;
            pending().await
        }
    }))
}

fn is_exceeded<T>(outcome: &Outcome<T>) -> bool {
    outcome
        .as_ref()
        .is_err_and(|failure| matches!(failure.cause(), Cause::DeadlineExceeded { stopped: true, .. }))
}

#[tokio::test(start_paused = true)]
async fn outcomes_are_in_the_order_of_arrival() {
    let agent = timed(&Gauge::default());
    let waits = [30, 1, 20, 10];
    let outcomes = leaves_no_task(foreach_stream(stream::iter(waits), &agent).settled()).await;
    for (index, (outcome, wait)) in outcomes.iter().zip(waits).enumerate() {
        match outcome {
            Ok(value) => assert_eq!(*value, wait),
            Err(failure) => assert_eq!((failure.index(), index, wait, failure.label()), (1, 1, 1, None)),
        }
    }
    let evens: Vec<u32> = (0..1000).rev().map(|n| 2 * (n % 7)).collect();
    let values = foreach_stream(stream::iter(evens.clone()), &agent).concurrency(5).all().await.unwrap();
    assert_eq!(values, evens);
    let mut completed = foreach_stream(stream::iter([30, 2, 20]), &agent).stream();
    let mut order = Vec::new();
    while let Some(branch) = completed.next().await {
        order.push((branch.index, branch.outcome.unwrap()));
    }
    assert_eq!(order, [(1, 2), (2, 20), (0, 30)]);
}

#[tokio::test(start_paused = true)]
async fn an_item_starts_when_it_arrives() {
    // Children that wait for more, children that are at an `.await`, and children that there are not yet.
    let start = Instant::now();
    let late = agent_fn(move |arrived: Duration, _| async move {
        let late = start.elapsed() - arrived;
        sleep(25 * MS).await;
        Ok(late)
    });
    let items = stream::unfold(0u32, move |n| async move {
        sleep(if n % 10 == 0 { 100 } else { n % 3 } * MS).await;
        (n < 200).then(|| (start.elapsed(), n + 1))
    });
    let late = leaves_no_task(foreach_stream(items, late).all()).await.unwrap();
    assert_eq!(late.len(), 200);
    assert!(late.iter().all(|late| *late <= MS), "{late:?}");
}

#[test]
fn an_item_starts_when_it_arrives_on_real_threads() {
    let runtime = threads(2);
    runtime.block_on(async {
        for concurrency in [1, 2, 3, 64] {
            let (sender, receiver) = tokio::sync::mpsc::channel(1);
            let items = stream::unfold(receiver, |mut items| async { Some((items.recv().await?, items)) });
            let answer = agent_fn(|answer: tokio::sync::oneshot::Sender<()>, _| async move {
                tokio::task::yield_now().await;
                Ok(answer.send(()).is_ok())
            });
            let run = tokio::spawn(foreach_stream(items, answer).concurrency(concurrency).settled());
            for _ in 0..2000 {
                let (answer, answered) = tokio::sync::oneshot::channel();
                sender.send(answer).await.unwrap();
                tokio::time::timeout(10 * SECOND, answered).await.expect("nobody is woken").unwrap();
            }
            drop(sender);
            assert_eq!(run.await.unwrap().len(), 2000);
        }
    });
}

#[tokio::test(start_paused = true)]
async fn the_stream_is_polled_a_few_items_ahead() {
    for (concurrency, ahead) in [(1, 1), (4, 4), (200, 64)] {
        let (probed, gauge) = (Probed::default(), Gauge::default());
        let (seen, bodies) = (probed.clone(), gauge.clone());
        let agent = agent_fn(move |(): (), _| {
            let (seen, bodies) = (seen.clone(), bodies.clone());
            let body = bodies.enter();
            async move {
                sleep(MS).await;
                drop(body);
                Ok((seen.given(), bodies.begun()))
            }
        });
        let items = probed.stream(stream::repeat(()).take(1000));
        let fan_out = foreach_stream(items, agent).concurrency(concurrency);
        let polled = leaves_no_task(fan_out.all()).await.unwrap();
        assert!(polled.iter().all(|(given, begun)| *given <= begun + ahead), "{concurrency}: {polled:?}");
        assert!(polled.iter().any(|(given, begun)| *given > begun + ahead / 2), "{concurrency}: {polled:?}");
        assert_eq!(gauge.peak(), concurrency);
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_consumer_makes_the_stream_wait() {
    let (probed, live) = (Probed::default(), Gauge::default());
    let bodies = live.clone();
    let items = probed.stream(stream::repeat_with(move || bodies.enter()).take(1000));
    let agent = agent_fn(|item: crate::support::Body, _| async move { Ok(item) });
    let mut completed = foreach_stream(items, agent).concurrency(4).stream();
    assert_eq!(probed.given(), 0, "nothing is polled before the first poll");
    let mut taken = 0;
    while let Some(branch) = completed.next().await {
        drop(branch);
        taken += 1;
        sleep(MS).await;
        assert!(probed.given() <= taken + 3 * 4, "{} given, {taken} taken", probed.given());
    }
    assert_eq!(taken, 1000);
    assert!(live.peak() <= 3 * 4 + 1, "{}", live.peak());
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_reads_nothing_does_not_keep_attempts_that_wait_too_long() {
    let probed = Probed::default();
    let agent = agent_fn(|n: u32, cx: AgentContext| async move {
        if cx.attempt() == 1 { Err(AgentError::retry_after(SECOND, "later")) } else { Ok(n) }
    });
    // While many wait for their next attempt, no further items are taken.
    let fan_out = foreach_stream(probed.stream(stream::iter(0..10_000)), agent)
        .concurrency(2)
        .restart(Restart::attempts(2).backoff(Backoff::none()));
    let outcomes = leaves_no_task(fan_out.deadline(SECOND / 2).settled()).await;
    assert_eq!((outcomes.len(), probed.given()), (4 * 2 + 2, 4 * 2 + 2));
    assert!(outcomes.iter().all(is_exceeded));
}

#[tokio::test(start_paused = true)]
async fn nothing_arrives() {
    let agent = timed(&Gauge::default());
    let nothing = || foreach_stream(stream::empty(), &agent);
    leaves_no_task(async {
        assert!(nothing().settled().await.is_empty());
        assert!(nothing().all().await.unwrap().is_empty());
        assert!(nothing().any().await.unwrap_err().to_string().contains("no branches"));
        assert!(nothing().quorum(1).await.unwrap_err().to_string().contains("no branches"));
        assert!(nothing().quorum(0).await.unwrap().is_empty());
        assert!(nothing().stream().next().await.is_none());
        assert!(nothing().keyed(|n| *n).settled().await.is_empty());
        assert!(nothing().keyed(|n| *n).all().await.unwrap().is_empty());
        let late = stream::once(sleep(SECOND)).filter_map(|()| async { None });
        assert!(foreach_stream(late, &agent).settled().await.is_empty());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_panics_ends_the_list_with_that_failure() {
    let agent = timed(&Gauge::default());
    let probed = Probed::default();
    let items =
        || probed.stream(stream::iter((0..10).map(|n| 2 * n)).inspect(|n| assert!(*n < 8, "no item {n}")));
    let outcomes = leaves_no_task(foreach_stream(items(), &agent).concurrency(2).settled()).await;
    assert_eq!(outcomes.len(), 5, "four items, and the place of the fifth");
    assert!(outcomes[..4].iter().enumerate().all(|(n, o)| matches!(o, Ok(v) if *v as usize == 2 * n)));
    let failure = outcomes[4].as_ref().unwrap_err();
    assert!(matches!(failure.cause(), Cause::Panicked(_)));
    let text = format!("{failure:#}");
    assert!(
        text.contains("did not start") && text.contains("the stream") && text.contains("no item 8"),
        "{text}"
    );
    assert!(foreach_stream(items(), &agent).all().await.is_err());
    // Also if the run has stopped before it came to that place.
    let outcomes =
        foreach_stream(items(), &hanging(&Gauge::default())).concurrency(3).deadline(SECOND).settled().await;
    assert!(outcomes[..4].iter().all(is_exceeded));
    assert!(matches!(outcomes[4].as_ref().unwrap_err().cause(), Cause::Panicked(_)));
    assert!(!probed.is_alive());
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_panics_when_it_is_dropped_or_asked_for_a_hint_does_no_harm() {
    struct Bad(u32);
    impl Stream for Bad {
        type Item = u32;
        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<u32>> {
            self.0 += 2;
            if self.0 == 100 { Poll::Pending } else { Poll::Ready((self.0 <= 20).then_some(self.0)) }
        }
        fn size_hint(&self) -> (usize, Option<usize>) {
            panic!("no hint")
        }
    }
    impl Drop for Bad {
        fn drop(&mut self) {
            panic!("no end");
        }
    }
    let agent = timed(&Gauge::default());
    leaves_no_task(async {
        assert_eq!(foreach_stream(Bad(0), &agent).all().await.unwrap().len(), 10);
        assert!(foreach_stream(Bad(98), &agent).deadline(SECOND).settled().await.is_empty());
        assert!(tokio::time::timeout(SECOND, foreach_stream(Bad(98), &agent).settled()).await.is_err());
        assert_eq!(foreach_stream(Bad(0), &agent).any().await.unwrap(), 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_deadline_ends_a_stream_that_gives_nothing() {
    let agent = timed(&Gauge::default());
    let probed = Probed::default();
    let start = Instant::now();
    let run = |items: Vec<u32>| foreach_stream(probed.stream(then_pending(items)), &agent).deadline(SECOND);
    leaves_no_task(async {
        let outcomes = run(vec![2, 3, 5000, 4]).settled().await;
        assert_eq!(
            (start.elapsed(), probed.is_alive()),
            (SECOND, false),
            "at the deadline, the stream is gone"
        );
        let brief: Vec<_> = outcomes.iter().map(Result::is_ok).collect();
        assert_eq!(brief, [true, false, false, true]);
        assert!(is_exceeded(&outcomes[2]));

        // What came is all there is, but nobody knows whether that was all.
        assert_eq!(run(vec![2, 4]).settled().await.len(), 2);
        assert_eq!(run(vec![2, 4]).stream().collect::<Vec<_>>().await.len(), 2);
        let error = run(vec![2, 4]).all().await.unwrap_err();
        assert!(matches!(error.failure().cause(), Cause::DeadlineExceeded { stopped: true, .. }));
        assert_eq!((error.failure().index(), error.failure().attempts()), (2, 0));
        assert_eq!(error.into_outcomes().len(), 2);
        let error = run(vec![]).any().await.unwrap_err();
        assert!(format!("{error:#}").contains("exceeded the deadline of 1s"), "{error:#}");
        let error = run(vec![2, 4]).quorum(3).await.unwrap_err();
        assert!(format!("{error:#}").contains("exceeded the deadline of 1s"), "{error:#}");
        assert_eq!(error.into_values(), [2, 4]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_has_arrived_has_an_outcome_when_the_run_stops() {
    let (probed, gauge) = (Probed::default(), Gauge::default());
    let items = probed.stream(stream::iter(0..100));
    let outcomes = foreach_stream(items, &hanging(&gauge)).concurrency(3).deadline(SECOND).settled().await;
    assert_eq!((outcomes.len(), probed.given(), gauge.begun(), gauge.running()), (6, 6, 3, 0));
    assert!(outcomes.iter().all(is_exceeded));
    let attempts: Vec<_> = outcomes.iter().map(|outcome| outcome.as_ref().unwrap_err().attempts()).collect();
    assert_eq!(attempts, [1, 1, 1, 0, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_future_drops_the_stream() {
    let (probed, gauge) = (Probed::default(), Gauge::default());
    leaves_no_task(async {
        let items = probed.stream(then_pending(0..1000));
        let ending = foreach_stream(items, &hanging(&gauge)).concurrency(50).stop_grace(5 * SECOND).settled();
        assert!(tokio::time::timeout(SECOND, ending).await.is_err());
        assert_eq!(probed.given(), 100);
        // At once: who cleans up does not need it.
        eventually("the stream is dropped", || !probed.is_alive()).await;
        // The same before the first poll, and where only the stream is waited for.
        let mut completed = foreach_stream(probed.stream(then_pending([2])), &timed(&gauge)).stream();
        assert!(completed.next().await.is_some());
        assert!(probed.is_alive());
        drop(completed);
        drop(foreach_stream(probed.stream(stream::pending()), &timed(&gauge)).settled());
        drop(foreach_stream(probed.stream(stream::pending()), &timed(&gauge)));
    })
    .await;
    assert_eq!((gauge.running(), probed.is_alive()), (0, false));
}

#[tokio::test(start_paused = true)]
async fn a_decided_run_drops_its_stream() {
    let (probed, agent) = (Probed::default(), timed(&Gauge::default()));
    let run = |items: Vec<u32>| foreach_stream(probed.stream(then_pending(items)), &agent);
    leaves_no_task(async {
        assert_eq!(run(vec![31, 20, 10]).any().await.unwrap(), 10);
        assert!(!probed.is_alive());
        assert_eq!(run(vec![1, 20, 10, 5000]).quorum(2).await.unwrap(), [20, 10]);
        assert!(!probed.is_alive());
        let error = run(vec![10, 21, 5000]).all().await.unwrap_err();
        assert_eq!(error.failure().index(), 1);
        let outcomes = error.into_outcomes();
        assert_eq!((outcomes.len(), outcomes[0].as_ref().ok()), (3, Some(&10)));
        assert!(matches!(outcomes[2].as_ref().unwrap_err().cause(), Cause::Cancelled { stopped: true, .. }));
        assert!(!probed.is_alive());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_quorum_fails_when_the_hint_or_the_end_of_the_stream_puts_it_out_of_reach() {
    let agent = timed(&Gauge::default());
    let start = Instant::now();
    // A hint: four at most, and two have failed.
    let error = foreach_stream(stream::iter([1, 3, 4, 5000]), &agent).quorum(3).await.unwrap_err();
    assert!(start.elapsed() < 10 * MS, "{:?}", start.elapsed());
    assert_eq!(error.into_values(), Vec::<u32>::new());
    // No hint, but an end after ten milliseconds.
    let late = stream::once(sleep(10 * MS)).filter_map(|()| async { None });
    let start = Instant::now();
    let error = foreach_stream(stream::iter([1, 2, 5000]).chain(late), &agent).quorum(3).await.unwrap_err();
    assert!(start.elapsed() < 20 * MS, "{:?}", start.elapsed());
    assert_eq!(error.to_string(), "1 of 3 branches succeeded, where 3 are wanted");
}

#[tokio::test(start_paused = true)]
async fn options_are_those_of_any_fan_out() {
    let gauge = Gauge::default();
    let agent = timed(&gauge);
    let start = Instant::now();
    foreach_stream(stream::iter([100; 10]), &agent).concurrency(2).all().await.unwrap();
    assert_eq!((start.elapsed(), gauge.peak()), (500 * MS, 2));

    let outcomes = foreach_stream(stream::iter([100, 2000]), &agent).timeout(SECOND).settled().await;
    assert!(matches!(outcomes[1].as_ref().unwrap_err().cause(), Cause::TimedOut { stopped: true, .. }));

    let healing = agent_fn(|n: u32, cx: AgentContext| async move {
        match (n % 3, cx.attempt()) {
            (0, 1) => Err("once".into()),
            (1, 1) => panic!("once"),
            _ => Ok((n, cx.attempt())),
        }
    });
    let restart = Restart::attempts(2).backoff(Backoff::fixed(MS));
    let fan_out =
        foreach_stream(stream::iter(0..100), healing).restart(restart).concurrency(4).fresh_children();
    let values = leaves_no_task(fan_out.all()).await.unwrap();
    assert!(values.iter().enumerate().all(|(n, v)| *v == (n as u32, if n % 3 == 2 { 1 } else { 2 })));
}

#[tokio::test(start_paused = true)]
async fn a_nested_stream_ends_with_its_attempt() {
    let (probed, gauge) = (Probed::default(), Gauge::default());
    for explicit in [true, false] {
        let (inner, seen) = (hanging(&gauge), probed.clone());
        let outer = AgentRef::new(agent_fn(move |(): (), cx: AgentContext| {
            let (inner, items) = (inner.clone(), seen.stream(then_pending([1, 2])));
            async move {
                let fan_out =
                    if explicit { cx.foreach_stream(items, &inner) } else { foreach_stream(items, &inner) };
                Ok(fan_out.settled().await.len())
            }
        }));
        let failure =
            leaves_no_task(sortie::ask(&outer, ()).timeout(SECOND).into_future()).await.unwrap_err();
        assert!(matches!(failure.cause(), Cause::TimedOut { stopped: true, .. }), "{failure:?}");
        assert_eq!((gauge.running(), probed.is_alive()), (0, false));
    }
    assert_eq!(gauge.begun(), 4);

    // Cancelled with a grace, and everything that arrived has succeeded: that is not all.
    let (ok, seen) = (timed(&gauge), probed.clone());
    let outer = agent_fn(move |(): (), cx: AgentContext| {
        let (ok, items) = (ok.clone(), seen.stream(then_pending([2, 4])));
        async move { Ok(cx.foreach_stream(items, &ok).all().await.map_err(|error| error.into_outcomes().len())) }
    });
    let outcomes =
        leaves_no_task(sortie::foreach([()], outer).deadline(SECOND).stop_grace(SECOND).settled()).await;
    assert!(matches!(outcomes[0], Ok(Err(2))), "{outcomes:?}");
}

#[test]
fn a_stream_that_blocks_holds_up_neither_attempts_nor_the_deadline() {
    let runtime = threads(3);
    stay_awake(&runtime);
    let (release, blocked) = std::sync::mpsc::channel::<()>();
    let (seen, gauge) = (Probed::default(), Gauge::default());
    let begun = gauge.clone();
    let fifth = stream::once(async move {
        eventually("all four have started", || begun.begun() == 4).await;
        assert!(blocked.recv().is_err());
        8
    });
    let items = seen.stream(stream::iter([20, 22, 24, 26]).chain(fifth).chain(stream::repeat(10)));
    let start = std::time::Instant::now();
    let error = runtime.block_on(async {
        let fan_out = foreach_stream(items, &timed(&gauge)).concurrency(5).deadline(500 * MS);
        tokio::spawn(fan_out.all()).await.unwrap().unwrap_err()
    });
    assert!(start.elapsed() < 10 * SECOND, "{:?}", start.elapsed());
    assert!(matches!(error.failure().cause(), Cause::DeadlineExceeded { stopped: false, .. }), "{error:?}");
    assert_eq!(error.failure().index(), 4, "the item that could not be had");
    let outcomes = error.into_outcomes();
    assert!(matches!(outcomes[..], [Ok(20), Ok(22), Ok(24), Ok(26)]), "{outcomes:?}");
    assert!(seen.is_alive(), "the stream is left to itself");
    drop(release);
    runtime.block_on(eventually("the stream is dropped when it returns", || !seen.is_alive()));
    assert_eq!(seen.given(), 5, "and is not polled again");
}
