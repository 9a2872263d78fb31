//! What happened in one run, and in several.

use std::time::{Duration, SystemTime};

use super::{AttemptReport, BranchReport, Counts};
use crate::outcome::RunId;

/// What happened in the runs that a [`Recorder`](crate::Recorder) was given to.
///
/// `{}` shows it as text: a line for each run, branch and attempt.
#[derive(Debug, Clone, Default)]
pub struct Report {
    pub(crate) runs: Vec<RunReport>,
}

impl Report {
    /// The runs, in the order in which they started.
    pub fn runs(&self) -> &[RunReport] {
        &self.runs
    }

    /// How many branches of all runs came to what.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        self.runs.iter().for_each(|run| counts += run.counts());
        counts
    }
}

/// What happened in one run: when, how it ended, and its branches.
#[derive(Debug, Clone)]
pub struct RunReport {
    pub(crate) id: RunId,
    pub(crate) parent: Option<ParentAttempt>,
    pub(crate) started_at: SystemTime,
    pub(crate) end: Option<(RunEnd, Duration)>,
    pub(crate) branches: Vec<BranchReport>,
}

impl RunReport {
    /// The run's identity, as its agents see it in [`run_id`](crate::AgentContext::run_id).
    pub fn id(&self) -> RunId {
        self.id
    }

    /// The attempt in which the run was nested, if it was.
    pub fn parent(&self) -> Option<ParentAttempt> {
        self.parent
    }

    /// When the run started, on the system's clock. All other times of the run are counted from here, on tokio's clock.
    pub fn started_at(&self) -> SystemTime {
        self.started_at
    }

    /// How the run ended; `None` while it is under way. Attempts that take their time to stop may end later.
    pub fn end(&self) -> Option<RunEnd> {
        self.end.map(|(end, _)| end)
    }

    /// How long the run took; `None` while it is under way.
    pub fn duration(&self) -> Option<Duration> {
        self.end.map(|(_, duration)| duration)
    }

    /// The branches in their order.
    ///
    /// All of them, where their number is known from the start or every one has an outcome. A `foreach` that was
    /// dropped, or won before its end, has those that it had come to.
    pub fn branches(&self) -> &[BranchReport] {
        &self.branches
    }

    /// How many branches came to what.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        self.branches.iter().for_each(|branch| counts.add(branch.outcome()));
        counts
    }

    /// The mean of the branches' [queue waits](BranchReport::queue_wait); `None` if none has started.
    pub fn mean_queue_wait(&self) -> Option<Duration> {
        mean(self.branches.iter().filter_map(BranchReport::queue_wait))
    }

    /// The mean of the attempts' [durations](AttemptReport::duration); `None` if none has ended.
    pub fn mean_attempt(&self) -> Option<Duration> {
        mean(self.branches.iter().flat_map(BranchReport::attempts).filter_map(AttemptReport::duration))
    }
}

/// The attempt in which a run was nested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParentAttempt {
    /// The attempt's run.
    pub run: RunId,
    /// The position of the attempt's branch.
    pub index: usize,
    /// The attempt's number, from 1.
    pub attempt: u32,
}

impl ParentAttempt {
    pub(crate) fn new(run: RunId, index: usize, attempt: u32) -> Self {
        Self { run, index, attempt }
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RunEnd {
    /// Every branch came to its own outcome.
    Finished,
    /// Some outcomes decided it: one failed under [`all`](crate::FanOut::all), enough succeeded for
    /// [`any`](crate::FanOut::any) or [`quorum`](crate::FanOut::quorum), or too few could.
    Decided,
    /// Its [`deadline`](crate::FanOut::deadline) passed.
    DeadlineExceeded,
    /// The attempt in which it was nested was cancelled.
    Cancelled,
    /// Bodies that do not yield held all its slots.
    Stuck,
    /// Its future or stream was dropped.
    Dropped,
    /// Its [system](crate::System) was shut down before it had ended, or had been before it could start.
    ShutDown,
    /// Its supervisor was killed, or its runtime shut down.
    Lost,
}

/// The mean; of nothing there is none.
fn mean(durations: impl Iterator<Item = Duration>) -> Option<Duration> {
    let (sum, count) =
        durations.fold((0_u128, 0_u128), |(sum, count), duration| (sum + duration.as_nanos(), count + 1));
    let nanos = sum.checked_div(count)?;
    u64::try_from(nanos).ok().map(Duration::from_nanos)
}
