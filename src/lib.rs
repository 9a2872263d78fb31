//! Supervised, durable fan-out.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(clippy::print_stdout, clippy::print_stderr)]

mod agent;
mod fan_out;
mod outcome;
mod policy;
mod supervisor;

pub use agent::{Agent, AgentContext, AgentFn, AgentRef, Blocking, IntoAgent, RunId, agent_fn, blocking};
pub use fan_out::{
    Ask, Branch, Branches, DuplicateKey, FanOut, ForEach, Keyed, Repeatable, ask, branches, foreach,
};
pub use outcome::{AgentError, AllError, BoxError, Cause, Failure, Outcome};
pub use policy::{Backoff, Decision, Restart, Trigger};
