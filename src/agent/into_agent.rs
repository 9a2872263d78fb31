//! What `foreach` accepts as an agent.

use std::future::Future;

use super::function::PlainFn;
use super::{Agent, AgentContext, AgentFn, AgentRef, Blocking};
use crate::outcome::AgentError;

/// What [`foreach`](crate::foreach) accepts: an [`AgentRef`], an [`agent_fn`](crate::agent_fn), a
/// [`blocking`](crate::blocking) function, or a plain `async fn(input) -> Result<_, _>`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an agent for inputs of type `{I}`",
    label = "expected `&AgentRef`, `agent_fn(..)`, `blocking(..)`, or `async fn(input) -> Result<_, _>`"
)]
pub trait IntoAgent<I, O> {
    /// The agent, shared.
    fn into_agent(self) -> AgentRef<I, O>;
}

impl<I, O> IntoAgent<I, O> for &AgentRef<I, O> {
    fn into_agent(self) -> AgentRef<I, O> {
        self.clone()
    }
}

impl<F, Fut, I, O> IntoAgent<I, O> for AgentFn<F, I, O>
where
    F: Fn(I, AgentContext) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<O, AgentError>> + Send,
    I: Send + 'static,
    O: Send + 'static,
{
    fn into_agent(self) -> AgentRef<I, O> {
        AgentRef::new(self)
    }
}

impl<F, I, O> IntoAgent<I, O> for Blocking<F, I, O>
where
    Self: Agent<Input = I, Output = O>,
    I: Send + 'static,
    O: Send + 'static,
{
    fn into_agent(self) -> AgentRef<I, O> {
        AgentRef::new(self)
    }
}

impl<F, Fut, I, O, E> IntoAgent<I, O> for F
where
    F: Fn(I) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<O, E>> + Send + 'static,
    E: Into<AgentError> + 'static,
    I: Send + 'static,
    O: Send + 'static,
{
    fn into_agent(self) -> AgentRef<I, O> {
        AgentRef::new(PlainFn::new(self))
    }
}
