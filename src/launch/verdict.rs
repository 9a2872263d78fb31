//! What a hook says of a launch that nobody knows the end of.

use std::fmt;

use super::launcher::Launcher;
use crate::agent::{Agent, AgentContext, AgentRef, Payload};
use crate::journal::LaunchRecord;
use crate::outcome::AgentError;
use crate::payload::encode;
use crate::user_code::discard;

/// What shall become of an [ambiguous](crate::LaunchStatus::Ambiguous) launch, in the words of a
/// [`Ticket`](crate::Ticket). A [hook](crate::Builder::when_ambiguous) says so; `O` is the output of the launched agent, which
/// `Debug` does not show.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Verdict<O> {
    /// It stays as it is, and somebody decides by hand.
    Leave,
    /// Its body has had no effect: it gets a new series of attempts, as with [`Ticket::requeue`](crate::Ticket::requeue).
    Requeue,
    /// Its body has had its effect: it is done, with this output, as with [`Ticket::settle`](crate::Ticket::settle).
    Settle(O),
    /// Nobody wants to know any more: it is removed, as with [`Ticket::discard`](crate::Ticket::discard).
    Discard,
}

impl<O> fmt::Debug for Verdict<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Leave => "Leave",
            Self::Requeue => "Requeue",
            Self::Settle(_) => "Settle(..)",
            Self::Discard => "Discard",
        })
    }
}

/// A hook as its service has it: outputs are bytes.
pub(crate) type Hook = AgentRef<LaunchRecord, Verdict<Vec<u8>>>;

/// The bytes view of a hook, with the same policies.
pub(crate) fn hook_view<O: Payload>(hook: &AgentRef<LaunchRecord, Verdict<O>>) -> Hook {
    let view = AgentRef::new(HookView(hook.clone()));
    let view = match hook.default_timeout() {
        Some(timeout) => view.timeout(timeout),
        None => view,
    };
    match hook.default_restart() {
        Some(restart) => view.restart(restart.policy.clone()),
        None => view,
    }
}

struct HookView<O>(AgentRef<LaunchRecord, Verdict<O>>);

impl<O: Payload> Agent for HookView<O> {
    type Input = LaunchRecord;
    type Output = Verdict<Vec<u8>>;

    fn name(&self) -> &str {
        self.0.name()
    }

    async fn run(&self, launch: LaunchRecord, cx: AgentContext) -> Result<Self::Output, AgentError> {
        let limit = Launcher::longest_payload(&cx);
        Ok(match self.0.attempt(launch, cx).await? {
            Verdict::Leave => Verdict::Leave,
            Verdict::Requeue => Verdict::Requeue,
            Verdict::Settle(output) => {
                let encoded = encode(&output, limit);
                discard(output);
                Verdict::Settle(encoded.map_err(|error| {
                    AgentError::fatal(format!(
                        "the output to settle with cannot be recorded as JSON: {error}"
                    ))
                })?)
            }
            Verdict::Discard => Verdict::Discard,
        })
    }
}
