//! The subjects.

use futures::future::{BoxFuture, FutureExt};
use futures::stream::{self, StreamExt};
use sortie::{Completed, foreach};

use super::consumer::{Consumed, Habit, consume};
use crate::suites::contest::attempt::{CAP, LIMIT, agent, attempt};

pub const BASELINE: &str = "buffer-unordered";

/// A way to get outcomes to the consumer.
pub struct Streaming {
    pub name: &'static str,
    pub run: fn(usize, Habit) -> BoxFuture<'static, Consumed>,
}

pub const SORTIE: Streaming = Streaming { name: "sortie", run: |n, habit| with_sortie(n, habit).boxed() };

pub const PEER: Streaming = Streaming { name: BASELINE, run: |n, habit| buffer_unordered(n, habit).boxed() };

/// No concurrency, no limits: the consumer's own time.
pub const IDEAL: Streaming = Streaming { name: "ideal", run: |n, habit| alone(n, habit).boxed() };

/// All outcomes are collected before the consumer gets the first. It does not stream: memory grows.
pub const SETTLED: Streaming =
    Streaming { name: "sortie-settled", run: |n, habit| settled(n, habit).boxed() };

async fn with_sortie(n: usize, habit: Habit) -> Consumed {
    let completed = foreach(0..n, agent).concurrency(CAP).timeout(LIMIT).stream();
    consume(completed.map(|Completed { index, outcome, .. }| (index, outcome)), habit).await
}

async fn buffer_unordered(n: usize, habit: Habit) -> Consumed {
    let attempts = stream::iter(0..n).map(|item| async move { (item, attempt(item).await) });
    consume(attempts.buffer_unordered(CAP), habit).await
}

async fn alone(n: usize, habit: Habit) -> Consumed {
    consume(stream::iter(0..n).then(|item| async move { (item, agent(item).await) }), habit).await
}

async fn settled(n: usize, habit: Habit) -> Consumed {
    let outcomes = foreach(0..n, agent).concurrency(CAP).timeout(LIMIT).settled().await;
    consume(stream::iter(outcomes).enumerate(), habit).await
}

/// Each item came once, as far as a sum can tell.
pub fn check(name: &str, n: usize, consumed: &Consumed) {
    assert_eq!(consumed.count, n, "{name} gives an outcome for each item");
    assert_eq!(consumed.sum, n * (n - 1) / 2, "{name} gives each item's outcome once");
}
