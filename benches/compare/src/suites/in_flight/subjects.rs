//! The subjects.

use futures::future::{BoxFuture, FutureExt};
use sortie::foreach;
use tokio::task::JoinSet;

use super::kameo;
use super::waiting::agent;
use crate::suites::contest::attempt::{LIMIT, Outcome, supervised};
use crate::suites::contest::ractor_per_item;
use crate::suites::contest::slots::Slots;

pub const BASELINE: &str = "joinset";

/// A way to have many attempts under way at once. What it does when they end is never reached, but has to be there.
pub struct Fanning {
    pub name: &'static str,
    pub run: fn(usize) -> BoxFuture<'static, usize>,
}

pub const SUBJECTS: [Fanning; 6] = [
    Fanning { name: "sortie", run: |n| with_sortie(n, None).boxed() },
    Fanning { name: "sortie-one-lane", run: |n| with_sortie(n, Some(1)).boxed() },
    Fanning { name: BASELINE, run: |n| joinset(n).boxed() },
    Fanning { name: "joinset-bare", run: |n| joinset_bare(n).boxed() },
    Fanning { name: "ractor-per-item", run: |n| with_ractor(n).boxed() },
    Fanning { name: "kameo-per-item", run: |n| kameo::fan_out(n).boxed() },
];

async fn with_sortie(n: usize, lanes: Option<usize>) -> usize {
    let mut fan_out = foreach(0..n, agent).concurrency(n).timeout(LIMIT);
    if let Some(lanes) = lanes {
        fan_out = fan_out.lanes(lanes);
    }
    fan_out.settled().await.len()
}

async fn with_ractor(n: usize) -> usize {
    ractor_per_item::fan_out(n, n, agent).await.len()
}

/// The fan-out suite's `JoinSet` without its window, which would never be full.
async fn joinset(n: usize) -> usize {
    let mut tasks = JoinSet::new();
    for item in 0..n {
        tasks.spawn(async move { (item, supervised(agent(item)).await) });
    }
    let mut slots = None;
    while let Some(joined) = tasks.join_next().await {
        let (item, outcome): (usize, Outcome) = joined.expect("the attempt caught the agent's panic");
        slots.get_or_insert_with(|| Slots::new(n)).put(item, outcome);
    }
    slots.map_or(0, |slots| slots.into_results().len())
}

async fn joinset_bare(n: usize) -> usize {
    let mut tasks = JoinSet::new();
    for item in 0..n {
        tasks.spawn(agent(item));
    }
    tasks.join_all().await.len()
}
