//! What happened to one branch.

use std::sync::Arc;
use std::time::Duration;

use crate::outcome::{Failure, Outcome};

/// What happened to one branch: how long it was queued, its attempts, and what it came to.
#[derive(Debug, Clone)]
pub struct BranchReport {
    pub(crate) index: usize,
    pub(crate) label: Option<Arc<str>>,
    pub(crate) agent: Arc<str>,
    pub(crate) attempts: Vec<AttemptReport>,
    pub(crate) outcome: Option<Outcome<()>>,
}

impl BranchReport {
    /// The branch's position in its fan-out, from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// The branch's label, or its key in a keyed `foreach`.
    pub fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }

    /// The name of the branch's agent.
    pub fn agent(&self) -> &str {
        &self.agent
    }

    /// From the start of the run to the start of the branch's first attempt; `None` if it has not started.
    pub fn queue_wait(&self) -> Option<Duration> {
        self.attempts.first().filter(|attempt| attempt.number == 1).map(AttemptReport::start)
    }

    /// The attempts that were started, in their order.
    pub fn attempts(&self) -> &[AttemptReport] {
        &self.attempts
    }

    /// What the branch has come to, without its output; `None` if it has no outcome yet.
    pub fn outcome(&self) -> Option<&Outcome<()>> {
        self.outcome.as_ref()
    }

    /// Why the branch has no output; `None` if it has one, or has no outcome yet.
    pub fn failure(&self) -> Option<&Failure> {
        self.outcome.as_ref()?.as_ref().err()
    }
}

/// One attempt: when it ran, and how it ended.
#[derive(Debug, Clone)]
pub struct AttemptReport {
    pub(crate) number: u32,
    pub(crate) start: Duration,
    pub(crate) end: Option<Duration>,
    pub(crate) failure: Option<Failure>,
}

impl AttemptReport {
    /// The attempt's number, from 1.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// When the attempt started, from the start of the run.
    pub fn start(&self) -> Duration {
        self.start
    }

    /// When the attempt had ended *at the latest*, from the start of the run; `None` if it is still running.
    ///
    /// This is the moment of the end itself for an attempt that has waited at an `.await`, has failed or was stopped. One
    /// that has succeeded without waiting is not worth a reading of the clock: its end is its child's next reading, which
    /// is before the child's next attempt, and includes the time that the iterator of a `foreach` took for the next item.
    /// For an attempt that could not be stopped it is the moment when it was given up.
    pub fn end(&self) -> Option<Duration> {
        self.end
    }

    /// How long the attempt took at most, see [`end`](AttemptReport::end); `None` if it is still running.
    pub fn duration(&self) -> Option<Duration> {
        self.end.map(|end| end.saturating_sub(self.start))
    }

    /// How the attempt failed; `None` if it has succeeded or is still running.
    ///
    /// The failure of an attempt that was followed by another one is the branch's as it was then; its
    /// [`cause`](Failure::cause) is the attempt's.
    pub fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }
}
