//! Stopping at a thousand random moments: nothing is left running, no finished outcome is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sortie::{AgentContext, Cause, agent_fn, foreach};
use tokio::time::{Instant, sleep};

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
