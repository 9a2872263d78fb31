//! How a system ends.

use std::fmt;
use std::sync::Arc;

use thiserror::Error;

/// What a shutdown left.
///
/// Returned by every [`shutdown`](crate::System::shutdown) of the same system alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Shutdown {
    /// How many runs had not ended by themselves when the grace was over, and were stopped. Those that were nested in
    /// others are not counted.
    pub cut_short: usize,
    /// How many bodies did not stop: code that does not reach an `.await`, which Rust has no way to end.
    pub not_stopped: usize,
    /// How many [launches](crate::System::launch) were under way and had not ended when the grace was over. They are in
    /// the journal, and the next system with this journal runs them.
    pub handed_back: usize,
}

impl fmt::Display for Shutdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cut_short {
            0 => f.write_str("every run had ended")?,
            1 => f.write_str("1 run was cut short")?,
            runs => write!(f, "{runs} runs were cut short")?,
        }
        match self.not_stopped {
            0 => {}
            1 => f.write_str(", 1 body is still running")?,
            bodies => write!(f, ", {bodies} bodies are still running")?,
        }
        match self.handed_back {
            0 => Ok(()),
            1 => f.write_str(", 1 launch was handed back"),
            launches => write!(f, ", {launches} launches were handed back"),
        }
    }
}

/// Why a system has ended without being shut down.
#[derive(Debug, Clone, Error)]
#[error("the system has ended: {}", .0)]
pub struct SystemError(Arc<Reason>);

#[derive(Debug, Error)]
enum Reason {
    #[error("more than {most} deaths of supervisors in {window}: {last}")]
    Escalated { most: u32, window: humantime::FormattedDuration, last: String },
    #[error("its root was killed, or the runtime has shut down")]
    Killed,
}

impl SystemError {
    pub(super) fn escalated(intensity: crate::policy::Intensity, last: String) -> Self {
        let window = humantime::format_duration(intensity.within());
        Self(Arc::new(Reason::Escalated { most: intensity.deaths(), window, last }))
    }

    pub(super) fn killed() -> Self {
        Self(Arc::new(Reason::Killed))
    }

    /// Whether supervisors died more often than the [intensity](crate::Builder::intensity) of the root allows. If not,
    /// the root was killed from outside.
    pub fn is_escalated(&self) -> bool {
        matches!(*self.0, Reason::Escalated { .. })
    }
}
