//! The baseline: windows of tasks within the tasks of a window, by hand.
//!
//! The window is that of `fan-out`, the fastest there. Here it ends with the first failure, as sortie's `all`
//! does: dropping the set aborts the tasks that are left.

use std::future::Future;

use tokio::task::JoinSet;

use super::case::{Case, Shape, fold};
use crate::suites::contest::attempt::{Failure, Outcome, agent, supervised};
use crate::suites::contest::slots::Slots;

pub async fn nested(case: Case) -> Outcome {
    let cap = case.cap;
    match case.shape {
        Shape::Two([outer, leaves]) => {
            window(outer, cap, move |item| async move {
                Ok::<_, Failure>(fold([item, inner(leaves, cap).await?]))
            })
            .await
        }
        Shape::Three([outer, between, leaves]) => {
            window(outer, cap, move |item| async move {
                Ok::<_, Failure>(fold([item, middle(between, leaves, cap).await?]))
            })
            .await
        }
    }
}

async fn middle(items: usize, leaves: usize, cap: usize) -> Outcome {
    window(items, cap, move |item| async move { Ok::<_, Failure>(fold([item, inner(leaves, cap).await?])) })
        .await
}

async fn inner(leaves: usize, cap: usize) -> Outcome {
    window(leaves, cap, agent).await
}

/// Keeps `cap` attempts under way: whenever one is joined, the next item's is spawned.
async fn window<Fut, E>(n: usize, cap: usize, agent: impl Fn(usize) -> Fut) -> Outcome
where
    Fut: Future<Output = Result<usize, E>> + Send + 'static,
    E: Into<Failure>,
{
    let attempt = |item| {
        let run = agent(item);
        async move { (item, supervised(run).await) }
    };
    let mut tasks = JoinSet::new();
    let mut slots = Slots::new(n);
    let mut items = 0..n;
    for item in items.by_ref().take(cap) {
        tasks.spawn(attempt(item));
    }
    while let Some(joined) = tasks.join_next().await {
        let (item, outcome) = joined.expect("the attempt caught the agent's panic");
        slots.put(item, outcome?);
        if let Some(item) = items.next() {
            tasks.spawn(attempt(item));
        }
    }
    Ok(fold(slots.into_results()))
}
