//! Instruments: what runs, how much of it at once, and whether all of it is gone.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sortie::journal::Want;
use tokio::runtime::Handle;

pub const MS: Duration = Duration::from_millis(1);
pub const SECOND: Duration = Duration::from_secs(1);

/// Counts bodies: how many have begun, how many run, and the most that ran at once.
#[derive(Clone, Default)]
pub struct Gauge(Arc<Counts>);

#[derive(Default)]
struct Counts {
    begun: AtomicUsize,
    running: AtomicUsize,
    peak: AtomicUsize,
}

/// A body, until it is dropped.
pub struct Body(Gauge);

impl Gauge {
    pub fn enter(&self) -> Body {
        self.0.begun.fetch_add(1, Ordering::SeqCst);
        let running = self.0.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.peak.fetch_max(running, Ordering::SeqCst);
        Body(self.clone())
    }

    pub fn begun(&self) -> usize {
        self.0.begun.load(Ordering::SeqCst)
    }

    pub fn running(&self) -> usize {
        self.0.running.load(Ordering::SeqCst)
    }

    pub fn peak(&self) -> usize {
        self.0.peak.load(Ordering::SeqCst)
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.0.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Waits until the condition holds, however long the runtime needs to get there, but not for ever.
pub async fn eventually(what: &str, condition: impl Fn() -> bool) {
    for _ in 0..10_000 {
        if condition() {
            return;
        }
        tokio::time::sleep(MS).await;
    }
    panic!("never: {what}");
}

/// Runs `code` and checks that the runtime has as many tasks afterwards as before: no actor is left.
pub async fn leaves_no_task<T>(code: impl Future<Output = T>) -> T {
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    let result = code.await;
    eventually("as many tasks as before", || tasks() <= before).await;
    result
}

/// Keeps a thread of the runtime awake, as any service that has something to do does. On a runtime that is otherwise
/// idle, a task that blocks can be on the very thread that would attend to tokio's timers, and then nothing rings.
pub fn stay_awake(runtime: &tokio::runtime::Runtime) {
    runtime.spawn(async {
        loop {
            tokio::task::yield_now().await;
        }
    });
}

/// A runtime with this many worker threads and a real clock.
pub fn threads(count: usize) -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(count).enable_all().build().unwrap()
}

/// As many launches of these agents as there may be.
pub fn wants(agents: &[String]) -> Vec<Want> {
    agents.iter().map(|agent| Want::new(agent.as_str(), usize::MAX)).collect()
}
