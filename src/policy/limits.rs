//! The limits of a fan-out, and the check that none is zero.

use std::time::Duration;

/// The limits that a fan-out sets for all its branches.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// How many attempts may run at once.
    pub(crate) concurrency: usize,
    /// How long the whole fan-out may take.
    pub(crate) deadline: Option<Duration>,
    /// How long a branch may wait for the start of its first attempt.
    pub(crate) queue_timeout: Option<Duration>,
    /// How long a cancelled attempt may clean up before its future is dropped.
    pub(crate) stop_grace: Duration,
    /// One new child actor for each attempt.
    pub(crate) fresh_children: bool,
    /// How many attempts may share a child; `None` if that depends on how many children there are.
    pub(crate) lanes: Option<usize>,
}

impl Limits {
    /// How many attempts run at once where nothing else is said.
    pub(crate) const CONCURRENCY: usize = 64;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            concurrency: Self::CONCURRENCY,
            deadline: None,
            queue_timeout: None,
            stop_grace: Duration::ZERO,
            fresh_children: false,
            lanes: None,
        }
    }
}

/// Refuses a zero where a limit is set, as `chunks(0)` does: found at the line that wrote it, never a hang later.
#[track_caller]
pub(crate) fn positive(limit: Duration, what: &str, remedy: &str) -> Duration {
    assert!(!limit.is_zero(), "{what} must be longer than zero: {remedy}");
    limit
}
