//! One call.

use std::future::IntoFuture;
use std::time::Duration;

use futures::future::BoxFuture;

use super::branch::Branch;
use super::branches;
use crate::agent::{AgentContext, AgentRef};
use crate::outcome::Outcome;
use crate::policy::{Restart, positive};
use crate::supervisor::Recorder;
use crate::supervisor::tree::TreeHandle;

/// Asks one agent: a fan-out of one branch. Await it for its outcome.
///
/// ```
/// use std::time::Duration;
/// use sortie::{AgentRef, agent_fn};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), sortie::Failure> {
/// let double = AgentRef::new(agent_fn(|n: u32, _| async move { Ok(2 * n) }));
/// assert_eq!(sortie::ask(&double, 21).timeout(Duration::from_secs(1)).await?, 42);
/// # Ok(()) }
/// ```
pub fn ask<I, O>(agent: &AgentRef<I, O>, input: I) -> Ask<I, O> {
    Ask { branch: agent.branch(input), deadline: None, parent: None, system: None, recorder: None }
}

/// One call; await it. [`ask`] makes it.
///
/// # Cancel safety
/// Dropping the future stops the call, as dropping the future of a [`FanOut`](crate::FanOut) does.
#[derive(Debug)]
#[must_use = "asking does nothing until it is awaited"]
pub struct Ask<I, O> {
    branch: Branch<I, O>,
    deadline: Option<Duration>,
    parent: Option<AgentContext>,
    system: Option<TreeHandle>,
    recorder: Option<Recorder>,
}

impl<I, O> Ask<I, O> {
    /// The same call, nested in an attempt.
    pub(super) fn within(mut self, parent: AgentContext) -> Self {
        self.parent = Some(parent);
        self
    }

    /// The same call, in a system.
    pub(crate) fn in_system(mut self, system: TreeHandle) -> Self {
        self.system = Some(system);
        self
    }

    /// Names the call in its failure and for its agent.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.branch = self.branch.label(label);
        self
    }

    /// Limits each attempt.
    ///
    /// # Panics
    /// If `limit` is zero.
    #[track_caller]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.branch = self.branch.timeout(limit);
        self
    }

    /// Limits the call, all its attempts and the waits between them included.
    ///
    /// # Panics
    /// If `limit` is zero.
    #[track_caller]
    pub fn deadline(mut self, limit: Duration) -> Self {
        self.deadline = Some(positive(limit, "a deadline", "leave it out for no limit"));
        self
    }

    /// Allows further attempts, each with a clone of the input.
    pub fn restart(mut self, policy: Restart) -> Self
    where
        I: Clone,
    {
        self.branch = self.branch.restart(policy);
        self
    }

    /// Has the call recorded as a run of one branch, attempt by attempt, however it ends.
    pub fn record(mut self, recorder: &Recorder) -> Self {
        self.recorder = Some(recorder.clone());
        self
    }
}

impl<I: Send + 'static, O: Send + 'static> IntoFuture for Ask<I, O> {
    type Output = Outcome<O>;
    type IntoFuture = BoxFuture<'static, Outcome<O>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let mut fan_out = branches([self.branch]);
            if let Some(parent) = self.parent {
                fan_out = fan_out.within(parent);
            }
            if let Some(system) = self.system {
                fan_out = fan_out.in_system(system);
            }
            if let Some(deadline) = self.deadline {
                fan_out = fan_out.deadline(deadline);
            }
            if let Some(recorder) = &self.recorder {
                fan_out = fan_out.record(recorder);
            }
            let [outcome] = fan_out.settled().await;
            outcome
        })
    }
}
