//! Stopping at a thousand random moments: nothing is left running, no finished outcome is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::stream::{self, StreamExt};
use sortie::{AgentContext, Cause, agent_fn, foreach, foreach_stream};
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

async fn drop_at_random_moments(moments: u64, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let gauge = Gauge::default();
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    for _ in 0..moments {
        let ending = foreach(0..ITEMS, mixed(&gauge, &flags())).concurrency(16).restart(restart()).settled();
        let _ = tokio::time::timeout(Duration::from_micros(random.u64(0..3000)), ending).await;
    }
    eventually("nothing left running", || gauge.running() == 0 && tasks() <= before).await;
    assert!(gauge.begun() > 0 && gauge.peak() > 0);
}

async fn deadline_at_random_moments(moments: u64, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let gauge = Gauge::default();
    let (mut cut, mut whole) = (0, 0);
    for _ in 0..moments {
        let done = flags();
        let limit = Duration::from_micros(random.u64(1..4000));
        let fan_out =
            foreach(0..ITEMS, mixed(&gauge, &done)).concurrency(16).restart(restart()).deadline(limit);
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
    drop_at_random_moments(MOMENTS, 1).await;
    assert!(start.elapsed() > MS);
}

#[test]
fn drops_on_real_threads() {
    let runtime = threads(2);
    runtime.block_on(async { tokio::spawn(drop_at_random_moments(MOMENTS, 2)).await }).unwrap();
}

#[tokio::test(start_paused = true)]
async fn deadlines_on_the_paused_clock() {
    deadline_at_random_moments(MOMENTS, 3).await;
}

#[test]
fn deadlines_on_real_threads() {
    let runtime = threads(2);
    runtime.block_on(async { tokio::spawn(deadline_at_random_moments(MOMENTS, 4)).await }).unwrap();
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
