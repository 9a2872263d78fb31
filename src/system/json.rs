//! Agents seen as JSON.

use serde_json::Value;

use crate::agent::{Agent, AgentContext, AgentRef, Payload};
use crate::outcome::AgentError;
use crate::payload::{decode_value, encode_value};
use crate::user_code::discard;

/// What can be [registered](crate::Builder::register): an [`Agent`], or an [`AgentRef`] with policies of its own.
pub trait Registrable {
    /// What goes in.
    type Input: Payload;
    /// What comes out.
    type Output: Payload;

    /// The agent, shared.
    fn into_ref(self) -> AgentRef<Self::Input, Self::Output>;
}

impl<A: Agent<Input: Payload, Output: Payload>> Registrable for A {
    type Input = A::Input;
    type Output = A::Output;

    fn into_ref(self) -> AgentRef<A::Input, A::Output> {
        AgentRef::new(self)
    }
}

impl<I: Payload, O: Payload> Registrable for AgentRef<I, O> {
    type Input = I;
    type Output = O;

    fn into_ref(self) -> Self {
        self
    }
}

impl<I: Payload, O: Payload> Registrable for &AgentRef<I, O> {
    type Input = I;
    type Output = O;

    fn into_ref(self) -> AgentRef<I, O> {
        self.clone()
    }
}

/// The JSON view of an agent: the same agent with the same policies, typed by values.
pub(super) fn json_view<I: Payload, O: Payload>(agent: &AgentRef<I, O>) -> AgentRef<Value, Value> {
    let view = AgentRef::new(JsonView(agent.clone()));
    let view = match agent.default_timeout() {
        Some(timeout) => view.timeout(timeout),
        None => view,
    };
    let view = match agent.default_restart() {
        Some(restart) => view.restart(restart.policy.clone()),
        None => view,
    };
    if agent.is_at_most_once() { view.at_most_once() } else { view }
}

struct JsonView<I, O>(AgentRef<I, O>);

impl<I: Payload, O: Payload> Agent for JsonView<I, O> {
    type Input = Value;
    type Output = Value;

    fn name(&self) -> &str {
        self.0.name()
    }

    async fn run(&self, input: Value, cx: AgentContext) -> Result<Value, AgentError> {
        let input = decode_value(input).map_err(|error| {
            let error = format!("the input does not fit agent `{}`: {error}", self.0.name());
            AgentError::fatal(error).with_code("bad_input")
        })?;
        let output = self.0.attempt(input, cx).await?;
        let encoded = encode_value(&output);
        discard(output);
        encoded.map_err(|error| {
            let error = format!("the output of agent `{}` cannot be shown as JSON: {error}", self.0.name());
            AgentError::fatal(error).with_code("bad_output")
        })
    }
}
