//! The errors of `any` and `quorum`.

use std::error::Error;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use super::Failure;

/// [`any`](crate::FanOut::any) failed: no branch succeeded, or there was none.
///
/// `{:#}` lists every failure. The error's `source` is the first of them.
#[derive(Debug, Clone)]
pub struct AnyError {
    failures: Vec<Failure>,
}

impl AnyError {
    pub(crate) fn new(failures: Vec<Failure>) -> Self {
        Self { failures }
    }

    /// Every failure in branch order; empty if there were no branches.
    pub fn failures(&self) -> &[Failure] {
        &self.failures
    }
}

impl fmt::Display for AnyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.failures.is_empty() {
            return f.write_str("no branches to choose from");
        }
        f.write_str("no branch succeeded")?;
        list(f, &self.failures)
    }
}

impl Error for AnyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.failures.first().map(|failure| failure as _)
    }
}

/// [`quorum`](crate::FanOut::quorum) failed: too few branches succeeded, or there were too few.
///
/// What had succeeded is not lost: [`into_values`](QuorumError::into_values) gives it. `{:#}` lists every failure. The
/// error's `source` is the first of them.
pub struct QuorumError<O> {
    wanted: usize,
    succeeded: usize,
    failures: Vec<Failure>,
    /// Never locked: the mutex makes the error `Sync` for outputs that are only `Send`.
    values: Mutex<Vec<O>>,
}

impl<O> QuorumError<O> {
    pub(crate) fn new(wanted: usize, values: Vec<O>, failures: Vec<Failure>) -> Self {
        Self { wanted, succeeded: values.len(), failures, values: Mutex::new(values) }
    }

    /// How many successes were wanted.
    pub fn wanted(&self) -> usize {
        self.wanted
    }

    /// Every failure in branch order.
    pub fn failures(&self) -> &[Failure] {
        &self.failures
    }

    /// The outputs of the branches that had succeeded, in branch order.
    pub fn into_values(self) -> Vec<O> {
        self.values.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<O> fmt::Display for QuorumError<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.failures.is_empty() && self.succeeded == 0 {
            return write!(f, "no branches, where {} successes are wanted", self.wanted);
        }
        let branches = self.succeeded + self.failures.len();
        write!(f, "{} of {branches} branches succeeded, where {} are wanted", self.succeeded, self.wanted)?;
        list(f, &self.failures)
    }
}

impl<O> fmt::Debug for QuorumError<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QuorumError")
            .field("wanted", &self.wanted)
            .field("succeeded", &self.succeeded)
            .field("failures", &self.failures)
            .finish_non_exhaustive()
    }
}

impl<O> Error for QuorumError<O> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.failures.first().map(|failure| failure as _)
    }
}

/// The failures, where the alternate form is asked for.
fn list(f: &mut fmt::Formatter<'_>, failures: &[Failure]) -> fmt::Result {
    if f.alternate() {
        for (position, failure) in failures.iter().enumerate() {
            write!(f, "{} {failure:#}", if position == 0 { ":" } else { ";" })?;
        }
    }
    Ok(())
}
