//! A launch that is to be recorded.

use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::Value;

use super::error::{LaunchError, LaunchErrorKind};
use super::ticket::Ticket;
use crate::agent::{AgentContext, AgentRef, Lineage, Payload};
use crate::journal::failpoint::pass;
use crate::journal::{Appended, Due, Intent, Journal, JournalError, JournalErrorKind, Terms};
use crate::outcome::digest;

/// How long a key may be, in bytes.
const LONGEST_KEY: usize = 512;

/// How long a label may be, in bytes: it is part of a key.
const LONGEST_LABEL: usize = 256;

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
    /// Where it comes from, if from an attempt.
    origin: Option<Origin>,
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
            origin: None,
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

    /// A name for this launch among those of the attempt that makes it, of 1 to 256 bytes; see
    /// [`AgentContext::launch`](crate::AgentContext::launch). It has no effect on a launch with a [key](Launch::key), nor on
    /// one that comes from outside of an attempt.
    pub fn label(mut self, label: impl ToString) -> Self {
        if let Some(origin) = &mut self.origin {
            origin.label = Some(label.to_string());
        }
        self
    }

    /// It comes from this attempt, which will find it again.
    pub(super) fn within(mut self, cx: &AgentContext) -> Self {
        self.origin = Some(Origin { parent: cx.lineage(), position: cx.next_position(), label: None });
        self
    }

    /// How long the launch is kept after it is done or cancelled, with its outcome and its key; a day unless set.
    ///
    /// Then it is removed, within about a minute: its ticket says [`Unknown`](crate::TicketError::Unknown), and launching
    /// again under its key is a new launch. A launch that is not over, or that is dead or ambiguous, is kept until somebody
    /// decides. With `Duration::ZERO` it may be gone before anybody has read the outcome: for launches of which nobody
    /// wants one. `Duration::MAX` keeps it for ever.
    ///
    /// It is recorded with the launch: launching again under its key does not change it.
    pub fn retain(mut self, time: Duration) -> Self {
        self.terms.retention = time;
        self
    }

    /// How many deaths of its process the launch survives while it is the only suspect that runs; after the last of them it is
    /// a dead letter. The default is 3, and `u32::MAX` means that there is no such limit.
    ///
    /// What runs when a process dies becomes a suspect, which does not count yet: suspects run again one at a time, and from
    /// then on each death is that of one launch. An attempt that ends by itself takes the suspicion away, but not the count.
    ///
    /// # Panics
    /// If `deaths` is zero.
    #[track_caller]
    pub fn max_crashes(mut self, deaths: u32) -> Self {
        assert!(
            deaths > 0,
            "`max_crashes` needs at least one death: with none, a launch would be dead before any"
        );
        self.terms.max_crashes = deaths;
        self
    }

    /// The name of the agent.
    pub(super) fn agent(&self) -> &Arc<str> {
        &self.agent
    }

    /// What is to be recorded, and where.
    pub(super) fn prepare(self) -> Result<(Arc<dyn Journal>, Intent), LaunchErrorKind> {
        let journal = self.journal?;
        let input = self.input.map_err(LaunchErrorKind::BadInput)?;
        let limit = journal.capabilities().longest_payload;
        if input.len() > limit {
            return Err(LaunchErrorKind::TooLarge { bytes: input.len(), limit });
        }
        let key = match (self.key, self.origin) {
            (Some(key), _) => Some(checked(key, LONGEST_KEY)?),
            (None, Some(origin)) => Some(origin.key()?),
            (None, None) => None,
        };
        let (agent, digest) = (self.agent.as_ref().to_owned(), digest::of(&input));
        let intent = Intent { agent, key, digest, input, due: Due::Now, terms: self.terms };
        Ok((journal, intent))
    }

    /// Whether its key is derived from an attempt, so that its input may differ from what is recorded.
    pub(super) fn is_derived(&self) -> bool {
        self.key.is_none() && self.origin.is_some()
    }

    async fn record(self) -> Result<Ticket<O>, LaunchErrorKind> {
        let derived = self.is_derived();
        let (journal, intent) = self.prepare()?;
        pass("launch.called").map_err(|error| LaunchErrorKind::Journal(error.into()))?;
        let appended = journal.append(vec![intent]).await.map_err(LaunchErrorKind::Journal)?;
        ticket(&journal, appended.first().copied(), derived)
    }
}

/// Where a launch stands among those of an attempt.
struct Origin {
    parent: Lineage,
    position: u32,
    label: Option<String>,
}

impl Origin {
    /// The key of the launch: the same whenever the attempt is made again.
    fn key(self) -> Result<String, LaunchErrorKind> {
        let Self { parent, position, label } = self;
        match label {
            Some(label) => Ok(format!("child/{parent}/{}", checked(label, LONGEST_LABEL)?)),
            None => Ok(format!("child/{parent}/#{position}")),
        }
    }
}

/// A name that is not empty and not too long.
fn checked(name: String, limit: usize) -> Result<String, LaunchErrorKind> {
    let bytes = name.len();
    if bytes == 0 || bytes > limit { Err(LaunchErrorKind::BadKey { bytes, limit }) } else { Ok(name) }
}

/// The ticket of an intent of which the journal says this.
pub(super) fn ticket<O>(
    journal: &Arc<dyn Journal>,
    appended: Option<Appended>,
    derived: bool,
) -> Result<Ticket<O>, LaunchErrorKind> {
    let journal = Arc::clone(journal);
    match appended {
        Some(Appended::New(id)) => Ok(Ticket::new(journal, id, false)),
        Some(Appended::Known(id)) => Ok(Ticket::new(journal, id, true)),
        Some(Appended::Conflict(id)) if derived => Ok(Ticket::new(journal, id, true).with_other_input()),
        Some(Appended::Conflict(id)) => Err(LaunchErrorKind::KeyConflict(id)),
        Some(Appended::Full) => Err(LaunchErrorKind::Full),
        None => Err(LaunchErrorKind::Journal(lost_answer())),
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
