//! Subjects: one way each to fan out, seen alike.

use std::fmt::Display;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::{BoxFuture, FutureExt};

use super::drivers::feed;
use super::{buffered, joinset, kameo_pool, ractor_per_item, ractor_pool, sortie};

pub const BASELINE: &str = "joinset";

/// One way to fan out.
pub struct Subject {
    pub name: &'static str,
    /// Fans out over `n` items, `repeats` times, and tells for how long in all.
    pub run: Box<dyn Fn(usize, u32) -> BoxFuture<'static, Duration>>,
}

/// Starts the pools, and lists all subjects.
pub async fn start_all() -> Vec<Subject> {
    let ractors = Arc::new(ractor_pool::start().await);
    let kameos = Arc::new(kameo_pool::start().await);
    vec![
        subject("sortie", sortie::fan_out),
        subject(BASELINE, joinset::fan_out),
        subject("buffered", buffered::fan_out),
        subject("ractor-pool", move |n| feed(Arc::clone(&ractors), n)),
        subject("kameo-pool", move |n| feed(Arc::clone(&kameos), n)),
        subject("sortie-fresh-children", sortie::fan_out_fresh),
        subject("ractor-per-item", ractor_per_item::fan_out),
    ]
}

/// Wraps a fan-out in what is not measured: the check of its results, and their end.
///
/// Nothing is awaited between the repeats. What a fan-out leaves behind it, such as actors that are still
/// about to end, therefore runs on its own time: in the next repeat.
fn subject<F, Fut, E>(name: &'static str, fan_out: F) -> Subject
where
    F: Fn(usize) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Vec<Result<usize, E>>> + Send + 'static,
    E: Display + Send + 'static,
{
    let fan_out = Arc::new(fan_out);
    let run = move |n, repeats| {
        let fan_out = Arc::clone(&fan_out);
        async move {
            let mut took = Duration::ZERO;
            for _ in 0..repeats {
                let start = Instant::now();
                let outcomes = fan_out(n).await;
                took += start.elapsed();
                check(name, n, &outcomes);
            }
            took
        }
        .boxed()
    };
    Subject { name, run: Box::new(run) }
}

/// Each item has its own output, in its own place.
fn check<E: Display>(name: &str, n: usize, outcomes: &[Result<usize, E>]) {
    assert_eq!(outcomes.len(), n, "{name} has a result for each item");
    for (item, outcome) in outcomes.iter().enumerate() {
        match outcome {
            Ok(output) => assert_eq!(*output, item, "{name} returns results in input order"),
            Err(failure) => panic!("{name} failed at item {item}: {failure}"),
        }
    }
}
