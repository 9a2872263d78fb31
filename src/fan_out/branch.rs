//! One agent with one input.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;

use crate::agent::{AgentContext, AgentRef, Copying};
use crate::outcome::AgentError;
use crate::policy::{Restart, positive};
use crate::supervisor::Policy;

/// One agent with its input and policies, not yet started. [`AgentRef::branch`] makes it.
///
/// What is set here overrides what the fan-out says, and that overrides what the agent says.
#[must_use = "a branch does nothing until its fan-out is awaited"]
pub struct Branch<I, O> {
    agent: AgentRef<I, O>,
    input: I,
    label: Option<Arc<str>>,
    timeout: Option<Duration>,
    restart: Option<Copying<I>>,
    /// The policy in force, once the fan-out is known.
    policy: Policy,
    copy: Option<fn(&I) -> I>,
}

impl<I, O> AgentRef<I, O> {
    /// Binds an input: a branch, not yet started.
    pub fn branch(&self, input: I) -> Branch<I, O> {
        Branch {
            agent: self.clone(),
            input,
            label: None,
            timeout: None,
            restart: None,
            policy: Policy::default(),
            copy: None,
        }
    }
}

impl<I, O> Branch<I, O> {
    /// Names the branch in failures and for its agent. Labels need not be unique.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into().into());
        self
    }

    /// Limits each attempt. The clock of an attempt starts when the attempt does, not when the branch is queued.
    ///
    /// # Panics
    /// If `limit` is zero.
    #[track_caller]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(positive(limit, "a timeout", "leave it out for no limit"));
        self
    }

    /// Allows further attempts, each with a clone of the input.
    pub fn restart(mut self, policy: Restart) -> Self
    where
        I: Clone,
    {
        self.restart = Some(Copying::new(policy));
        self
    }

    /// The fan-out's policy, for a branch that has none of its own.
    pub(crate) fn or_restart(mut self, policy: &Restart) -> Self
    where
        I: Clone,
    {
        self.restart.get_or_insert_with(|| Copying::new(policy.clone()));
        self
    }

    /// Settles which policies are in force: the branch's own, else the fan-out's, else the agent's.
    pub(crate) fn resolve(mut self, timeout: Option<Duration>) -> Self {
        self.policy.timeout = self.timeout.or(timeout).or(self.agent.default_timeout());
        if let Some(restart) = self.restart.take().or_else(|| self.agent.default_restart().cloned()) {
            self.policy.restart = Some(restart.policy);
            self.copy = Some(restart.copy);
        }
        self
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.policy
    }

    pub(crate) fn names(&self) -> (Arc<str>, Option<Arc<str>>) {
        (self.agent.shared_name(), self.label.clone())
    }

    /// The branch again, for another attempt.
    pub(crate) fn again(&self) -> Option<Self> {
        let copy = self.copy?;
        Some(Self {
            agent: self.agent.clone(),
            input: copy(&self.input),
            label: None,
            timeout: None,
            restart: None,
            policy: self.policy.clone(),
            copy: self.copy,
        })
    }

    pub(crate) fn attempt(self, cx: AgentContext) -> BoxFuture<'static, Result<O, AgentError>> {
        self.agent.attempt_owned(self.input, cx)
    }
}

impl<I, O> fmt::Debug for Branch<I, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Branch")
            .field("agent", &self.agent.name())
            .field("label", &self.label)
            .finish_non_exhaustive()
    }
}
