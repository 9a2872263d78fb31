//! Agents seen as bytes: JSON goes in, JSON comes out.

use std::fmt;

use crate::agent::{Agent, AgentContext, AgentRef, Payload};
use crate::outcome::AgentError;

/// An agent as launches have it.
pub(crate) type Runnable = AgentRef<Vec<u8>, Vec<u8>>;

/// The bytes view of an agent. It has no policies: a launch has those that were recorded with it.
pub(crate) fn bytes_view<I: Payload, O: Payload>(agent: &AgentRef<I, O>) -> Runnable {
    AgentRef::new(BytesView(agent.clone()))
}

struct BytesView<I, O>(AgentRef<I, O>);

impl<I: Payload, O: Payload> Agent for BytesView<I, O> {
    type Input = Vec<u8>;
    type Output = Vec<u8>;

    fn name(&self) -> &str {
        self.0.name()
    }

    async fn run(&self, input: Vec<u8>, cx: AgentContext) -> Result<Vec<u8>, AgentError> {
        let input = serde_json::from_slice(&input).map_err(|error| AgentError::fatal(Unreadable(error)))?;
        let output = self.0.attempt(input, cx).await?;
        serde_json::to_vec(&output).map_err(|error| {
            let error = format!("the output of agent `{}` is not JSON: {error}", self.0.name());
            AgentError::fatal(error).with_code("bad_output")
        })
    }
}

/// An input that was recorded, and that the agent as it is in this process does not take. Not an error of the agent's: its
/// code was not reached.
#[derive(Debug)]
pub(super) struct Unreadable(serde_json::Error);

/// Whether an attempt has ended because its input could not be read.
pub(super) fn is_unreadable(error: &AgentError) -> bool {
    error.downcast_ref::<Unreadable>().is_some()
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the recorded input does not fit: {}", self.0)
    }
}

impl std::error::Error for Unreadable {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}
