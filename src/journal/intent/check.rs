//! Whether what was read could have been written by a journal.
//!
//! A record with a right checksum, or a line of an export, may hold any number: it was written by another program, or mended by
//! hand. What a journal relies on is checked here, with room above everything that counts up, so that the arithmetic that
//! follows stays within its types.

use super::head::{Head, RestartTerms, State};
use super::step::{HISTORY, LONGEST_CODE, LONGEST_MESSAGE};
use super::{Ended, Millis};

/// An epoch beyond this one was not given by a journal, and would leave no room for those that follow.
pub(crate) const LAST_EPOCH: u64 = u64::MAX >> 1;
/// The same of attempts.
const LAST_ATTEMPT: u32 = u32::MAX >> 1;
/// The end of the year 9999. What clocks show beyond it is stored as this time.
pub(crate) const LAST_TIME: Millis = 253_402_300_799_999;

/// How long names may be, in bytes. Keys of callers have at most 512; those that look like keys of the crate's own are escaped,
/// which takes 8 more.
const LONGEST_AGENT: usize = 256;
const LONGEST_KEY: usize = 520;
const LONGEST_LANE: usize = 256;

/// What is wrong with a launch: in which field, by its name in the line of an export, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) field: String,
    pub(crate) why: String,
}

impl Wrong {
    pub(crate) fn new(field: impl Into<String>, why: impl Into<String>) -> Self {
        Self { field: field.into(), why: why.into() }
    }
}

impl Head {
    /// Checks the names, which the callers of a journal check before they give them to it.
    #[cfg_attr(not(feature = "sled"), expect(dead_code, reason = "only imports bring names of others"))]
    pub(crate) fn check_names(&self) -> Result<(), Wrong> {
        if self.agent.is_empty() || self.agent.len() > LONGEST_AGENT {
            return Err(Wrong::new("agent", format!("its agent has a name of {} bytes", self.agent.len())));
        }
        if self.agent.contains(char::is_control) {
            return Err(Wrong::new("agent", "the name of its agent contains a control character"));
        }
        if let Some(key) = self.key.as_ref().filter(|key| key.is_empty() || key.len() > LONGEST_KEY) {
            return Err(Wrong::new("key", format!("its key is {} bytes long", key.len())));
        }
        match &self.terms.lane {
            Some(lane) if lane.is_empty() || lane.len() > LONGEST_LANE => {
                Err(Wrong::new("terms.lane", format!("its lane has a name of {} bytes", lane.len())))
            }
            _ => Ok(()),
        }
    }

    /// Checks everything that a journal computes with. Payloads and the digest are opaque to it.
    pub(crate) fn check_numbers(&self) -> Result<(), Wrong> {
        time("recorded", self.recorded)?;
        self.check_counts()?;
        self.check_state()?;
        self.terms.restart.check()?;
        if self.history.len() > HISTORY {
            return Err(Wrong::new("history", format!("a journal remembers the ends of {HISTORY} attempts")));
        }
        self.history.iter().enumerate().try_for_each(|(at, ended)| ended.check(at, self.attempt))
    }

    fn check_counts(&self) -> Result<(), Wrong> {
        if self.attempt > LAST_ATTEMPT {
            return Err(Wrong::new("attempt", format!("no launch has had {} attempts", self.attempt)));
        }
        for (field, count) in [("failures", self.failures), ("crashes", self.crashes)] {
            if count > self.attempt {
                let why = format!("{count} of {} attempts cannot have ended so", self.attempt);
                return Err(Wrong::new(field, why));
            }
        }
        Ok(())
    }

    fn check_state(&self) -> Result<(), Wrong> {
        match self.state {
            // Any time and any wait can be asked for.
            State::Pending(_) => Ok(()),
            State::Running { epoch, since, .. } => {
                self::epoch("state.running.epoch", epoch)?;
                if self.attempt == 0 {
                    return Err(Wrong::new("attempt", "what runs is the first attempt at least"));
                }
                time("state.running.since", since)
            }
            State::Done { at, .. } => time("state.done.at", at),
            State::Dead { at } => time("state.dead.at", at),
            State::Cancelled { at } => time("state.cancelled.at", at),
            State::Ambiguous { at } => time("state.ambiguous.at", at),
        }
    }
}

impl RestartTerms {
    fn check(&self) -> Result<(), Wrong> {
        if self.attempts == 0 {
            return Err(Wrong::new("terms.restart.attempts", "a launch has at least 1 attempt"));
        }
        if !self.factor.is_finite() || self.factor < 1.0 {
            let why = format!("a backoff grows by a finite factor of at least 1, not {}", self.factor);
            return Err(Wrong::new("terms.restart.factor", why));
        }
        if !(self.error || self.panic || self.timeout) {
            return Err(Wrong::new(
                "terms.restart.error",
                "a restart policy has a cause: `error`, `panic` or `timeout`",
            ));
        }
        Ok(())
    }
}

impl Ended {
    fn check(&self, at: usize, attempts: u32) -> Result<(), Wrong> {
        let field = |name: &str| format!("history[{at}].{name}");
        if self.attempt == 0 || self.attempt > attempts {
            let why = format!("there was no attempt {} of {attempts}", self.attempt);
            return Err(Wrong::new(field("attempt"), why));
        }
        epoch(&field("epoch"), self.epoch)?;
        time(&field("at"), self.at)?;
        if self.message.len() > LONGEST_MESSAGE {
            return Err(Wrong::new(field("message"), format!("it is longer than {LONGEST_MESSAGE} bytes")));
        }
        if self.code.as_ref().is_some_and(|code| code.len() > LONGEST_CODE) {
            return Err(Wrong::new(field("code"), format!("it is longer than {LONGEST_CODE} bytes")));
        }
        Ok(())
    }
}

fn time(field: &str, time: Millis) -> Result<(), Wrong> {
    if time > LAST_TIME {
        Err(Wrong::new(field, format!("the time {time} is after the year 9999")))
    } else {
        Ok(())
    }
}

fn epoch(field: &str, epoch: u64) -> Result<(), Wrong> {
    if epoch > LAST_EPOCH {
        Err(Wrong::new(field, format!("no journal has had the epoch {epoch}")))
    } else {
        Ok(())
    }
}
