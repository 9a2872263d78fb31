//! `buffered` of the futures crate: all attempts within one task.
//!
//! It has no parallelism and no isolation: an agent that computes delays all others, on any number of
//! threads. That makes it the cheapest way to wait for many things, and the measure of what isolation costs.

use futures::stream::{self, StreamExt};

use crate::suites::contest::attempt::{CAP, Outcome, attempt};

pub async fn fan_out(n: usize) -> Vec<Outcome> {
    stream::iter(0..n).map(attempt).buffered(CAP).collect().await
}
