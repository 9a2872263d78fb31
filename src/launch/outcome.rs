//! What is recorded of a launch that has no output, as a failure.

use std::time::Duration;

use crate::journal::{EndedBy, Head, State};
use crate::outcome::{AgentError, Cause, Failure, Parts};

/// The failure of a launch that has ended without an output.
pub(super) fn outcome_of(head: &Head) -> Failure {
    let last = head.history.last();
    let ended = last.map_or(head.recorded, |last| last.at);
    let cause = match (&head.state, last) {
        (State::Cancelled { .. }, _) | (_, None) => Cause::Cancelled { stopped: true },
        (_, Some(last)) => match last.by {
            EndedBy::Panic => Cause::Panicked(last.message.clone()),
            EndedBy::Timeout => {
                Cause::TimedOut { limit: head.terms.timeout.unwrap_or_default(), stopped: true }
            }
            EndedBy::Error | EndedBy::Fatal | EndedBy::Crash => {
                let error = AgentError::fatal(last.message.clone());
                Cause::Failed(match &last.code {
                    Some(code) => error.with_code(code.clone()),
                    None => error,
                })
            }
        },
    };
    Failure::new(Parts {
        index: 0,
        label: head.key.as_deref().map(Into::into),
        agent: head.agent.as_str().into(),
        attempts: head.attempt,
        elapsed: Duration::from_millis(ended.saturating_sub(head.recorded)),
        cause,
    })
}
