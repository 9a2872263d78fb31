//! Why a branch has no output.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use humantime::format_duration;

use super::AgentError;
use crate::user_code::source;

/// How the last attempt of a failed branch ended, or why there was none.
///
/// Whatever stops an attempt decides its cause. An error with which the attempt answers the order to stop, also one that it
/// makes of what nested work says about the same order, is not kept.
///
/// Where work had to be stopped, `stopped` says whether it is known to have ended. It is `false` where a body did not
/// yield (a loop without an `.await`, a blocking call) and was still running when its run returned; Rust has no way
/// to end such a body.
#[derive(Debug)]
#[non_exhaustive]
pub enum Cause {
    /// The agent returned an error, and no further attempt was allowed. Also: the fan-out was awaited outside a tokio runtime
    /// (then the code is `no_runtime`, and there was no attempt). Also: the key of an item from a stream was an
    /// earlier one's; the error then is a [`DuplicateKey`](crate::DuplicateKey), and there was no attempt.
    Failed(AgentError),
    /// The agent panicked with this message, of which at most 8 KiB are kept. Also: the iterator of a `foreach` or the stream of a `foreach_stream` did,
    /// which ends the list of branches with this failure in the place of the item that could not be had.
    Panicked(String),
    /// The attempt exceeded its timeout.
    #[non_exhaustive]
    TimedOut {
        /// The timeout.
        limit: Duration,
        /// Whether the attempt has ended; if not, there was no further attempt beside it.
        stopped: bool,
    },
    /// The branch's first attempt had not started when the fan-out's [`queue_timeout`](crate::FanOut::queue_timeout) had
    /// passed.
    #[non_exhaustive]
    QueueTimedOut {
        /// The queue timeout, from the start of the fan-out.
        limit: Duration,
    },
    /// The fan-out exceeded its deadline before this branch was done.
    #[non_exhaustive]
    DeadlineExceeded {
        /// The deadline, from the start of the fan-out.
        limit: Duration,
        /// Whether the branch's attempt has ended; true if none was running.
        stopped: bool,
    },
    /// The branch was no longer wanted: another branch of an [`all`](crate::FanOut::all) had failed.
    #[non_exhaustive]
    Cancelled {
        /// Whether the branch's attempt has ended; true if none was running.
        stopped: bool,
    },
    /// The branch's [system](crate::System) was shut down before the branch was done; or had been when its run was to
    /// start, and then there was no [attempt](crate::Failure::attempts).
    #[non_exhaustive]
    ShutDown {
        /// Whether the branch's attempt has ended; true if none was running.
        stopped: bool,
    },
    /// The branch never got a slot: bodies that exceeded their timeout and did not yield held every slot of the run.
    Stuck,
}

impl Cause {
    pub(super) fn code(&self) -> &str {
        match self {
            Self::Failed(error) => error.code().unwrap_or("failed"),
            Self::Panicked(_) => "panicked",
            Self::TimedOut { .. } => "timed_out",
            Self::QueueTimedOut { .. } => "queue_timed_out",
            Self::DeadlineExceeded { .. } => "deadline_exceeded",
            Self::Cancelled { .. } => "cancelled",
            Self::ShutDown { .. } => "shut_down",
            Self::Stuck => "stuck",
        }
    }

    /// Whether nothing of the branch was still running when its run returned.
    pub(crate) fn stopped(&self) -> bool {
        match *self {
            Self::TimedOut { stopped, .. }
            | Self::DeadlineExceeded { stopped, .. }
            | Self::Cancelled { stopped }
            | Self::ShutDown { stopped } => stopped,
            Self::Failed(_) | Self::Panicked(_) | Self::QueueTimedOut { .. } | Self::Stuck => true,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => error.fmt(f)?,
            Self::Panicked(message) => write!(f, "panicked: {message}")?,
            Self::TimedOut { limit, .. } => write!(f, "timed out after {}", format_duration(*limit))?,
            Self::QueueTimedOut { limit } => {
                write!(f, "timed out in the queue after {}", format_duration(*limit))?;
            }
            Self::DeadlineExceeded { limit, .. } => {
                write!(f, "exceeded the deadline of {}", format_duration(*limit))?;
            }
            Self::Cancelled { .. } => f.write_str("cancelled")?,
            Self::ShutDown { .. } => f.write_str("the system was shut down")?,
            Self::Stuck => f.write_str("got no slot: bodies that do not yield hold them all")?,
        }
        if self.stopped() { Ok(()) } else { f.write_str(", and is still running") }
    }
}

impl Error for Cause {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed(error) => source(error.source()),
            _ => None,
        }
    }
}
