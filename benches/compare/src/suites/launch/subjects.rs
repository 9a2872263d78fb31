//! The subjects.

use std::path::PathBuf;
use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt};
use sortie::{AgentRef, agent_fn};

#[cfg(feature = "sqlite")]
use crate::suites::durable::apalis::{Queue, Synchronous, Synchronous::*};
#[cfg(feature = "sqlite")]
use crate::suites::durable::apart::{DUROXIDE, EFFECTUM, words};
use crate::suites::durable::callers::Demand;
use crate::suites::durable::raw_log::RawLog;
use crate::suites::durable::sortie::Gate;

pub const BASELINE: &str = "raw-fdatasync";

/// A way to make jobs durable, over a path where nothing is yet.
#[derive(Clone, Copy)]
pub struct Recording {
    pub name: &'static str,
    pub sample: fn(PathBuf, Demand) -> BoxFuture<'static, f64>,
}

/// Those that take part.
pub fn subjects() -> Vec<Recording> {
    vec![
        Recording { name: "sortie", sample: |path, demand| with_sortie(path, demand).boxed() },
        Recording { name: BASELINE, sample: |path, demand| raw(RawLog::create(&path), demand).boxed() },
        Recording {
            name: "raw-append",
            sample: |path, demand| raw(RawLog::appending(&path), demand).boxed(),
        },
        #[cfg(feature = "sqlite")]
        Recording { name: "apalis-full", sample: |path, demand| apalis(path, demand, Full).boxed() },
        #[cfg(feature = "sqlite")]
        Recording { name: "apalis-default", sample: |path, demand| apalis(path, demand, Default).boxed() },
        #[cfg(feature = "sqlite")]
        Recording { name: "effectum", sample: |path, demand| effectum(path, demand).boxed() },
        #[cfg(feature = "sqlite")]
        Recording { name: "duroxide", sample: |path, demand| duroxide(path, demand, "full").boxed() },
        #[cfg(feature = "sqlite")]
        Recording {
            name: "duroxide-default",
            sample: |path, demand| duroxide(path, demand, "default").boxed(),
        },
    ]
}

async fn with_sortie(path: PathBuf, demand: Demand) -> f64 {
    let never = agent_fn(|job: String, _| async move { Ok(job.len()) }).named("job");
    let gate = Arc::new(Gate::start(&path, 1, AgentRef::new(never)).await);
    let figure = demand.meet(&gate).await;
    gate.end().await;
    figure
}

async fn raw(log: RawLog, demand: Demand) -> f64 {
    demand.meet(&Arc::new(log)).await
}

#[cfg(feature = "sqlite")]
async fn apalis(path: PathBuf, demand: Demand, synchronous: Synchronous) -> f64 {
    let queue = Arc::new(Queue::open(&path, synchronous).await);
    let figure = demand.meet(&queue).await;
    queue.end().await;
    figure
}

#[cfg(feature = "sqlite")]
async fn effectum(path: PathBuf, demand: Demand) -> f64 {
    let [callers, span, figure] = words(demand);
    EFFECTUM.ask(&path, &["launch", &callers, &span, &figure])[0]
}

#[cfg(feature = "sqlite")]
async fn duroxide(path: PathBuf, demand: Demand, synchronous: &str) -> f64 {
    let [callers, span, figure] = words(demand);
    DUROXIDE.ask(&path, &["launch", synchronous, &callers, &span, &figure])[0]
}
