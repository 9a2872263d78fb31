//! Why an actor gave no answer.

use std::sync::Arc;

use thiserror::Error;

/// Why an actor gave no answer. It is the error of the attempt: retryable, unless there will be no answer ever.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum CallError {
    /// The actor ended before it answered: it panicked, failed, stopped, or was killed.
    #[error("actor `{0}` ended before it answered")]
    Ended(Arc<str>),
    /// The actor dropped the reply port and lives on.
    #[error("actor `{0}` dropped the request without an answer")]
    NoAnswer(Arc<str>),
    /// The actor did not start.
    #[error("actor `{name}` did not start: {reason}")]
    NotStarted {
        /// The actor's name.
        name: Arc<str>,
        /// What its `pre_start` said.
        reason: String,
    },
    /// The system of a resident has ended, or was never started. Fatal: no attempt can succeed.
    #[error("the system of resident `{0}` is not running any more")]
    SystemEnded(Arc<str>),
}
