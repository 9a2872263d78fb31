//! The subjects, and what their results must be.

use std::fmt::Display;
use std::future::Future;
use std::sync::Arc;

use super::drivers::feed;
use super::{buffered, joinset, kameo_pool, ractor_pool, sortie};
use crate::suites::contest::attempt::{CAP, agent};
use crate::suites::contest::ractor_per_item;
use crate::suites::contest::subject::Subject;

pub const BASELINE: &str = "joinset";

/// Starts the pools, and lists all subjects.
pub async fn start_all() -> Vec<Subject<usize>> {
    let ractors = Arc::new(ractor_pool::start().await);
    let kameos = Arc::new(kameo_pool::start().await);
    vec![
        subject("sortie", sortie::fan_out),
        subject("sortie-recorded", sortie::fan_out_recorded),
        subject(BASELINE, joinset::fan_out),
        subject("buffered", buffered::fan_out),
        subject("ractor-pool", move |n| feed(Arc::clone(&ractors), n)),
        subject("kameo-pool", move |n| feed(Arc::clone(&kameos), n)),
        subject("sortie-fresh-children", sortie::fan_out_fresh),
        subject("ractor-per-item", |n| ractor_per_item::fan_out(n, CAP, agent)),
    ]
}

fn subject<F, Fut, E>(name: &'static str, fan_out: F) -> Subject<usize>
where
    F: Fn(usize) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Vec<Result<usize, E>>> + Send + 'static,
    E: Display + Send + 'static,
{
    Subject::new(name, fan_out, check)
}

/// Each item has its own output, in its own place.
fn check<E: Display>(name: &str, n: usize, outcomes: Vec<Result<usize, E>>) {
    assert_eq!(outcomes.len(), n, "{name} has a result for each item");
    for (item, outcome) in outcomes.into_iter().enumerate() {
        match outcome {
            Ok(output) => assert_eq!(output, item, "{name} returns results in input order"),
            Err(failure) => panic!("{name} failed at item {item}: {failure}"),
        }
    }
}
