//! Actors that answer with a `Result`.

use std::sync::Arc;

use super::resident::Resident;
use super::spawned::Spawned;
use crate::agent::{Agent, AgentContext, AgentRef, IntoAgent};
use crate::outcome::AgentError;
use crate::supervisor::tree::{IntoResident, Resident as Pool};

/// An actor whose answer is a `Result`, as an agent that returns its value or fails with its error.
/// [`Spawned::fallible`] and [`Resident::fallible`] make it.
#[derive(Debug)]
pub struct Fallible<T>(T);

impl<T> Fallible<T> {
    pub(super) fn new(actor: T) -> Self {
        Self(actor)
    }
}

/// An agent whose outputs are `Result`s, with those that are errors turned into its errors.
struct Flat<I, O, E>(AgentRef<I, Result<O, E>>);

impl<I, O, E> Agent for Flat<I, O, E>
where
    I: Send + 'static,
    O: Send + 'static,
    E: Into<AgentError> + Send + 'static,
{
    type Input = I;
    type Output = O;

    fn name(&self) -> &str {
        self.0.name()
    }

    async fn run(&self, input: I, cx: AgentContext) -> Result<O, AgentError> {
        self.0.attempt(input, cx).await?.map_err(Into::into)
    }
}

impl<A, I, O, E> Agent for Fallible<Spawned<A, I, Result<O, E>>>
where
    A: ractor::Actor,
    I: Send + 'static,
    O: Send + 'static,
    E: Into<AgentError> + Send + 'static,
{
    type Input = I;
    type Output = O;

    fn name(&self) -> &str {
        self.0.name()
    }

    async fn run(&self, input: I, cx: AgentContext) -> Result<O, AgentError> {
        self.0.run(input, cx).await?.map_err(Into::into)
    }
}

impl<A, I, O, E> IntoAgent<I, O> for Fallible<Spawned<A, I, Result<O, E>>>
where
    Self: Agent<Input = I, Output = O>,
    A: ractor::Actor,
    I: Send + 'static,
    O: Send + 'static,
{
    fn into_agent(self) -> AgentRef<I, O> {
        AgentRef::new(self)
    }
}

impl<A, I, O, E> IntoResident<I, O> for Fallible<Resident<A, I, Result<O, E>>>
where
    A: ractor::Actor,
    I: Send + 'static,
    O: Send + 'static,
    E: Into<AgentError> + Send + 'static,
{
    fn into_resident(self) -> (Arc<dyn Pool>, AgentRef<I, O>) {
        let (pool, agent) = self.0.into_resident();
        (pool, AgentRef::new(Flat(agent)))
    }
}
