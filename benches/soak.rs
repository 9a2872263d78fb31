//! A long run under fire, in a process of its own: 100,000 items of which some panic, hang and fail, while somebody
//! else on the same runtime makes calls and must not notice.
//!
//! ```sh
//! cargo bench --bench soak
//! ```
//!
//! Prints its figures and exits with 1 if one is not as it must be.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use sortie::{
    Agent, AgentContext, AgentError, AgentRef, Backoff, Cause, Outcome, Restart, agent_fn, ask, foreach,
};
use tokio::runtime::{Builder, Handle};

const ITEMS: usize = 100_000;
const CAP: usize = 64;
const ATTEMPTS: u32 = 3;
const LIMIT: Duration = Duration::from_millis(20);
/// What a call beside the run may take, at the 99th percentile.
const MOST_P99: Duration = Duration::from_millis(5);

/// What an item does, in every attempt.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Panics,
    Hangs,
    Fails,
    HealsAtLast,
    Waits,
    Returns,
}

/// 1 % panics, 1 % hangs, 3 % errors (half of them in the first two attempts only), 10 % waits of a millisecond.
fn fate(item: usize) -> Fate {
    // A fixed permutation spreads the fates over the run.
    match (item * 7919) % 200 {
        0 | 1 => Fate::Panics,
        2 | 3 => Fate::Hangs,
        4..=6 => Fate::Fails,
        7..=9 => Fate::HealsAtLast,
        10..=29 => Fate::Waits,
        _ => Fate::Returns,
    }
}

#[derive(Default)]
struct Counts {
    begun: AtomicUsize,
    running: AtomicUsize,
    peak: AtomicUsize,
}

struct Body(Arc<Counts>);

impl Body {
    fn begin(counts: &Arc<Counts>) -> Self {
        counts.begun.fetch_add(1, Ordering::SeqCst);
        let running = counts.running.fetch_add(1, Ordering::SeqCst) + 1;
        counts.peak.fetch_max(running, Ordering::SeqCst);
        Self(Arc::clone(counts))
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

struct Worker(Arc<Counts>);

impl Agent for Worker {
    type Input = usize;
    type Output = usize;

    fn name(&self) -> &str {
        "worker"
    }

    async fn run(&self, item: usize, cx: AgentContext) -> Result<usize, AgentError> {
        let _body = Body::begin(&self.0);
        match fate(item) {
            Fate::Panics => panic!("item {item}"),
            Fate::Hangs => std::future::pending().await,
            Fate::Fails => Err("always".into()),
            Fate::HealsAtLast if cx.attempt() < ATTEMPTS => Err("not yet".into()),
            Fate::Waits => {
                tokio::time::sleep(Duration::from_millis(1)).await;
                Ok(item)
            }
            Fate::HealsAtLast | Fate::Returns => Ok(item),
        }
    }
}

/// Whether the outcome is the one that the item's fate leads to.
fn is_right(item: usize, outcome: &Outcome<usize>) -> bool {
    let cause = match outcome {
        Ok(value) => {
            return *value == item && !matches!(fate(item), Fate::Panics | Fate::Hangs | Fate::Fails);
        }
        Err(failure) if failure.index() != item || failure.attempts() != ATTEMPTS => return false,
        Err(failure) => failure.cause(),
    };
    match fate(item) {
        Fate::Panics => matches!(cause, Cause::Panicked(text) if *text == format!("item {item}")),
        Fate::Hangs => matches!(cause, Cause::TimedOut { limit: LIMIT, stopped: true, .. }),
        Fate::Fails => matches!(cause, Cause::Failed(error) if error.to_string() == "always"),
        Fate::HealsAtLast | Fate::Waits | Fate::Returns => false,
    }
}

/// Makes trivial calls until the run is over, and gives their durations.
async fn call_meanwhile(run: &tokio::task::JoinHandle<Vec<Outcome<usize>>>) -> Vec<Duration> {
    let trivial = AgentRef::new(agent_fn(|n: usize, _| async move { Ok(n) }));
    let mut waits = Vec::new();
    while !run.is_finished() {
        let start = Instant::now();
        if ask(&trivial, 1).await.is_ok() {
            waits.push(start.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    waits.sort_unstable();
    waits
}

#[expect(
    clippy::disallowed_methods,
    reason = "a caller's own task, so that the run and the calls go on side by side"
)]
async fn soak() -> Result<bool, Box<dyn std::error::Error>> {
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let (counts, tasks_before) = (Arc::<Counts>::default(), tasks());
    let worker = AgentRef::new(Worker(Arc::clone(&counts)));
    let restart = Restart::attempts(ATTEMPTS).backoff(Backoff::exponential(Duration::from_millis(1)));
    let start = Instant::now();
    let run =
        tokio::spawn(foreach(0..ITEMS, &worker).concurrency(CAP).timeout(LIMIT).restart(restart).settled());
    let waits = call_meanwhile(&run).await;
    let outcomes = run.await?;
    let took = start.elapsed();

    // A task that has ended is counted until its thread has let go of it.
    for _ in 0..1000 {
        if tasks() <= tasks_before {
            break;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let wrong = outcomes.iter().enumerate().filter(|(item, outcome)| !is_right(*item, outcome)).count();
    let (left_tasks, left_bodies) = (tasks() - tasks_before, counts.running.load(Ordering::SeqCst));
    let peak = counts.peak.load(Ordering::SeqCst);
    let p99 = waits.get(waits.len() * 99 / 100).copied().unwrap_or(Duration::MAX);
    println!("attempts {} in {took:.2?}", counts.begun.load(Ordering::SeqCst));
    println!("calls beside it {}, p50 {:.2?}, p99 {p99:.2?}", waits.len(), waits[waits.len() / 2]);
    println!(
        "soak: items={} wrong={wrong} peak={peak} left_tasks={left_tasks} left_bodies={left_bodies} p99_us={}",
        outcomes.len(),
        p99.as_micros()
    );
    Ok(outcomes.len() == ITEMS
        && wrong == 0
        && peak <= CAP
        && left_tasks == 0
        && left_bodies == 0
        && p99 <= MOST_P99)
}

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    // The panics are meant; a thousand messages help nobody.
    std::panic::set_hook(Box::new(|_| {}));
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    #[expect(
        clippy::disallowed_methods,
        reason = "the caller runs on the runtime's workers, as a service would"
    )]
    let right = runtime.block_on(async {
        tokio::spawn(async { soak().await.map_err(|error| error.to_string()) }).await
    })??;
    Ok(if right { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
