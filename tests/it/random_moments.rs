//! Stopping at a thousand random moments: nothing is left running, no finished outcome and no finished attempt is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use futures::stream::{self, StreamExt};
use sortie::{AgentContext, Cause, Recorder, RunEnd, RunReport, agent_fn, foreach, foreach_stream};
use tokio::time::{Instant, sleep};

use crate::foreach_stream::Probed;
use crate::support::{Gauge, MS, eventually, threads};

const MOMENTS: u64 = 1000;
const ITEMS: usize = 300;

/// A mix of attempts that end at once, wait a little, yield, panic and fail. Each notes in `done` that it returned a
/// value, as the last thing it does.
fn mixed(gauge: &Gauge, done: &Arc<Vec<AtomicBool>>) -> impl sortie::IntoAgent<usize, usize> + use<> {
    let (gauge, done) = (gauge.clone(), Arc::clone(done));
    agent_fn(move |n: usize, cx: AgentContext| {
        let (body, done) = (gauge.enter(), Arc::clone(&done));
        async move {
            let _body = body;
            match n % 8 {
                0 => sleep(Duration::from_micros(50 * (n as u64 % 40))).await,
                1 => tokio::task::yield_now().await,
                2 if cx.attempt() == 1 => panic!("once"),
                3 if cx.attempt() == 1 => return Err("once".into()),
                _ => {}
            }
            done[n].store(true, Ordering::SeqCst);
            Ok(n)
        }
    })
}

fn flags() -> Arc<Vec<AtomicBool>> {
    Arc::new((0..ITEMS).map(|_| AtomicBool::new(false)).collect())
}

fn restart() -> sortie::Restart {
    sortie::Restart::attempts(2).backoff(sortie::Backoff::fixed(MS))
}

async fn drop_at_random_moments(moments: u64, seed: u64, lanes: usize) {
    let mut random = fastrand::Rng::with_seed(seed);
    let gauge = Gauge::default();
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    for _ in 0..moments {
        let ending = foreach(0..ITEMS, mixed(&gauge, &flags()))
            .concurrency(16)
            .lanes(lanes)
            .restart(restart())
            .settled();
        let _ = tokio::time::timeout(Duration::from_micros(random.u64(0..3000)), ending).await;
    }
    eventually("nothing left running", || gauge.running() == 0 && tasks() <= before).await;
    assert!(gauge.begun() > 0 && gauge.peak() > 0);
}

async fn deadline_at_random_moments(moments: u64, seed: u64, lanes: usize) {
    let mut random = fastrand::Rng::with_seed(seed);
    let gauge = Gauge::default();
    let (mut cut, mut whole) = (0, 0);
    for _ in 0..moments {
        let done = flags();
        let limit = Duration::from_micros(random.u64(1..4000));
        let fan_out = foreach(0..ITEMS, mixed(&gauge, &done))
            .concurrency(16)
            .lanes(lanes)
            .restart(restart())
            .deadline(limit);
        let outcomes = fan_out.settled().await;
        assert_eq!(outcomes.len(), ITEMS);
        for (n, outcome) in outcomes.iter().enumerate() {
            match outcome {
                Ok(value) => assert_eq!(*value, n),
                Err(failure) => {
                    assert!(
                        matches!(failure.cause(), Cause::DeadlineExceeded { stopped: true, .. }),
                        "{failure:?}"
                    );
                    assert!(!done[n].load(Ordering::SeqCst), "item {n} had returned its value");
                }
            }
        }
        if outcomes.iter().all(Result::is_ok) {
            whole += 1
        } else {
            cut += 1
        }
        assert_eq!(gauge.running(), 0, "nothing runs when the ending has returned");
    }
    assert!(cut > moments / 10, "the moments are spread over the run: {cut} cut, {whole} whole");
}

#[tokio::test(start_paused = true)]
async fn drops_on_the_paused_clock() {
    let start = Instant::now();
    drop_at_random_moments(MOMENTS, 1, 1).await;
    assert!(start.elapsed() > MS);
}

#[test]
fn drops_on_real_threads() {
    let runtime = threads(2);
    runtime.block_on(async { tokio::spawn(drop_at_random_moments(MOMENTS, 2, 1)).await }).unwrap();
}

#[tokio::test(start_paused = true)]
async fn deadlines_on_the_paused_clock() {
    deadline_at_random_moments(MOMENTS, 3, 1).await;
}

#[test]
fn deadlines_on_real_threads() {
    let runtime = threads(2);
    runtime.block_on(async { tokio::spawn(deadline_at_random_moments(MOMENTS, 4, 1)).await }).unwrap();
}

#[tokio::test(start_paused = true)]
async fn drops_of_lanes_on_the_paused_clock() {
    drop_at_random_moments(MOMENTS, 5, 4).await;
}

#[test]
fn drops_of_lanes_on_real_threads() {
    let runtime = threads(2);
    runtime.block_on(async { tokio::spawn(drop_at_random_moments(MOMENTS, 6, 4)).await }).unwrap();
}

#[tokio::test(start_paused = true)]
async fn deadlines_of_lanes_on_the_paused_clock() {
    deadline_at_random_moments(MOMENTS, 7, 4).await;
}

#[test]
fn deadlines_of_lanes_on_real_threads() {
    let runtime = threads(2);
    runtime.block_on(async { tokio::spawn(deadline_at_random_moments(MOMENTS, 8, 4)).await }).unwrap();
}

/// What an agent has seen of its own attempts: per item, how many were begun, and how many had come to their end.
#[derive(Default)]
struct Seen {
    begun: AtomicU32,
    ended: AtomicU32,
}

/// The same mix, in which every attempt notes that it has begun and, as the last thing it does, that it ends by itself:
/// in a value, an error or a panic.
fn seen(gauge: &Gauge, seen: &Arc<Vec<Seen>>) -> impl sortie::IntoAgent<usize, usize> + use<> {
    let (gauge, seen) = (gauge.clone(), Arc::clone(seen));
    agent_fn(move |n: usize, cx: AgentContext| {
        let (body, seen) = (gauge.enter(), Arc::clone(&seen));
        seen[n].begun.fetch_add(1, Ordering::SeqCst);
        async move {
            let _body = body;
            match n % 8 {
                0 => sleep(Duration::from_micros(50 * (n as u64 % 40))).await,
                1 => tokio::task::yield_now().await,
                _ => {}
            }
            seen[n].ended.fetch_add(1, Ordering::SeqCst);
            match n % 8 {
                2 if cx.attempt() == 1 => panic!("once"),
                3 if cx.attempt() == 1 => Err("once".into()),
                _ => Ok(n),
            }
        }
    })
}

/// Every attempt that has begun is in the report, every one that has ended has its own end there, and nothing else is.
fn check_report(run: &RunReport, seen: &[Seen]) -> bool {
    let duration = run.duration().unwrap();
    for (n, seen) in seen.iter().enumerate() {
        let attempts = run.branches().get(n).map(sortie::BranchReport::attempts).unwrap_or_default();
        let own_end = |attempt: &&sortie::AttemptReport| {
            attempt.failure().is_none_or(|f| matches!(f.cause(), Cause::Failed(_) | Cause::Panicked(_)))
        };
        // One that was given up as not stopped may have been kept from its thread before its first line.
        let unsure = |attempt: &&sortie::AttemptReport| attempt.failure().is_some_and(|f| !f.stopped());
        let begun = seen.begun.load(Ordering::SeqCst) as usize;
        let surely = attempts.len() - attempts.iter().filter(unsure).count();
        assert!((surely..=attempts.len()).contains(&begun), "item {n}: {begun} of {attempts:?}");
        assert_eq!(
            attempts.iter().filter(own_end).count(),
            seen.ended.load(Ordering::SeqCst) as usize,
            "item {n}: {attempts:?}"
        );
        for (position, attempt) in attempts.iter().enumerate() {
            assert_eq!(attempt.number() as usize, position + 1);
            let end = attempt.end().expect("none is left running");
            assert!(attempt.start() <= end, "{attempt:?}");
            // Another thread may just have been about to start it when the run was dropped.
            assert!(run.end() == Some(RunEnd::Dropped) || end <= duration, "{attempt:?} in {duration:?}");
        }
    }
    assert_eq!(run.counts().pending, 0, "{run}");
    run.end() == Some(RunEnd::Finished)
}

/// A recorded run that is stopped by its deadline, by its caller, or as a stream, in turn.
async fn record_at_random_moments(moments: u64, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let gauge = Gauge::default();
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    let mut cut = 0;
    for moment in 0..moments {
        let (recorder, counted) =
            (Recorder::default(), Arc::new(Vec::from_iter((0..ITEMS).map(|_| Seen::default()))));
        let limit = Duration::from_micros(random.u64(1..4000));
        let fan_out =
            foreach(0..ITEMS, seen(&gauge, &counted)).concurrency(16).restart(restart()).record(&recorder);
        match moment % 3 {
            0 => drop(fan_out.deadline(limit).settled().await),
            1 => drop(tokio::time::timeout(limit, fan_out.settled()).await),
            _ => drop(tokio::time::timeout(limit, fan_out.stream().collect::<Vec<_>>()).await),
        }
        eventually("nothing left running", || gauge.running() == 0 && tasks() <= before).await;
        let report = recorder.report();
        assert_eq!(report.runs().len(), 1);
        cut += u64::from(!check_report(&report.runs()[0], &counted));
    }
    assert!(cut > moments / 10, "the moments are spread over the run: {cut} of {moments} cut");
}

#[tokio::test(start_paused = true)]
async fn reports_on_the_paused_clock() {
    record_at_random_moments(MOMENTS, 5).await;
}

#[test]
fn reports_on_real_threads() {
    let runtime = threads(2);
    runtime.block_on(async { tokio::spawn(record_at_random_moments(MOMENTS, 6)).await }).unwrap();
}

/// A queue that times out at a random moment: what had started by then ends by itself, and nothing else does.
async fn queue_timeout_at_random_moments(moments: u64, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut cut, mut whole) = (0, 0);
    for _ in 0..moments {
        let (gauge, counted) =
            (Gauge::default(), Arc::new(Vec::from_iter((0..ITEMS).map(|_| Seen::default()))));
        let limit = Duration::from_micros(random.u64(1..4000));
        let fan_out = foreach(0..ITEMS, seen(&gauge, &counted)).concurrency(8).queue_timeout(limit);
        let outcomes = fan_out.restart(restart()).settled().await;
        assert_eq!((outcomes.len(), gauge.running()), (ITEMS, 0));
        assert!(gauge.peak() <= 8, "who shows out makes no attempt: {}", gauge.peak());
        for (n, outcome) in outcomes.iter().enumerate() {
            let begun = counted[n].begun.load(Ordering::SeqCst);
            match outcome {
                Ok(value) => assert!(*value == n && begun > 0),
                Err(failure) => {
                    assert!(matches!(failure.cause(), Cause::QueueTimedOut { .. }), "{failure:?}");
                    assert_eq!((failure.index(), failure.attempts(), begun), (n, 0, 0));
                }
            }
        }
        if outcomes.iter().all(Result::is_ok) { whole += 1 } else { cut += 1 }
    }
    assert!(cut > moments / 10, "the moments are spread over the run: {cut} cut, {whole} whole");
}

#[tokio::test(start_paused = true)]
async fn queue_timeouts_on_the_paused_clock() {
    queue_timeout_at_random_moments(MOMENTS, 7).await;
}

#[test]
fn queue_timeouts_on_real_threads() {
    let runtime = threads(2);
    runtime.block_on(async { tokio::spawn(queue_timeout_at_random_moments(MOMENTS, 8)).await }).unwrap();
}

/// The items of a run, from a stream that has some at once, waits for others, and may wait for ever for the last. Each lives
/// until its gauge says otherwise.
async fn streams_at_random_moments(moments: u64, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let items = Gauge::default();
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    let (mut cut, mut whole) = (0, 0);
    for moment in 0..moments {
        let (gauge, probed) = (Gauge::default(), Probed::default());
        let (done, live, last) = (flags(), items.clone(), if moment % 2 == 0 { ITEMS } else { ITEMS / 2 });
        let stream = stream::iter(0..ITEMS).then(move |n| {
            let item = (n, live.enter());
            async move {
                match n {
                    n if n == last => std::future::pending().await,
                    n if n % 16 == 0 => sleep(Duration::from_micros(10 * (n as u64 % 7))).await,
                    n if n % 16 == 1 => tokio::task::yield_now().await,
                    _ => {}
                }
                item
            }
        });
        let agent = sortie::AgentRef::new(agent_fn({
            let (agent, done) = (gauge.clone(), Arc::clone(&done));
            move |(n, item): (usize, crate::support::Body), _| {
                let (body, done) = (agent.enter(), Arc::clone(&done));
                async move {
                    let _live = (body, item);
                    match n % 8 {
                        0 => sleep(Duration::from_micros(50 * (n as u64 % 40))).await,
                        1 => tokio::task::yield_now().await,
                        2 if n % 32 == 2 => panic!("always"),
                        _ => {}
                    }
                    done[n].store(true, Ordering::SeqCst);
                    Ok(n)
                }
            }
        }));
        let fan_out = foreach_stream(probed.stream(stream), &agent).keyed(|(n, _)| *n).concurrency(16);
        let limit = Duration::from_micros(random.u64(1..4000));
        // A caller that goes away does not wait for what it has started: the items show in the end that it is gone.
        match moment % 4 {
            0 | 1 => drop(tokio::time::timeout(limit, fan_out.settled()).await),
            2 => drop(tokio::time::timeout(limit, fan_out.stream().collect::<Vec<_>>()).await),
            _ => {
                let outcomes = fan_out.deadline(limit).settled().await;
                for (n, (key, outcome)) in outcomes.iter().enumerate() {
                    assert_eq!(*key, n.to_string());
                    match outcome {
                        Ok(value) => assert_eq!(*value, n),
                        Err(failure) => {
                            assert!(failure.stopped(), "{failure:?}");
                            assert!(!done[n].load(Ordering::SeqCst), "item {n} had returned its value");
                        }
                    }
                }
                for n in outcomes.len()..ITEMS {
                    assert!(!done[n].load(Ordering::SeqCst), "item {n} is lost");
                }
                *if outcomes.len() == last { &mut whole } else { &mut cut } += 1;
                assert_eq!((gauge.running(), probed.is_alive()), (0, false), "nothing runs after the ending");
            }
        }
    }
    eventually("nothing left", || items.running() == 0 && tasks() <= before).await;
    assert!(cut > moments / 40, "the moments are spread over the run: {cut} cut, {whole} whole");
}

#[tokio::test(start_paused = true)]
async fn streams_on_the_paused_clock() {
    streams_at_random_moments(MOMENTS, 5).await;
}

#[test]
fn streams_on_real_threads() {
    let runtime = threads(2);
    runtime.block_on(async { tokio::spawn(streams_at_random_moments(MOMENTS, 6)).await }).unwrap();
}
