//! A launch that is to be recorded.

use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::sync::Arc;

use futures::future::BoxFuture;
use serde_json::Value;

use super::error::{LaunchError, LaunchErrorKind};
use super::ticket::Ticket;
use crate::agent::{AgentRef, Payload};
use crate::journal::failpoint::pass;
use crate::journal::{Appended, Due, Intent, Journal, JournalError, JournalErrorKind, Terms, digest};

/// How long a key may be, in bytes.
const LONGEST_KEY: usize = 512;

/// A launch that is to be recorded; await it for its [`Ticket`]. [`System::launch`](crate::System::launch) makes it.
///
/// The `Ok` means that the intent is as durable as the journal makes it; with a
/// [`SledJournal`](crate::SledJournal), it is on disk. From then on the launch does not depend on its caller, nor on its
/// process: it is run until an outcome is recorded or its attempts are spent.
///
/// What the agent's reference says of timeouts and restarts is recorded with the launch, and holds for it from then on, also
/// after the agent was changed. A launch whose agent has no restart policy gets 5 attempts, with the default backoff.
///
/// # Cancel safety
/// If the future is dropped, the launch may have been recorded or not. Under a [key](Launch::key), launching again makes it
/// one.
#[must_use = "nothing is launched until this is awaited"]
pub struct Launch<O> {
    journal: Result<Arc<dyn Journal>, LaunchErrorKind>,
    agent: Arc<str>,
    input: Result<Vec<u8>, String>,
    key: Option<String>,
    terms: Terms,
    output: PhantomData<fn() -> O>,
}

impl<O> Launch<O> {
    pub(crate) fn new<I: Payload>(
        journal: Result<Arc<dyn Journal>, LaunchErrorKind>,
        agent: &AgentRef<I, O>,
        input: &I,
    ) -> Self {
        let mut terms = Terms { timeout: agent.default_timeout(), ..Terms::default() };
        if let Some(restart) = agent.default_restart() {
            terms.restart = restart.policy.clone();
        }
        let input = canonical(input);
        Self {
            journal,
            agent: agent.shared_name(),
            input: input.map_err(|error| error.to_string()),
            key: None,
            terms,
            output: PhantomData,
        }
    }

    /// The caller's name for this launch, of 1 to 512 bytes: an idempotency key. Keys of different agents have nothing to do
    /// with each other.
    ///
    /// Launching again under the same key with the same input gives the same launch, which runs once, and a ticket that says
    /// that it [was there](Ticket::is_known); with another input it is an error.
    pub fn key(mut self, key: impl ToString) -> Self {
        self.key = Some(key.to_string());
        self
    }

    async fn record(self) -> Result<Ticket<O>, LaunchErrorKind> {
        let journal = self.journal?;
        let input = self.input.map_err(LaunchErrorKind::BadInput)?;
        let limit = journal.capabilities().longest_payload;
        if input.len() > limit {
            return Err(LaunchErrorKind::TooLarge { bytes: input.len(), limit });
        }
        let bytes = self.key.as_ref().map_or(1, String::len);
        if bytes == 0 || bytes > LONGEST_KEY {
            return Err(LaunchErrorKind::BadKey { bytes, limit: LONGEST_KEY });
        }
        let intent = Intent {
            agent: self.agent.as_ref().to_owned(),
            key: self.key,
            digest: digest::of(&input),
            input,
            due: Due::Now,
            terms: self.terms,
        };
        pass("launch.called").map_err(|error| LaunchErrorKind::Journal(error.into()))?;
        let appended = journal.append(vec![intent]).await.map_err(LaunchErrorKind::Journal)?;
        match appended.first() {
            Some(Appended::New(id)) => Ok(Ticket::new(journal, *id, false)),
            Some(Appended::Known(id)) => Ok(Ticket::new(journal, *id, true)),
            Some(Appended::Conflict(id)) => Err(LaunchErrorKind::KeyConflict(*id)),
            Some(Appended::Full) => Err(LaunchErrorKind::Full),
            None => Err(LaunchErrorKind::Journal(lost_answer())),
        }
    }
}

impl<O: Payload> IntoFuture for Launch<O> {
    type Output = Result<Ticket<O>, LaunchError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let agent = Arc::clone(&self.agent);
            self.record().await.map_err(|kind| LaunchError::new(&agent, kind))
        })
    }
}

impl<O> fmt::Debug for Launch<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Launch").field("agent", &self.agent).field("key", &self.key).finish_non_exhaustive()
    }
}

/// A journal has broken its rule that there is an answer for each intent.
fn lost_answer() -> JournalError {
    JournalError::new(JournalErrorKind::Io).because("the journal has not said what became of the intent")
}

/// An input as JSON, such that equal inputs have equal bytes: keys are sorted, however a map gives them.
fn canonical<I: Payload>(input: &I) -> Result<Vec<u8>, serde_json::Error> {
    match serde_json::to_value(input) {
        Ok(value) => serde_json::to_vec(&sorted(value)),
        // A number that a value cannot hold.
        Err(_) => serde_json::to_vec(input),
    }
}

/// A value whose keys are sorted, whether or not somebody in the build has asked serde_json to keep their order.
fn sorted(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            fields.sort_by(|(one, _), (other, _)| one.cmp(other));
            fields.into_iter().collect()
        }
        other => other,
    }
}
