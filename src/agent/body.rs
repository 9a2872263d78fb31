//! Bodies: what an attempt has started and its future does not end by being dropped, such as code on a blocking thread.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// The bodies of one lane. Dropping an attempt's future does not end them (code on a blocking thread), or not at once
/// (a nested run), so the child counts them, and keeps the seat until they have returned.
#[derive(Debug, Clone)]
pub(crate) struct Bodies {
    lanes: Arc<Lanes>,
    lane: usize,
}

/// The bodies of one child, lane by lane. They share what they wait with, because they hardly ever do.
#[derive(Debug)]
struct Lanes {
    running: Box<[AtomicUsize]>,
    returned: Notify,
    /// How many children have had this place before.
    predecessors: AtomicUsize,
}

impl Default for Bodies {
    /// Those of one lane.
    fn default() -> Self {
        let running = Box::new([AtomicUsize::new(0)]);
        let lanes = Arc::new(Lanes { running, returned: Notify::new(), predecessors: AtomicUsize::new(0) });
        Self { lanes, lane: 0 }
    }
}

impl Bodies {
    /// Those of each of a child's lanes.
    pub(crate) fn of_lanes(count: usize) -> impl Iterator<Item = Self> {
        let running = (0..count).map(|_| AtomicUsize::new(0)).collect();
        let lanes = Arc::new(Lanes { running, returned: Notify::new(), predecessors: AtomicUsize::new(0) });
        (0..count).map(move |lane| Self { lanes: Arc::clone(&lanes), lane })
    }

    fn running(&self) -> &AtomicUsize {
        &self.lanes.running[self.lane]
    }

    /// Counts one more body, until the guard is dropped.
    pub(crate) fn enter(&self) -> Body {
        self.running().fetch_add(1, Ordering::AcqRel);
        Body { bodies: self.clone(), _slot: None }
    }

    #[inline]
    pub(crate) fn any_running(&self) -> bool {
        self.running().load(Ordering::Acquire) > 0
    }

    /// The child has ended; another one may take its place.
    pub(crate) fn succeed(&self) {
        self.lanes.predecessors.fetch_add(1, Ordering::Relaxed);
    }

    /// Which place it is: another one than all others that exist at the same time.
    pub(super) fn place(&self) -> (usize, usize) {
        (Arc::as_ptr(&self.lanes).addr(), self.lane)
    }

    pub(crate) fn predecessors(&self) -> usize {
        self.lanes.predecessors.load(Ordering::Relaxed)
    }

    /// Resolves when a body has returned since this was called, or since the future was enabled.
    pub(crate) fn one_returned(&self) -> Notified<'_> {
        self.lanes.returned.notified()
    }

    /// Waits until none is running.
    pub(crate) async fn returned(&self) {
        loop {
            let returned = self.lanes.returned.notified();
            tokio::pin!(returned);
            // Registered before the check, or a body that returns between the two would not be heard.
            returned.as_mut().enable();
            if !self.any_running() {
                return;
            }
            returned.await;
        }
    }
}

/// One running body.
#[derive(Debug)]
pub(crate) struct Body {
    bodies: Bodies,
    _slot: Option<Arc<dyn Any + Send + Sync>>,
}

impl Body {
    /// Holds something as long as the body runs.
    pub(super) fn holding(mut self, slot: Option<Arc<dyn Any + Send + Sync>>) -> Self {
        self._slot = slot;
        self
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.bodies.running().fetch_sub(1, Ordering::AcqRel);
        self.bodies.lanes.returned.notify_waiters();
    }
}
