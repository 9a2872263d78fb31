//! What can go wrong with launches.

use std::fmt;
use std::time::Duration;

use thiserror::Error;

use crate::journal::JournalError;
use crate::outcome::{BadLaunchUri, LaunchId};

/// Why a launch was not recorded. Nothing of it will run, unless the journal itself failed: then nobody knows, and launching
/// again under the same [key](super::Launch::key) makes it exactly one.
#[derive(Debug, Clone, Error)]
pub struct LaunchError {
    agent: String,
    kind: LaunchErrorKind,
}

/// Why a launch was not recorded.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum LaunchErrorKind {
    /// The system has no journal.
    NoJournal,
    /// No agent of this name is registered with the system.
    UnknownAgent,
    /// The input cannot be written as JSON that is read back as the same input. The text says why, and names the path to it
    /// in the input, such as `.items[3].price`.
    BadInput(String),
    /// The input is longer than a payload may be, in bytes.
    TooLarge {
        /// How long it is. Writing it is given up beyond four times the limit, and then this is how far that came.
        bytes: usize,
        /// How long it may be.
        limit: usize,
    },
    /// The key is empty, or longer than a key may be, in bytes.
    BadKey {
        /// How long it is, or 1 MiB if it is longer.
        bytes: usize,
        /// How long it may be.
        limit: usize,
    },
    /// The label is empty, or longer than a label may be, in bytes.
    BadLabel {
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        limit: usize,
    },
    /// The attempt has given this label to a launch of the same agent with another input. Within an attempt, a label names one
    /// launch of an agent, also if that could not be recorded.
    LabelConflict {
        /// The label.
        label: String,
    },
    /// The name of the lane is empty, or longer than one may be, in bytes.
    BadLane {
        /// How long it is, or 1 MiB if it is longer.
        bytes: usize,
        /// How long it may be.
        limit: usize,
    },
    /// The launch is to run at most once, and its restart policy allows more than one attempt.
    AtMostOnce {
        /// How many attempts it allows.
        attempts: u32,
    },
    /// Another input was launched under this key.
    KeyConflict(LaunchId),
    /// As many launches are pending as may be.
    Full,
    /// The system shuts down.
    ShuttingDown,
    /// The journal failed.
    Journal(JournalError),
}

impl LaunchError {
    pub(super) fn new(agent: &str, kind: LaunchErrorKind) -> Self {
        Self { agent: agent.to_owned(), kind }
    }

    /// The name of the agent that was to be launched.
    pub fn agent(&self) -> &str {
        &self.agent
    }

    /// Why it was not.
    pub fn kind(&self) -> &LaunchErrorKind {
        &self.kind
    }
}

impl fmt::Display for LaunchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "agent `{}` was not launched: ", self.agent)?;
        match &self.kind {
            LaunchErrorKind::NoJournal => {
                f.write_str("the system has no journal; give its builder one with `journal`")
            }
            LaunchErrorKind::UnknownAgent => {
                f.write_str("it is not registered; register it with the builder of the system")
            }
            LaunchErrorKind::BadInput(error) => write!(f, "its input cannot be recorded as JSON: {error}"),
            LaunchErrorKind::TooLarge { bytes, limit } => {
                write!(f, "its input is {bytes} bytes long, where {limit} are allowed")
            }
            LaunchErrorKind::BadKey { bytes: 0, .. } => f.write_str("its key is empty; leave it out"),
            LaunchErrorKind::BadKey { bytes, limit } => {
                write!(f, "its key is {bytes} bytes long, where {limit} are allowed")
            }
            LaunchErrorKind::BadLabel { bytes: 0, .. } => f.write_str("its label is empty; leave it out"),
            LaunchErrorKind::BadLabel { bytes, limit } => {
                write!(f, "its label is {bytes} bytes long, where {limit} are allowed")
            }
            LaunchErrorKind::LabelConflict { label } => write!(
                f,
                "its attempt has launched another input under the label `{}`; a label names one launch of an attempt",
                label.escape_debug()
            ),
            LaunchErrorKind::BadLane { bytes: 0, .. } => {
                f.write_str("the name of its lane is empty; leave it out for none")
            }
            LaunchErrorKind::BadLane { bytes, limit } => {
                write!(f, "the name of its lane is {bytes} bytes long, where {limit} are allowed")
            }
            LaunchErrorKind::AtMostOnce { attempts } => write!(
                f,
                "it is to run at most once, and its restart policy allows {attempts} attempts; leave the policy out"
            ),
            LaunchErrorKind::KeyConflict(id) => {
                write!(f, "launch {id} has the same key and another input; a key names one launch")
            }
            LaunchErrorKind::Full => {
                f.write_str("as many launches are pending as may be; try again when some have ended")
            }
            LaunchErrorKind::ShuttingDown => f.write_str("the system shuts down"),
            LaunchErrorKind::Journal(error) if f.alternate() => write!(f, "{error:#}"),
            LaunchErrorKind::Journal(error) => error.fmt(f),
        }
    }
}

/// Why the outcome of a launch could not be read, or a decision about it not be recorded. It says nothing about the launch
/// itself.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum TicketError {
    /// No launch of this id is recorded, or not any more: its result was kept as long as was asked for.
    #[error("no launch {0} is recorded, or not any more")]
    Unknown(LaunchId),
    /// The output is not what the ticket's type says.
    #[error("the output of launch {id} cannot be read: {reason}")]
    BadOutput {
        /// The launch.
        id: LaunchId,
        /// What is wrong with it.
        reason: String,
    },
    /// The outcome was not recorded in time. The launch goes on.
    #[error("launch {id} had no outcome within {}: it goes on, ask again", humantime::format_duration(*limit))]
    TimedOut {
        /// The launch.
        id: LaunchId,
        /// How long was waited.
        limit: Duration,
    },
    /// The output with which the launch was to be settled cannot be recorded: it is longer than a payload may be, or cannot be
    /// written as JSON that is read back as the same output.
    #[error("launch {id} was not settled, because of the given output: {reason}")]
    Unfit {
        /// The launch.
        id: LaunchId,
        /// What is wrong with the output, with the path to it in the output.
        reason: String,
    },
    /// The text is not the name of a launch's result.
    #[error(transparent)]
    BadUri(#[from] BadLaunchUri),
    /// The system has no journal, and so no launches.
    #[error("the system has no journal, and so no launches; give its builder one with `journal`")]
    NoJournal,
    /// The journal failed.
    #[error("the outcome could not be read: {0}")]
    Journal(#[from] JournalError),
}
