//! What is stored of a launch.
//!
//! These are the records of version 1. They are frozen: another field, another order or another type is a version 2, in
//! structs of its own. `tests/it/fixtures` keeps their bytes.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::bytes;
use crate::journal::terms::Terms;
use crate::outcome::digest::Digested;
use crate::policy::{Backoff, Restart, Trigger};

/// Milliseconds since 1970 for a time, milliseconds for a span.
pub(crate) type Millis = u64;

/// What is stored of a launch, except for payloads that are too long for one record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Head {
    pub(crate) agent: String,
    /// The caller's name for the launch.
    pub(crate) key: Option<String>,
    /// The digest of the input, by which a second launch under the same key is told from a conflict.
    pub(crate) digest: u128,
    pub(crate) recorded: Millis,
    pub(crate) input: Stored,
    pub(crate) terms: StoredTerms,
    pub(crate) state: State,
    /// How many attempts were started. It fences: only the last one may conclude.
    pub(crate) attempt: u32,
    /// Attempts of the present series that have failed: errors, panics and timeouts.
    pub(crate) failures: u32,
    /// Deaths of the process while the launch was the only suspect that ran.
    pub(crate) crashes: u32,
    /// Whether the process has died while an attempt ran, and no attempt has ended by itself since.
    pub(crate) suspect: bool,
    /// How the last attempts ended, oldest first.
    pub(crate) history: Vec<Ended>,
}

/// Where a payload stands.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Stored {
    Here(#[serde(with = "bytes")] Vec<u8>),
    /// In pieces of their own, this many bytes in all.
    InPieces(u64),
    /// It was removed, because nobody needs it any more.
    Gone,
}

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Here(payload) => write!(f, "Here({:?})", Digested(payload)),
            Self::InPieces(bytes) => write!(f, "InPieces({bytes})"),
            Self::Gone => f.write_str("Gone"),
        }
    }
}

/// What was promised for the launch when it was recorded. Later changes of the agent do not change it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoredTerms {
    pub(crate) delivery: Delivery,
    pub(crate) restart: RestartTerms,
    pub(crate) max_crashes: u32,
    /// The limit of each attempt.
    pub(crate) timeout: Option<Duration>,
    /// How long the result is kept.
    pub(crate) retention: Duration,
    pub(crate) priority: i32,
    /// Launches of one lane run one at a time, in the order in which they were recorded.
    pub(crate) lane: Option<String>,
}

/// How often a body of a launch may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Delivery {
    /// Until an outcome is recorded or its attempts are spent.
    AtLeastOnce,
    /// Once. If nobody knows how far it came, the launch is ambiguous, and somebody decides.
    AtMostOnce,
}

/// A [`Restart`] policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RestartTerms {
    pub(crate) attempts: u32,
    pub(crate) base: Duration,
    pub(crate) factor: f64,
    pub(crate) max: Duration,
    pub(crate) jitter: bool,
    pub(crate) error: bool,
    pub(crate) panic: bool,
    pub(crate) timeout: bool,
}

impl From<&Terms> for StoredTerms {
    fn from(terms: &Terms) -> Self {
        Self {
            delivery: terms.delivery,
            restart: RestartTerms::from(&terms.restart),
            max_crashes: terms.max_crashes,
            timeout: terms.timeout,
            retention: terms.retention,
            priority: terms.priority,
            lane: terms.lane.clone(),
        }
    }
}

impl From<&StoredTerms> for Terms {
    fn from(terms: &StoredTerms) -> Self {
        Self {
            delivery: terms.delivery,
            restart: Restart::from(&terms.restart),
            max_crashes: terms.max_crashes,
            timeout: terms.timeout,
            retention: terms.retention,
            priority: terms.priority,
            lane: terms.lane.clone(),
        }
    }
}

impl From<&Restart> for RestartTerms {
    fn from(policy: &Restart) -> Self {
        let backoff = policy.waits();
        Self {
            attempts: policy.most_attempts(),
            base: backoff.base,
            factor: backoff.factor,
            max: backoff.max,
            jitter: backoff.jitter,
            error: policy.follows(Trigger::Error),
            panic: policy.follows(Trigger::Panic),
            timeout: policy.follows(Trigger::Timeout),
        }
    }
}

impl From<&RestartTerms> for Restart {
    /// A policy without a cause allows one attempt, and what no policy has is taken for the nearest that one has: the record
    /// may have been written by another program.
    fn from(terms: &RestartTerms) -> Self {
        let factor = if terms.factor.is_finite() { terms.factor.max(1.0) } else { 1.0 };
        let backoff = Backoff { base: terms.base, factor, max: terms.max, jitter: terms.jitter };
        let triggers =
            [(terms.error, Trigger::Error), (terms.panic, Trigger::Panic), (terms.timeout, Trigger::Timeout)];
        let triggers: Vec<_> =
            triggers.into_iter().filter_map(|(follows, trigger)| follows.then_some(trigger)).collect();
        if triggers.is_empty() {
            return Restart::attempts(1).backoff(backoff);
        }
        Restart::attempts(terms.attempts.max(1)).backoff(backoff).only(triggers)
    }
}

/// How a launch stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum State {
    /// It waits for its next attempt: for a slot, and until it is due.
    Pending(Option<Due>),
    /// An attempt runs, or did so when the process of this epoch died.
    Running {
        epoch: u64,
        since: Millis,
        cancel: bool,
    },
    Done {
        at: Millis,
        output: Stored,
    },
    /// Out of attempts; kept with its input until somebody decides.
    Dead {
        at: Millis,
    },
    Cancelled {
        at: Millis,
    },
    /// At most once: a body started, and nobody knows how far it came.
    Ambiguous {
        at: Millis,
    },
}

/// When a wait is over: at this time, or after this span if the clock went back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Due {
    pub(crate) at: Millis,
    pub(crate) wait: Millis,
}

/// How one attempt ended without a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ended {
    pub(crate) attempt: u32,
    pub(crate) epoch: u64,
    pub(crate) at: Millis,
    pub(crate) by: EndedBy,
    pub(crate) message: String,
    pub(crate) code: Option<String>,
}

/// What ended an attempt without a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EndedBy {
    /// An error, after which another attempt may make sense.
    Error,
    /// An error after which no other attempt makes sense.
    Fatal,
    /// A panic.
    Panic,
    /// The limit of the attempt.
    Timeout,
    /// The process died.
    Crash,
}

impl Head {
    /// Where the output stands, if there is one.
    pub(crate) fn output(self) -> Option<Stored> {
        match self.state {
            State::Done { output, .. } => Some(output),
            _ => None,
        }
    }

    /// Until when the record is kept; for ever, unless the launch is done or cancelled.
    pub(crate) fn expires(&self) -> Option<Millis> {
        match self.state {
            _ if self.is_leaving() => Some(0),
            State::Done { at, .. } | State::Cancelled { at } => Some(Due::after(self.terms.retention, at).at),
            _ => None,
        }
    }

    /// Whether it is a suspect, of which one runs at a time. One that is to run at most once does not run again after a crash.
    pub(crate) fn is_suspect(&self) -> bool {
        self.suspect && self.terms.delivery == Delivery::AtLeastOnce
    }

    /// Whether its removal has begun: pieces of its payloads may be missing, so it counts as gone itself.
    pub(crate) fn is_leaving(&self) -> bool {
        matches!(self.state, State::Done { output: Stored::Gone, .. })
    }
}

impl Due {
    /// When a wait is over that begins now. At the end of the millisecond: it is never shorter than it was promised.
    pub(crate) fn after(span: Duration, now: Millis) -> Self {
        let wait = Millis::try_from(span.as_nanos().div_ceil(1_000_000)).unwrap_or(Millis::MAX);
        Self { at: now.saturating_add(wait), wait }
    }

    /// When a time of the wall clock has come, whatever that does meanwhile.
    pub(crate) fn at(time: Millis) -> Self {
        Self { at: time, wait: Millis::MAX }
    }

    /// Whether it is a time of the wall clock that is waited for.
    pub(crate) fn is_time(self) -> bool {
        self.wait == Millis::MAX
    }
}
