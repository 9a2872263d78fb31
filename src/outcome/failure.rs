//! The failure of one branch.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{AgentError, Cause};
use crate::user_code::chain;

/// What one branch came to: its output, or why there is none.
pub type Outcome<T> = Result<T, Failure>;

/// Why a branch has no output: which branch, whose agent, after how many attempts, and the [`Cause`].
///
/// One pointer wide, so that a million outcomes stay small, and cheap to clone.
///
/// `{}` names the branch and how far it came; `{:#}` adds the cause and everything below it, as `anyhow` does, in at most 8 KiB
/// and 64 errors. The cause is the error's `source`.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// async fn fetch(_: u32) -> Result<(), &'static str> {
///     Err("connection refused")
/// }
/// let outcomes = sortie::foreach([1], fetch).settled().await;
/// let failure = outcomes[0].as_ref().unwrap_err();
/// assert!(format!("{failure}").ends_with("failed"));
/// assert!(format!("{failure:#}").ends_with("failed: connection refused"));
/// # }
/// ```
#[derive(Clone)]
pub struct Failure(Arc<Parts>);

pub(crate) struct Parts {
    pub(crate) index: usize,
    pub(crate) label: Option<Arc<str>>,
    pub(crate) agent: Arc<str>,
    pub(crate) attempts: u32,
    pub(crate) elapsed: Duration,
    pub(crate) cause: Cause,
}

const _: () = assert!(size_of::<Outcome<()>>() == size_of::<usize>());

impl Failure {
    pub(crate) fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// The branch's position in its fan-out, from 0.
    pub fn index(&self) -> usize {
        self.0.index
    }

    /// The branch's label, or its key in a keyed `foreach`.
    pub fn label(&self) -> Option<&str> {
        self.0.label.as_deref()
    }

    /// The name of the branch's agent.
    pub fn agent(&self) -> &str {
        &self.0.agent
    }

    /// How many attempts were started.
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// From the start of the first attempt to the end of the last, waits between them included; zero if there was no
    /// attempt.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed
    }

    /// The error of the agent, if that is the cause and no other clone of the failure is left.
    pub(super) fn into_error(self) -> Option<AgentError> {
        match Arc::into_inner(self.0)?.cause {
            Cause::Failed(error) => Some(error),
            _ => None,
        }
    }

    /// How the last attempt ended, or why there was none.
    pub fn cause(&self) -> &Cause {
        &self.0.cause
    }

    /// A stable code for those who count, match or answer with it: the one that the agent gave its error
    /// ([`AgentError::with_code`](crate::AgentError::with_code)), or else the name of the cause: `failed`, `panicked`,
    /// `timed_out`, `queue_timed_out`, `deadline_exceeded`, `cancelled`, `shut_down` or `stuck`.
    pub fn code(&self) -> &str {
        self.0.cause.code()
    }

    /// Whether nothing of the branch was still running when its run returned.
    ///
    /// `false` means that a body did not yield when it was told to stop: it runs until it returns by itself.
    pub fn stopped(&self) -> bool {
        self.0.cause.stopped()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.label() {
            Some(label) => write!(f, "branch `{label}`")?,
            None => write!(f, "branch {} (`{}`)", self.index(), self.agent())?,
        }
        match self.attempts() {
            0 => f.write_str(" did not start")?,
            1 => f.write_str(" failed")?,
            attempts => write!(f, " failed after {attempts} attempts")?,
        }
        if f.alternate() {
            write!(f, ": {}", chain(self.cause()))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failure")
            .field("index", &self.index())
            .field("label", &self.label())
            .field("agent", &self.agent())
            .field("attempts", &self.attempts())
            .field("elapsed", &self.elapsed())
            .field("cause", self.cause())
            .finish()
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.cause())
    }
}
