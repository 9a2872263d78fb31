#![doc = include_str!("../README.md")]
//!
//! # Where to look
//!
//! | to … | see |
//! |---|---|
//! | run one agent over many items | [`foreach`], [`FanOut`] |
//! | run one agent over items as they come | [`foreach_stream`] |
//! | run a few agents of different types together | [`branches`], [`AgentRef::branch`] |
//! | call one agent | [`ask`] |
//! | write an agent | [`Agent`], [`agent_fn`], [`blocking`], [`AgentContext`] |
//! | say what is worth another attempt | [`Restart`], [`Backoff`], [`AgentError`] |
//! | launch an agent and forget it, durably | [`System::launch`], [`Ticket`], [`SledJournal`] |
//! | look at launches, and decide about those that need it | [`System::launches`], [`Launches`], [`Builder::when_ambiguous`] |
//! | keep launches elsewhere | [`journal::Journal`] |
//! | embed it in a service | [`System`], [`Builder`], [`Status`] |
//! | bring actors of your own | [`actor`] |
//! | see what happened, attempt by attempt | [`Recorder`], [`Report`] |
//! | find out what went wrong | [`Failure`], [`Cause`], [`AllError`], [`AnyError`], [`QuorumError`] |
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(clippy::print_stdout, clippy::print_stderr)]

// Before the others, which use its macros.
#[macro_use]
mod user_code;

pub mod actor;
mod agent;
mod fan_out;
pub mod journal;
mod launch;
mod outcome;
mod payload;
mod policy;
mod supervisor;
mod sync;
mod system;

pub use agent::{Agent, AgentContext, AgentFn, AgentRef, Blocking, IntoAgent, Payload, agent_fn, blocking};
pub use fan_out::{
    Ask, Branch, Branches, Completed, DuplicateKey, FanOut, ForEach, ForEachStream, Keyed, KeyedStream,
    Repeatable, Uniform, ask, branches, foreach, foreach_stream,
};
#[cfg(feature = "sled")]
pub use journal::SledJournal;
pub use journal::{
    AttemptEnd, Durability, EndedBy, JournalError, JournalErrorKind, LaunchCounts, LaunchFilter,
    LaunchRecord, LaunchStatus, MemoryJournal, WallClock,
};
pub use launch::{Launch, LaunchError, LaunchErrorKind, LaunchMany, Launches, Ticket, TicketError, Verdict};
pub use outcome::{
    AgentError, AllError, AnyError, AttemptReport, BadLaunchId, BadLaunchUri, BoxError, BranchReport, Cause,
    Counts, Failure, LaunchId, Outcome, ParentAttempt, QuorumError, Report, RunEnd, RunId, RunReport,
};
pub use policy::{Backoff, Decision, Intensity, Restart, Trigger};
pub use supervisor::Recorder;
pub use supervisor::tree::{Phase, Shutdown, SystemError};
pub use system::{
    Builder, LaunchesStatus, Registrable, ResidentStatus, SlotStatus, StartError, Status, SupervisorBuilder,
    SupervisorStatus, System,
};

/// Not for users: the journal's stores, and the failpoints, for the crate's own tests.
#[cfg(feature = "failpoints")]
#[doc(hidden)]
pub mod probe {
    pub use crate::journal::failpoint::Trap;
    #[cfg(feature = "sled")]
    pub use crate::journal::probe::{Pairs, Shelf, ShelfFault, ShelfJournal, StoreProbe};
    #[cfg(feature = "sled")]
    pub use crate::journal::sample::Sample;
}
