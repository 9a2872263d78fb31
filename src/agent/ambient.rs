//! The attempt whose code is being executed on this thread.

use std::cell::Cell;
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::thread::{self, Thread};

use super::AgentContext;

thread_local! {
    static CURRENT: Cell<Option<AgentContext>> = const { Cell::new(None) };
    /// Whether the function of a blocking agent is being executed on this thread.
    static IS_BLOCKING: Cell<bool> = const { Cell::new(false) };
}

/// Executes code of an attempt, which must not unwind: runs that start within are nested in it, whichever way they are
/// started. The context is moved there and back, which costs less than counting another reference at each poll.
#[inline]
pub(crate) fn within<T>(attempt: &mut Option<AgentContext>, code: impl FnOnce() -> T) -> T {
    let outer = CURRENT.replace(attempt.take());
    let result = code();
    *attempt = CURRENT.replace(outer);
    result
}

/// Executes the function of a blocking agent on a thread of its own: what it starts and waits for there belongs to the
/// attempt. The function may unwind.
pub(super) fn on_blocking_thread<T>(attempt: AgentContext, code: impl FnOnce() -> T) -> T {
    struct Before(Option<AgentContext>, bool);
    impl Drop for Before {
        fn drop(&mut self) {
            CURRENT.set(self.0.take());
            IS_BLOCKING.set(self.1);
        }
    }
    let _before = Before(CURRENT.replace(Some(attempt)), IS_BLOCKING.replace(true));
    code()
}

/// The attempt in whose code this is called.
pub(crate) fn current() -> Option<AgentContext> {
    let current = CURRENT.take();
    CURRENT.set(current.clone());
    current
}

/// The same, if that code is the function of a blocking agent, so that this thread may be blocked.
pub(super) fn current_on_blocking_thread() -> Option<AgentContext> {
    if IS_BLOCKING.get() { current() } else { None }
}

/// Wakes this thread from [`thread::park`].
pub(super) fn waker_of_this_thread() -> Waker {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    Waker::from(Arc::new(Unpark(thread::current())))
}
