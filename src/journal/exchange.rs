//! What goes into a journal and comes out of it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use super::intent::Refused;
use super::launch_record::EndedBy;
use super::terms::{Due, Terms};
use crate::outcome::LaunchId;
use crate::outcome::digest::Digested;

/// A launch that is to be recorded. `Debug` shows the length and the digest of the input instead of it.
#[derive(Clone, PartialEq)]
pub struct Intent {
    /// The name of the agent, of at most 256 bytes.
    pub agent: String,
    /// The name of the launch, of at most 520 bytes: the caller's, or one that is derived from the attempt that launches. Keys of
    /// different agents have nothing to do with each other.
    ///
    /// A caller's key is stored as it is given, except that one which looks like a derived key begins with `~caller~`. Where a
    /// system shows keys, it takes that off.
    pub key: Option<String>,
    /// What the agent gets: opaque to the journal.
    pub input: Vec<u8>,
    /// The digest of the input, by which the same launch is told from another one under the same key.
    pub digest: u128,
    /// When its first attempt may start.
    pub due: Due,
    /// What is promised for it.
    pub terms: Terms,
}

impl fmt::Debug for Intent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { agent, key, input, digest, due, terms } = self;
        f.debug_struct("Intent")
            .field("agent", agent)
            .field("key", key)
            .field("input", &Digested(input))
            .field("digest", &format_args!("{digest:032x}"))
            .field("due", due)
            .field("terms", terms)
            .finish()
    }
}

/// What became of an intent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// It is recorded under this id.
    New(LaunchId),
    /// The same launch was recorded before, under this id. Nothing was changed.
    Known(LaunchId),
    /// Another input was recorded under its key, as this launch. Nothing was changed.
    Conflict(LaunchId),
    /// There are as many pending launches as there may be. Nothing was changed.
    Full,
}

/// An attempt that is to be made: recorded, and nobody else's.
///
/// The number of the attempt and the epoch fence it: whoever concludes an attempt that is not the launch's last one, or of
/// an earlier epoch, is refused. `Debug` shows the length and the digest of the input instead of it.
#[derive(Clone, PartialEq)]
pub struct Claim {
    /// The launch.
    pub id: LaunchId,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// The life of the journal in which it was claimed.
    pub epoch: u64,
    /// The agent that shall make it, by its name of today.
    pub agent: String,
    /// The launch's key.
    pub key: Option<String>,
    /// What the agent gets.
    pub input: Vec<u8>,
    /// What was promised for the launch.
    pub terms: Terms,
    /// Whether the launch is a suspect: a process has died while it ran, no attempt of it has ended by itself since, and it may
    /// run more than once. Of the suspects one runs at a time; see [`Journal::suspend_suspect`](super::Journal::suspend_suspect).
    pub suspect: bool,
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, attempt, epoch, agent, key, input, terms, suspect } = self;
        f.debug_struct("Claim")
            .field("id", id)
            .field("attempt", attempt)
            .field("epoch", epoch)
            .field("agent", agent)
            .field("key", key)
            .field("input", &Digested(input))
            .field("terms", terms)
            .field("suspect", suspect)
            .finish()
    }
}

/// An agent whose launches are wanted, and how many of them there is room for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Want {
    /// The name of the agent.
    pub agent: Arc<str>,
    /// How many of its launches to claim at most; 0 while it has as many as it may.
    pub most: usize,
}

impl Want {
    /// At most `most` launches of this agent.
    pub fn new(agent: impl Into<Arc<str>>, most: usize) -> Self {
        Self { agent: agent.into(), most }
    }
}

/// What can be started now.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Claims {
    /// The attempts that are to be made.
    pub claims: Vec<Claim>,
    /// How long until the next launch of these agents is due, if one waits; shorter where it waits for a time of the wall
    /// clock, which may be set forward. Nothing is told when that is over: the journal wants to be asked again then.
    pub next_due: Option<Duration>,
}

/// What a sweep has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// How many launches are gone.
    pub removed: usize,
    /// How long until there is something to remove: zero if there is more now, none if no launch expires.
    pub next: Option<Duration>,
    /// Whether nothing was looked for, because the clock has jumped.
    pub suspended: bool,
}

/// An attempt that has ended without a value.
#[derive(Debug, Clone, PartialEq)]
pub struct FailedAttempt {
    /// What ended it. `Crash` is not for callers: journals find that out by themselves.
    pub by: EndedBy,
    /// The error with its causes, or the message of the panic. What is beyond 1,000 bytes is cut off.
    pub message: String,
    /// The code of the error. What is beyond 100 bytes is cut off.
    pub code: Option<String>,
    /// The least wait before another attempt that it asked for.
    pub floor: Duration,
    /// The dice of the jitter, from 0 to 1.
    pub roll: f64,
}

/// Whether a launch has moved, or why not: then nothing was changed.
pub type Moved = Result<(), Refused>;
