//! Agents seen as bytes: JSON goes in, JSON comes out.

use std::fmt;

use super::launcher::Launcher;
use crate::agent::{Agent, AgentContext, AgentRef, Payload};
use crate::outcome::AgentError;
use crate::payload::{DecodeError, EncodeError, decode, encode};
use crate::user_code::discard;

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
        let input = decode(&input).map_err(|error| AgentError::fatal(Unreadable(error)))?;
        let limit = Launcher::longest_payload(&cx);
        let output = self.0.attempt(input, cx).await?;
        let encoded = encode(&output, limit);
        discard(output);
        encoded.map_err(|error| {
            let agent = self.0.name();
            let error = match error {
                EncodeError::TooLarge { .. } => format!("the output of agent `{agent}`: {error}"),
                EncodeError::Unfit(_) => {
                    format!("the output of agent `{agent}` cannot be recorded as JSON: {error}")
                }
            };
            AgentError::fatal(error).with_code("bad_output")
        })
    }
}

/// An input that was recorded, and that the agent as it is in this process does not take. Not an error of the agent's: its
/// code was not reached.
#[derive(Debug)]
pub(super) struct Unreadable(DecodeError);

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
