//! What comes out of a branch: an output, or a failure that says why there is none.
//!
//! [`Outcome`] is a plain `Result`. Its error, [`Failure`], is one pointer wide and cheap to clone. Errors that agents
//! return ([`AgentError`]) and panics stay apart: they are different [`Cause`]s. A [`Report`] says how runs came to
//! their outcomes, attempt by attempt.

mod agent_error;
mod all_error;
mod any_error;
mod cause;
pub(crate) mod digest;
mod failure;
mod launch_id;
mod launch_uri;
mod report;
mod run_id;

pub(crate) use agent_error::Reaction;
pub use agent_error::{AgentError, BoxError};
pub use all_error::AllError;
pub use any_error::{AnyError, QuorumError};
pub use cause::Cause;
pub(crate) use failure::Parts;
pub use failure::{Failure, Outcome};
pub use launch_id::{BadLaunchId, LaunchId};
pub use launch_uri::BadLaunchUri;
pub use report::{AttemptReport, BranchReport, Counts, ParentAttempt, Report, RunEnd, RunReport};
pub use run_id::RunId;
