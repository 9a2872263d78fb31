//! A launch that is to be recorded.

use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::sync::{Arc, Weak};

use futures::future::BoxFuture;

use super::error::{LaunchError, LaunchErrorKind};
use super::key;
use super::launcher::Admitted;
use super::ticket::Ticket;
use crate::agent::{AgentContext, AgentRef, Payload, SlotLease};
use crate::journal::failpoint::pass;
use crate::journal::{Appended, Delivery, Due, Intent, Journal, JournalError, JournalErrorKind, Terms};
use crate::payload::{EncodeError, Encoded, encode_input};
use crate::policy::Restart;
use crate::user_code::{discard, name_of};

/// How long the name of a lane may be, in bytes: it stands in the record of each of its launches.
const LONGEST_LANE: usize = 256;

/// A launch that is to be recorded; await it for its [`Ticket`]. [`System::launch`](crate::System::launch) makes it.
///
/// The `Ok` means that the intent is as durable as the journal makes it; with a
/// [`SledJournal`](crate::SledJournal), it is on disk. From then on the launch does not depend on its caller, nor on its
/// process: it is run until an outcome is recorded or its attempts are spent.
///
/// The input is recorded as JSON, exactly as its `Serialize` writes it. It is written, read back and compared when the launch is
/// made; one that would not return as the same input is refused as [`BadInput`](LaunchErrorKind::BadInput), with the path to
/// what is lost: NaN and infinities, a `Some` that is written as `null` (`Some(None)`, `Some(())`), integers of 128 bits in
/// tagged, flattened or untagged types, variants of untagged enums that would return as others, and what is nested deeper than
/// 127 levels. An output is checked in the same way when the body has run, and one that does not return is a fatal failure
/// with the code `bad_output`. JSON cannot tell apart variants of an untagged enum with the same content, nor orders of arrays
/// in types that hash: two equal inputs that hold a `HashSet` may count as different under a key.
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
    /// Where it is recorded, and its input.
    admitted: Result<(Arc<dyn Journal>, Encoded), LaunchErrorKind>,
    agent: Arc<str>,
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
        input: I,
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
        let admitted = admitted.and_then(|Admitted { journal, .. }| {
            let encoded = encode_input(&input, journal.capabilities().longest_payload);
            Ok((journal, encoded.map_err(bad_input)?))
        });
        discard(input);
        Self {
            admitted,
            agent: agent.shared_name(),
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
    ///
    /// # Panics
    /// If the `Display` of the key panics or fails.
    pub fn key(mut self, key: impl fmt::Display) -> Self {
        self.key = Some(name_of(&key));
        self
    }

    /// A name for this launch among those of the attempt that makes it, of 1 to 256 bytes; see
    /// [`AgentContext::launch`](crate::AgentContext::launch). It has no effect on a launch with a [key](Launch::key), nor on
    /// one that comes from outside of an attempt.
    ///
    /// Within an attempt, a label names one launch of an agent: a second one with the same input gives the same ticket, and with
    /// another input it is [`LabelConflict`](LaunchErrorKind::LabelConflict).
    ///
    /// # Panics
    /// If the `Display` of the label panics or fails.
    pub fn label(mut self, label: impl fmt::Display) -> Self {
        if let Some(origin) = &mut self.origin {
            origin.label = Some(name_of(&label));
        }
        self
    }

    /// It comes from this attempt, which will find it again.
    pub(super) fn within(mut self, cx: &AgentContext) -> Self {
        self.owner = cx.lease().map(|leased| Arc::downgrade(&leased.lease));
        self.origin = Some(Origin { cx: cx.clone(), position: cx.next_position(), label: None });
        self
    }

    /// The name of the agent.
    pub(super) fn agent(&self) -> &Arc<str> {
        &self.agent
    }

    /// What is to be recorded, and where.
    pub(super) fn prepare(self) -> Result<(Arc<dyn Journal>, Intent), LaunchErrorKind> {
        let (journal, Encoded { bytes: input, digest }) = self.admitted?;
        let (key, derives) = match (self.key, self.origin) {
            (Some(key), _) => (Some(key::of_caller(key)?), None),
            (None, Some(origin)) => (Some(origin.key()?), Some(origin)),
            (None, None) => (None, None),
        };
        let bytes = self.terms.lane.as_ref().map_or(1, String::len);
        if bytes == 0 || bytes > LONGEST_LANE {
            return Err(LaunchErrorKind::BadLane { bytes, limit: LONGEST_LANE });
        }
        let attempts = self.terms.restart.most_attempts();
        if self.terms.delivery == Delivery::AtMostOnce && attempts > 1 {
            return Err(LaunchErrorKind::AtMostOnce { attempts });
        }
        if let Some(origin) = derives {
            origin.name(&self.agent, digest)?;
        }
        let agent = self.agent.as_ref().to_owned();
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
    cx: AgentContext,
    position: u32,
    label: Option<String>,
}

impl Origin {
    /// The key of the launch: the same whenever the attempt is made again.
    fn key(&self) -> Result<String, LaunchErrorKind> {
        let parent = self.cx.lineage();
        match &self.label {
            Some(label) => key::of_label(parent, label),
            None => Ok(key::of_position(parent, self.position)),
        }
    }

    /// Has the label, if there is one, name this launch. A position is that of one launch anyway.
    fn name(self, agent: &str, input: u128) -> Result<(), LaunchErrorKind> {
        match self.label {
            Some(label) if !self.cx.name_launch(agent, &label, input) => {
                Err(LaunchErrorKind::LabelConflict { label })
            }
            _ => Ok(()),
        }
    }
}

/// Why an input is not recorded.
fn bad_input(error: EncodeError) -> LaunchErrorKind {
    match error {
        EncodeError::TooLarge { bytes, limit } => LaunchErrorKind::TooLarge { bytes, limit },
        EncodeError::Unfit(text) => LaunchErrorKind::BadInput(text),
    }
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
