//! How a resident pool is fed: one driver per actor takes items from a shared cursor and calls its actor.
//!
//! For ractor and kameo alike this was the fastest of three ways: `buffered` over the calls, and a window of
//! calls in one task, need a third more on one thread and three times as long on two.

use std::future::Future;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::task::JoinSet;

use crate::suites::contest::attempt::Outcome;
use crate::suites::contest::slots::Slots;

/// An actor of a pool.
pub trait Resident: Clone + Send + Sync + 'static {
    /// Calls the actor, which makes the attempt, and waits for its reply.
    fn ask(&self, item: usize) -> impl Future<Output = Outcome> + Send;
}

/// Asks the actors for each item in `0..n`, each actor for one at a time.
pub async fn feed(actors: Arc<Vec<impl Resident>>, n: usize) -> Vec<Outcome> {
    let cursor = Arc::new(AtomicUsize::new(0));
    let mut drivers = JoinSet::new();
    for actor in actors.iter().take(n).cloned() {
        drivers.spawn(drive(actor, Arc::clone(&cursor), n));
    }
    let mut slots = Slots::new(n);
    while let Some(done) = drivers.join_next().await {
        for (item, outcome) in done.expect("a driver does not panic") {
            slots.put(item, outcome);
        }
    }
    slots.into_results()
}

async fn drive(actor: impl Resident, cursor: Arc<AtomicUsize>, n: usize) -> Vec<(usize, Outcome)> {
    let mut done = Vec::new();
    loop {
        let item = cursor.fetch_add(1, Ordering::Relaxed);
        if item >= n {
            return done;
        }
        done.push((item, actor.ask(item).await));
    }
}
