//! The shared, type-erased form of an agent.

use std::fmt;
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;

use super::{Agent, AgentContext};
use crate::outcome::AgentError;
use crate::policy::{Restart, positive};
use crate::user_code::Contained;

/// A restart policy, and how to copy an input for it: so only `.restart` asks for `Clone`.
pub(crate) struct Copying<I> {
    pub(crate) policy: Restart,
    pub(crate) copy: fn(&I) -> I,
}

impl<I: Clone> Copying<I> {
    pub(crate) fn new(policy: Restart) -> Self {
        Self { policy, copy: I::clone }
    }
}

impl<I> Clone for Copying<I> {
    fn clone(&self) -> Self {
        Self { policy: self.policy.clone(), copy: self.copy }
    }
}

/// The dyn-compatible half of [`Agent`].
pub(crate) trait DynAgent<I, O>: Send + Sync {
    /// One attempt that borrows the agent.
    fn attempt(&self, input: I, cx: AgentContext) -> BoxFuture<'_, Result<O, AgentError>>;

    /// One attempt that keeps the agent alive by itself.
    fn attempt_owned(
        self: Arc<Self>,
        input: I,
        cx: AgentContext,
    ) -> BoxFuture<'static, Result<O, AgentError>>;
}

/// An agent whose drop is contained, wherever the last reference to it is dropped.
struct Shared<A>(Contained<A>);

impl<A: Agent> DynAgent<A::Input, A::Output> for Shared<A> {
    fn attempt(&self, input: A::Input, cx: AgentContext) -> BoxFuture<'_, Result<A::Output, AgentError>> {
        match self.0.get() {
            Some(agent) => Box::pin(agent.run(input, cx)),
            None => Box::pin(ready(Err(gone()))),
        }
    }

    fn attempt_owned(
        self: Arc<Self>,
        input: A::Input,
        cx: AgentContext,
    ) -> BoxFuture<'static, Result<A::Output, AgentError>> {
        Box::pin(async move {
            match self.0.get() {
                Some(agent) => agent.run(input, cx).await,
                None => Err(gone()),
            }
        })
    }
}

/// No attempt of an agent that is being dropped can be made.
fn gone() -> AgentError {
    AgentError::fatal("the agent is being dropped")
}

/// A shared agent and its default policies, typed by what goes in (`I`) and what comes out (`O`).
///
/// Agents, functions and stubs with the same input and output have the same `AgentRef` type, so that they fit the same
/// field. Cheap to clone; the policies belong to the clone on which they are set.
///
/// ```
/// use std::time::Duration;
/// use sortie::{AgentRef, Restart, agent_fn};
///
/// let double = AgentRef::new(agent_fn(|n: u32, _| async move { Ok(2 * n) }).named("double"))
///     .timeout(Duration::from_secs(5))
///     .restart(Restart::attempts(3));
/// assert_eq!(double.name(), "double");
/// ```
pub struct AgentRef<I, O> {
    name: Arc<str>,
    agent: Arc<dyn DynAgent<I, O>>,
    timeout: Option<Duration>,
    restart: Option<Copying<I>>,
    at_most_once: bool,
}

impl<I: Send + 'static, O: Send + 'static> AgentRef<I, O> {
    /// Shares `agent`.
    pub fn new(agent: impl Agent<Input = I, Output = O>) -> Self {
        let name = agent.name().into();
        Self {
            name,
            agent: Arc::new(Shared(Contained::new(agent))),
            timeout: None,
            restart: None,
            at_most_once: false,
        }
    }
}

impl<I, O> AgentRef<I, O> {
    /// The agent's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Limits each attempt, where neither the branch nor the fan-out says anything else. No limit unless set.
    ///
    /// # Panics
    /// If `limit` is zero.
    #[track_caller]
    #[must_use = "the policy belongs to the reference that is returned"]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(positive(limit, "a timeout", "leave it out for no limit"));
        self
    }

    /// Allows further attempts, each with a clone of the input, where neither the branch nor the fan-out says anything
    /// else. One attempt unless set.
    #[must_use = "the policy belongs to the reference that is returned"]
    pub fn restart(mut self, policy: Restart) -> Self
    where
        I: Clone,
    {
        self.restart = Some(Copying::new(policy));
        self
    }

    /// Makes launches run at most once: for effects that are worse done twice than not at all. It holds for every launch of
    /// an agent that is registered so, and for every launch that is made with this reference. At least once unless set.
    ///
    /// The start of a launch is recorded before its body runs, and there is one. An error that it returns is final: the
    /// launch is a dead letter. A panic, a timeout, or the end of its supervisor or of the process while the body ran leaves
    /// the launch [ambiguous](crate::LaunchStatus::Ambiguous): nobody knows how far it came, it is not run again, and
    /// somebody decides, or a [hook](crate::Builder::when_ambiguous) that looks the effect up.
    ///
    /// It goes with no restart policy of more than one attempt: to register such an agent makes
    /// [`start`](crate::Builder::start) fail. In memory nothing is lost that could be run again, so fan-outs do not look at
    /// it: they make as many attempts as their restart policies say.
    ///
    /// ```
    /// use sortie::{AgentRef, agent_fn};
    ///
    /// let charge = agent_fn(|cents: u64, _| async move { Ok(format!("charged {cents}")) }).named("charge");
    /// let charge = AgentRef::new(charge).at_most_once();
    /// # let _ = charge;
    /// ```
    #[must_use = "the policy belongs to the reference that is returned"]
    pub fn at_most_once(mut self) -> Self {
        self.at_most_once = true;
        self
    }

    pub(crate) fn is_at_most_once(&self) -> bool {
        self.at_most_once
    }

    pub(crate) fn shared_name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    pub(crate) fn default_timeout(&self) -> Option<Duration> {
        self.timeout
    }

    pub(crate) fn default_restart(&self) -> Option<&Copying<I>> {
        self.restart.as_ref()
    }

    pub(crate) fn attempt(&self, input: I, cx: AgentContext) -> BoxFuture<'_, Result<O, AgentError>> {
        self.agent.attempt(input, cx)
    }

    pub(crate) fn attempt_owned(
        &self,
        input: I,
        cx: AgentContext,
    ) -> BoxFuture<'static, Result<O, AgentError>> {
        Arc::clone(&self.agent).attempt_owned(input, cx)
    }
}

impl<I, O> Clone for AgentRef<I, O> {
    fn clone(&self) -> Self {
        Self {
            name: Arc::clone(&self.name),
            agent: Arc::clone(&self.agent),
            timeout: self.timeout,
            restart: self.restart.clone(),
            at_most_once: self.at_most_once,
        }
    }
}

impl<I, O> fmt::Debug for AgentRef<I, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentRef").field("name", &self.name).finish_non_exhaustive()
    }
}
