//! Bodies: what an attempt has started and its future does not end by being dropped, such as code on a blocking thread.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// The bodies of one child. Dropping an attempt's future does not end them (code on a blocking thread), or not at once
/// (a nested run), so the child counts them, and keeps its slot until they have returned.
#[derive(Debug, Default)]
pub(crate) struct Bodies {
    running: AtomicUsize,
    returned: Notify,
    /// How many children have had this place before.
    predecessors: AtomicUsize,
}

impl Bodies {
    /// Counts one more body, until the guard is dropped.
    pub(crate) fn enter(self: &Arc<Self>) -> Body {
        self.running.fetch_add(1, Ordering::AcqRel);
        Body { bodies: Arc::clone(self), _slot: None }
    }

    #[inline]
    pub(crate) fn any_running(&self) -> bool {
        self.running.load(Ordering::Acquire) > 0
    }

    /// The child has ended; another one may take its place.
    pub(crate) fn succeed(&self) {
        self.predecessors.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn predecessors(&self) -> usize {
        self.predecessors.load(Ordering::Relaxed)
    }

    /// Waits until none is running.
    pub(crate) async fn returned(&self) {
        loop {
            let returned = self.returned.notified();
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
    bodies: Arc<Bodies>,
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
        self.bodies.running.fetch_sub(1, Ordering::AcqRel);
        self.bodies.returned.notify_waiters();
    }
}
