//! How outcomes reach a consumer that takes them one by one.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

use crate::user_code::contain;

/// Counts the outcomes that wait for the consumer, so that the run does not get further ahead of it than it has slots.
#[derive(Debug)]
pub(super) struct Delivery {
    waiting: AtomicUsize,
    most: usize,
    arrived: Notify,
}

impl Delivery {
    pub(super) fn new(concurrency: usize) -> Self {
        Self { waiting: AtomicUsize::new(0), most: concurrency, arrived: Notify::new() }
    }

    /// An outcome has been put down.
    pub(super) fn arrive(&self) {
        self.waiting.fetch_add(1, Ordering::AcqRel);
        // The waker of the consumer may be the user's, and this is called by a child.
        let _ = contain(|| self.arrived.notify_one());
    }

    /// The consumer has got one. `true` if it has caught up so far that a run which waited for it goes on.
    pub(super) fn take(&self) -> bool {
        self.waiting.fetch_sub(1, Ordering::AcqRel) == self.most / 2 + 1
    }

    /// Whether the consumer is behind: nothing more is started.
    pub(super) fn is_full(&self) -> bool {
        self.waiting.load(Ordering::Acquire) >= self.most
    }

    /// Waits until something has arrived since the last wait.
    pub(super) async fn arrived(&self) {
        self.arrived.notified().await;
    }
}
