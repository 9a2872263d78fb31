//! The attempt whose code is being executed on this thread.

use std::cell::Cell;

use super::AgentContext;

thread_local! {
    static CURRENT: Cell<Option<AgentContext>> = const { Cell::new(None) };
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

/// The attempt in whose code this is called.
pub(crate) fn current() -> Option<AgentContext> {
    let current = CURRENT.take();
    CURRENT.set(current.clone());
    current
}
