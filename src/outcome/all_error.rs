//! The error of `all`.

use std::error::Error;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use super::Failure;

/// [`all`](crate::FanOut::all) failed: the first final failure, and every outcome there is.
///
/// Nothing that was finished is lost: [`into_outcomes`](AllError::into_outcomes) gives the outcomes in the shape that
/// [`settled`](crate::FanOut::settled) gives, with the values of the branches that had succeeded. The failure is the
/// error's `source`.
pub struct AllError<S> {
    failure: Failure,
    /// Never locked: the mutex makes the error `Sync` for outputs that are only `Send`.
    outcomes: Mutex<S>,
}

impl<S> AllError<S> {
    pub(crate) fn new(failure: Failure, outcomes: S) -> Self {
        Self { failure, outcomes: Mutex::new(outcomes) }
    }

    /// The first final failure: the one that cancelled the rest.
    pub fn failure(&self) -> &Failure {
        &self.failure
    }

    /// The outcomes in the shape of `settled`: values, failures, and what was cancelled.
    pub fn into_outcomes(self) -> S {
        self.outcomes.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> fmt::Display for AllError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not all branches succeeded")?;
        if f.alternate() { write!(f, ": {:#}", self.failure) } else { Ok(()) }
    }
}

impl<S> fmt::Debug for AllError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AllError").field("failure", &self.failure).finish_non_exhaustive()
    }
}

impl<S> Error for AllError<S> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.failure)
    }
}
