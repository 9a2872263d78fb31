//! What a run is for, and how far it has come: pure.

use crate::outcome::Failure;

/// What a run is for, and therefore what ends it before all its branches are done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goal {
    /// Every outcome is wanted: nothing ends it.
    Settled,
    /// The same, each as soon as it is there.
    Each,
    /// Every output is wanted: the first final failure ends it.
    All,
    /// So many outputs are wanted: having them ends it, and so does losing the chance to.
    First(usize),
}

impl Goal {
    /// Whether an outcome can decide the run.
    pub(super) fn is_decided_by_outcomes(self) -> bool {
        matches!(self, Self::All | Self::First(_))
    }
}

/// How a run stands to its goal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GoalState {
    /// Outcomes may still decide it.
    Open,
    /// Outcomes have decided it.
    Decided,
    /// The goal is out of reach if there are fewer branches than that.
    LostBelow(usize),
}

/// How far a run is on the way to its goal.
#[derive(Debug)]
pub(super) struct Progress {
    goal: Goal,
    failed: usize,
    first_failure: Option<Failure>,
    /// The branches that succeeded first, in this order; as many as are wanted.
    winners: Vec<usize>,
}

impl Progress {
    pub(super) fn towards(goal: Goal) -> Self {
        Self { goal, failed: 0, first_failure: None, winners: Vec::new() }
    }

    /// Notes a success.
    pub(super) fn succeeded(&mut self, index: usize) -> GoalState {
        match self.goal {
            Goal::First(wanted) if self.winners.len() < wanted => {
                self.winners.push(index);
                if self.winners.len() == wanted { GoalState::Decided } else { GoalState::Open }
            }
            _ => GoalState::Open,
        }
    }

    /// Notes a final failure.
    pub(super) fn failed(&mut self, failure: Failure) -> GoalState {
        self.failed += 1;
        self.first_failure.get_or_insert(failure);
        self.standing()
    }

    /// Whether failures have decided the run.
    pub(super) fn standing(&self) -> GoalState {
        match self.goal {
            Goal::All if self.failed > 0 => GoalState::Decided,
            Goal::First(wanted) if self.failed > 0 => {
                GoalState::LostBelow(wanted.saturating_add(self.failed))
            }
            Goal::Settled | Goal::Each | Goal::All | Goal::First(_) => GoalState::Open,
        }
    }

    pub(super) fn first_failure(&self) -> Option<&Failure> {
        self.first_failure.as_ref()
    }

    pub(super) fn winners(&self) -> &[usize] {
        &self.winners
    }

    /// Whether so many outputs were wanted and are there, so that nobody asks what became of the rest.
    pub(super) fn is_won(&self) -> bool {
        matches!(self.goal, Goal::First(wanted) if self.winners.len() >= wanted)
    }
}
