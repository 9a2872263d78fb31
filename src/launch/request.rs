//! A launch that is to be recorded.

use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::sync::{Arc, Weak};

use futures::future::BoxFuture;
use serde_json::Value;

use super::error::{LaunchError, LaunchErrorKind};
use super::launcher::Admitted;
use super::ticket::Ticket;
use crate::agent::{AgentContext, AgentRef, Lineage, Payload, SlotLease};
use crate::journal::failpoint::pass;
use crate::journal::{Appended, Delivery, Due, Intent, Journal, JournalError, JournalErrorKind, Terms};
use crate::outcome::digest;
use crate::policy::Restart;

/// How long a key may be, in bytes.
const LONGEST_KEY: usize = 512;

/// How long the name of a lane may be, in bytes: it stands in the record of each of its launches.
const LONGEST_LANE: usize = 256;
/// How long a label may be, in bytes: it is part of a key.
const LONGEST_LABEL: usize = 256;

/// A launch that is to be recorded; await it for its [`Ticket`]. [`System::launch`](crate::System::launch) makes it.
///
/// The `Ok` means that the intent is as durable as the journal makes it; with a
/// [`SledJournal`](crate::SledJournal), it is on disk. From then on the launch does not depend on its caller, nor on its
/// process: it is run until an outcome is recorded or its attempts are spent.
///
/// What the agent's reference says of timeouts and restarts is recorded with the launch, and holds for it from then on, also
/// after the agent was changed; the launch itself may say otherwise. Without a restart policy it gets 5 attempts, with the
/// default backoff.
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
    /// The slot of the attempt that makes it.
    owner: Option<Weak<SlotLease>>,
    pub(super) due: Due,
    pub(super) terms: Terms,
    /// Whether the restart policy is the launch's own.
    pub(super) has_restart: bool,
    output: PhantomData<fn() -> O>,
}

impl<O> Launch<O> {
    pub(crate) fn new<I: Payload>(
        admitted: Result<Admitted, LaunchErrorKind>,
        agent: &AgentRef<I, O>,
        input: &I,
    ) -> Self {
        // As the agent is registered, or stricter.
        let once = agent.is_at_most_once() || admitted.as_ref().is_ok_and(|admitted| admitted.at_most_once);
        let delivery = if once { Delivery::AtMostOnce } else { Delivery::AtLeastOnce };
        let mut terms = Terms { timeout: agent.default_timeout(), delivery, ..Terms::default() };
        if let Some(restart) = agent.default_restart() {
            terms.restart = restart.policy.clone();
        } else if delivery == Delivery::AtMostOnce {
            terms.restart = Restart::attempts(1);
        }
        let input = canonical(input);
        Self {
            journal: admitted.map(|admitted| admitted.journal),
            agent: agent.shared_name(),
            input: input.map_err(|error| error.to_string()),
            key: None,
            origin: None,
            owner: None,
            due: Due::Now,
            terms,
            has_restart: false,
            output: PhantomData,
        }
    }

    /// The caller's name for this launch, of 1 to 512 bytes: an idempotency key. Keys of different agents have nothing to do
    /// with each other.
    ///
    /// Launching again under the same key with the same input gives the same launch, which runs once, and a ticket that says
    /// that it [was there](Ticket::is_known); with another input it is an error. What else is said of a launch that was there,
    /// such as its delay, changes nothing.
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
        self.owner = cx.lease().map(|leased| Arc::downgrade(&leased.lease));
        self.origin = Some(Origin { parent: cx.lineage(), position: cx.next_position(), label: None });
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
        let bytes = self.terms.lane.as_ref().map_or(1, String::len);
        if bytes == 0 || bytes > LONGEST_LANE {
            return Err(LaunchErrorKind::BadLane { bytes, limit: LONGEST_LANE });
        }
        let attempts = self.terms.restart.most_attempts();
        if self.terms.delivery == Delivery::AtMostOnce && attempts > 1 {
            return Err(LaunchErrorKind::AtMostOnce { attempts });
        }
        let (agent, digest) = (self.agent.as_ref().to_owned(), digest::of(&input));
        let intent = Intent { agent, key, digest, input, due: self.due, terms: self.terms };
        Ok((journal, intent))
    }

    /// Whether its key is derived from an attempt, so that its input may differ from what is recorded.
    pub(super) fn is_derived(&self) -> bool {
        self.key.is_none() && self.origin.is_some()
    }

    /// The slot of the attempt that makes it.
    pub(super) fn owner(&self) -> Option<Weak<SlotLease>> {
        self.owner.clone()
    }

    async fn record(self) -> Result<Ticket<O>, LaunchErrorKind> {
        let (derived, owner) = (self.is_derived(), self.owner());
        let (journal, intent) = self.prepare()?;
        pass("launch.called").map_err(|error| LaunchErrorKind::Journal(error.into()))?;
        let appended = journal.append(vec![intent]).await.map_err(LaunchErrorKind::Journal)?;
        Ok(ticket(&journal, appended.first().copied(), derived)?.made_by(owner))
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
            // Not after a slash: a label may look like a position.
            None => Ok(format!("child/{parent}#{position}")),
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
