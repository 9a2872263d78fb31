//! What a run executes.

use std::time::Duration;

use futures::future::BoxFuture;

use crate::agent::AgentContext;
use crate::outcome::AgentError;
use crate::policy::Restart;

/// What a run executes: how one of its branches becomes a future.
///
/// A *job* is what a branch is made of while it waits: its input, and its agent where each branch has its own.
pub trait Work: Send + Sync + 'static {
    type Job: Send + 'static;
    type Output: Send + 'static;

    /// The policy of the branch that this job belongs to.
    fn policy<'a>(&'a self, job: &'a Self::Job) -> &'a Policy;

    /// The shortest timeout of any branch.
    fn shortest_timeout(&self) -> Option<Duration>;

    /// A copy of the job for another attempt; `None` if the branch cannot be restarted.
    fn copy(&self, job: &Self::Job) -> Option<Self::Job>;

    /// Begins an attempt.
    fn start<'a>(
        &'a self,
        job: Self::Job,
        cx: AgentContext,
    ) -> BoxFuture<'a, Result<Self::Output, AgentError>>;
}

/// The policy of a branch, after branch, fan-out and agent have been asked in this order.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    pub(crate) timeout: Option<Duration>,
    pub(crate) restart: Option<Restart>,
}
