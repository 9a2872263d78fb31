//! What a journal tells of a launch.

use std::time::SystemTime;

pub use super::intent::EndedBy;
use super::terms::Terms;
use crate::outcome::LaunchId;

/// What is recorded of a launch, but for its payloads.
#[derive(Debug, Clone, PartialEq)]
pub struct LaunchRecord {
    /// The launch's identity.
    pub id: LaunchId,
    /// The name of its agent, as it is today if it was launched under an [alias](crate::Builder::alias).
    pub agent: String,
    /// The caller's name for it.
    pub key: Option<String>,
    /// Where it stands.
    pub status: LaunchStatus,
    /// When it was recorded.
    pub recorded: SystemTime,
    /// When its next attempt is due, if it waits for a time.
    pub due: Option<SystemTime>,
    /// When it ended, if it has.
    pub ended: Option<SystemTime>,
    /// How many attempts were started, in all series.
    pub attempts: u32,
    /// How many attempts of the present series have failed: errors, panics and timeouts.
    pub failures: u32,
    /// How many deaths of the process, while it was the only suspect that ran, count against it.
    pub crashes: u32,
    /// Whether a process has died while an attempt of it ran, and no attempt has ended by itself since.
    pub suspect: bool,
    /// Whether somebody has cancelled it while an attempt ran, and the attempt has not ended yet.
    pub unwanted: bool,
    /// How the last attempts without a value ended, oldest first: at most 16, fewer if their messages are long.
    pub history: Vec<AttemptEnd>,
    /// What was promised for it.
    pub terms: Terms,
}

/// How one attempt of a launch ended without a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptEnd {
    /// Its number.
    pub attempt: u32,
    /// When it ended, or for a crash, when that was found.
    pub at: SystemTime,
    /// What ended it.
    pub by: EndedBy,
    /// The error with its causes, or the message of the panic; at most 1,000 bytes.
    pub message: String,
    /// The code of the error; at most 100 bytes.
    pub code: Option<String>,
}

/// Where a launch stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LaunchStatus {
    /// It waits for its next attempt, or for its first.
    Pending,
    /// It waits for a process that can run it: its agent is not registered in this one, or does not take its input any more.
    Parked,
    /// An attempt is under way.
    Running,
    /// It has succeeded, and its output is recorded.
    Done,
    /// It is out of attempts, and kept with its input.
    Dead,
    /// It was cancelled.
    Cancelled,
    /// It was to run at most once; its body began, and nobody knows how far it came.
    Ambiguous,
}

impl LaunchStatus {
    /// Whether nothing will happen any more, unless somebody decides: done, dead, cancelled or ambiguous.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Dead | Self::Cancelled | Self::Ambiguous)
    }
}

/// How many launches of a journal stand how. Those that are done or cancelled are not counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LaunchCounts {
    /// Those that wait for an attempt, for a slot or until they are due.
    pub pending: usize,
    /// Those that wait for a process that can run them.
    pub parked: usize,
    /// Those of which an attempt is under way.
    pub running: usize,
    /// Dead letters: those that are out of attempts and are kept. Without
    /// [`Builder::retain_dead`](crate::Builder::retain_dead) they become ever more until they are requeued, settled or discarded.
    pub dead: usize,
    /// Those that were to run at most once, and may or may not have had their effect.
    pub ambiguous: usize,
}

/// Which launches are meant: all, unless it says otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LaunchFilter {
    agent: Option<String>,
    status: Option<LaunchStatus>,
}

impl LaunchFilter {
    /// All launches.
    pub fn all() -> Self {
        Self::default()
    }

    /// Only those of this agent, by its name of today. They include those recorded under an
    /// [alias](crate::Builder::alias) of it; the alias itself means no launch.
    pub fn agent(mut self, name: impl Into<String>) -> Self {
        self.agent = Some(name.into());
        self
    }

    /// Only those that stand so.
    pub fn status(mut self, status: LaunchStatus) -> Self {
        self.status = Some(status);
        self
    }

    /// Whether a launch is meant.
    pub fn matches(&self, agent: &str, status: LaunchStatus) -> bool {
        self.agent.as_deref().is_none_or(|wanted| wanted == agent)
            && self.status.is_none_or(|wanted| wanted == status)
    }
}
