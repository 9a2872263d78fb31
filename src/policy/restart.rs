//! How many attempts a branch gets, after what wait, and for which causes.

use std::time::Duration;

use super::Backoff;

/// What ended an attempt, as far as a restart policy is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// The agent returned an error that may be retried.
    Error,
    /// The agent panicked.
    Panic,
    /// The attempt exceeded its timeout.
    Timeout,
}

/// What a restart policy makes of an ended attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Another attempt, not before this wait has passed.
    Restart {
        /// The wait, from the end of the attempt.
        after: Duration,
    },
    /// No further attempt: the branch has failed.
    GiveUp,
}

/// A restart policy: how many attempts in all, what [`Backoff`] between them, and which causes count.
///
/// There is one counter per branch. Errors, panics and timeouts all end attempts and all count; unless
/// [`only`](Restart::only) says otherwise, each of them is followed by another attempt while there are any left. An
/// error that its agent called [fatal](crate::AgentError::fatal) ends the branch at once, whatever the policy says, and so
/// does one after which the wait would be longer than [`LONGEST_WAIT`](Restart::LONGEST_WAIT). All of this holds for the
/// branches of a fan-out and for launches alike.
///
/// ```
/// use std::time::Duration;
/// use sortie::{Backoff, Restart, Trigger};
///
/// let policy = Restart::attempts(5)
///     .backoff(Backoff::exponential(Duration::from_millis(50)).max(Duration::from_secs(2)))
///     .only([Trigger::Error, Trigger::Timeout]); // a panic is a bug: once is enough
/// # let _ = policy;
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Restart {
    attempts: u32,
    backoff: Backoff,
    error: bool,
    panic: bool,
    timeout: bool,
    seed: Option<u64>,
}

impl Restart {
    /// The longest wait between two attempts: 100 years. Where the backoff or the error
    /// [asks for](crate::AgentError::retry_after) a longer one, there is no further attempt: the branch, or the launch, fails
    /// at once with that error.
    pub const LONGEST_WAIT: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

    /// At most `attempts` attempts, the first included, with the [default backoff](Backoff::default) between them.
    ///
    /// # Panics
    /// If `attempts` is zero: a branch that runs has at least one.
    #[track_caller]
    pub fn attempts(attempts: u32) -> Self {
        assert!(attempts > 0, "a restart policy needs at least 1 attempt: the first one counts");
        Self { attempts, backoff: Backoff::default(), error: true, panic: true, timeout: true, seed: None }
    }

    /// Waits as `backoff` says between two attempts of a branch.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Restarts after these causes only; after all of them unless called.
    ///
    /// # Panics
    /// If `triggers` is empty: `Restart::attempts(1)` says that.
    #[track_caller]
    pub fn only(mut self, triggers: impl IntoIterator<Item = Trigger>) -> Self {
        (self.error, self.panic, self.timeout) = (false, false, false);
        for trigger in triggers {
            match trigger {
                Trigger::Error => self.error = true,
                Trigger::Panic => self.panic = true,
                Trigger::Timeout => self.timeout = true,
            }
        }
        assert!(
            self.error || self.panic || self.timeout,
            "a restart policy needs a cause: use `Restart::attempts(1)` for no restarts"
        );
        self
    }

    /// Makes the jitter of every branch and attempt reproducible. Each run rolls afresh unless set.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Decides what follows attempt number `attempt` (counted from 1) of a branch, which `trigger` ended.
    ///
    /// `floor` is what the agent [asked for](crate::AgentError::retry_after): neither jitter nor the maximum of the
    /// backoff undershoots it. There is no further attempt after a wait of more than
    /// [`LONGEST_WAIT`](Restart::LONGEST_WAIT). `roll`, between 0 and 1, is the jitter's dice. Pure: no clock, no randomness.
    pub fn decide(&self, attempt: u32, trigger: Trigger, floor: Duration, roll: f64) -> Decision {
        let after = self.backoff.wait_after(attempt, roll).max(floor);
        if self.follows(trigger) && attempt < self.attempts && after <= Self::LONGEST_WAIT {
            Decision::Restart { after }
        } else {
            Decision::GiveUp
        }
    }

    /// Whether another attempt may follow one that ended so.
    pub(crate) fn follows(&self, trigger: Trigger) -> bool {
        match trigger {
            Trigger::Error => self.error,
            Trigger::Panic => self.panic,
            Trigger::Timeout => self.timeout,
        }
    }

    pub(crate) fn most_attempts(&self) -> u32 {
        self.attempts
    }

    pub(crate) fn waits(&self) -> &Backoff {
        &self.backoff
    }

    /// Whether an attempt with this number may be followed by another one, so that its input must be kept.
    pub(crate) fn may_follow(&self, attempt: u32) -> bool {
        attempt < self.attempts
    }

    /// The seed of the jitter, if the policy fixes it.
    pub(crate) fn fixed_seed(&self) -> Option<u64> {
        self.seed
    }
}
