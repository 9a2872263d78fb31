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
//! | find out what went wrong | [`Failure`], [`Cause`], [`AllError`], [`AnyError`], [`QuorumError`] |
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(clippy::print_stdout, clippy::print_stderr)]

mod agent;
mod fan_out;
mod outcome;
mod policy;
mod supervisor;

pub use agent::{Agent, AgentContext, AgentFn, AgentRef, Blocking, IntoAgent, RunId, agent_fn, blocking};
pub use fan_out::{
    Ask, Branch, Branches, Completed, DuplicateKey, FanOut, ForEach, ForEachStream, Keyed, KeyedStream,
    Repeatable, Uniform, ask, branches, foreach, foreach_stream,
};
pub use outcome::{AgentError, AllError, AnyError, BoxError, Cause, Failure, Outcome, QuorumError};
pub use policy::{Backoff, Decision, Restart, Trigger};
