//! What is recorded of a launch that has no output, as a failure.

use super::key;
use crate::journal::{EndedBy, LaunchRecord, LaunchStatus};
use crate::outcome::{AgentError, Cause, Failure, Parts};

/// The failure of a launch that has ended without an output.
pub(super) fn failure_of(record: &LaunchRecord) -> Failure {
    let ambiguous = record.status == LaunchStatus::Ambiguous;
    // The ends of earlier series say nothing of an attempt that was cut short.
    let last = record.history.last().filter(|last| !ambiguous || last.attempt == record.attempts);
    let ended = last.map(|last| last.at).or(record.ended).unwrap_or(record.recorded);
    let cause = match (record.status, last) {
        (LaunchStatus::Ambiguous, None) => {
            let error = AgentError::fatal("its attempt was cut short, and nobody knows how far it came");
            Cause::Failed(error.with_code("ambiguous"))
        }
        (LaunchStatus::Cancelled, _) | (_, None) => Cause::Cancelled { stopped: true },
        (_, Some(last)) => match last.by {
            EndedBy::Panic => Cause::Panicked(last.message.clone()),
            EndedBy::Timeout => {
                Cause::TimedOut { limit: record.terms.timeout.unwrap_or_default(), stopped: true }
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
        label: record.key.as_deref().map(|key| key::shown(key).into()),
        agent: record.agent.as_str().into(),
        attempts: record.attempts,
        elapsed: ended.duration_since(record.recorded).unwrap_or_default(),
        cause,
    })
}
