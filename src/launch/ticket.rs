//! The receipt of a launch.

use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::error::TicketError;
use super::key;
use super::outcome::failure_of;
use super::waiting::{lease_of, wait};
use crate::agent::{Payload, SlotLease, ambient};
use crate::journal::{Journal, LaunchRecord, LaunchStatus, Moved, Refused};
use crate::outcome::{LaunchId, Outcome};
use crate::payload::{decode, encode};

/// The receipt of a launch: its intent is recorded.
///
/// Cheap to clone. Dropping it changes nothing: the launch runs without it.
pub struct Ticket<O> {
    journal: Arc<dyn Journal>,
    id: LaunchId,
    known: bool,
    input_differs: bool,
    /// The slot of the attempt that has made the ticket, which lends it while a task of its own waits.
    owner: Weak<SlotLease>,
    output: PhantomData<fn() -> O>,
}

impl<O> Ticket<O> {
    pub(crate) fn new(journal: Arc<dyn Journal>, id: LaunchId, known: bool) -> Self {
        let owner = ambient::current()
            .and_then(|cx| cx.lease().map(|leased| Arc::downgrade(&leased.lease)))
            .unwrap_or_default();
        Self { journal, id, known, input_differs: false, owner, output: PhantomData }
    }

    /// The same, made by an attempt of this launch.
    pub(super) fn made_by(mut self, owner: Option<Weak<SlotLease>>) -> Self {
        self.owner = owner.unwrap_or(self.owner);
        self
    }

    /// The launch's identity. It stays the same over attempts and restarts.
    pub fn id(&self) -> LaunchId {
        self.id
    }

    /// The name of the launch's result, as a text that may be kept and passed on: see [`LaunchId::uri`].
    /// [`System::result_of`](crate::System::result_of) reads it.
    pub fn uri(&self) -> String {
        self.id.uri()
    }

    /// Whether the launch was recorded before, under the same key.
    pub fn is_known(&self) -> bool {
        self.known
    }

    /// Whether the launch was recorded before with another input, which it keeps: only for launches from within an attempt
    /// that have no key of their own, see [`AgentContext::launch`](crate::AgentContext::launch).
    pub fn input_differs(&self) -> bool {
        self.input_differs
    }

    pub(super) fn with_other_input(mut self) -> Self {
        self.input_differs = true;
        self
    }

    /// What is recorded of the launch: when, how often it was tried, how its attempts ended.
    ///
    /// # Errors
    /// [`TicketError`], if that cannot be read.
    pub async fn record(&self) -> Result<LaunchRecord, TicketError> {
        let record = self.journal.get(self.id).await?.ok_or(TicketError::Unknown(self.id))?;
        Ok(key::shown_in(record))
    }

    /// Where the launch stands.
    ///
    /// # Errors
    /// [`TicketError`], if that cannot be read.
    pub async fn status(&self) -> Result<LaunchStatus, TicketError> {
        Ok(self.record().await?.status)
    }

    /// Records that nobody wants the launch any more. One that waits is cancelled at once. An attempt that runs is not
    /// stopped: if it gives a value, that counts, and otherwise the launch is cancelled when it ends. `false` if the launch
    /// had ended before.
    ///
    /// # Errors
    /// [`TicketError`], if it could not be recorded.
    ///
    /// # Cancel safety
    /// If the future is dropped, the cancellation may have been recorded or not. It may be called again.
    pub async fn cancel(&self) -> Result<bool, TicketError> {
        self.moved(self.journal.cancel(self.id).await?)
    }

    /// Gives a launch that is [dead](LaunchStatus::Dead) or [ambiguous](LaunchStatus::Ambiguous) a new series of attempts,
    /// under the same id. `false` if it is neither.
    ///
    /// # Errors
    /// [`TicketError`], if it could not be recorded.
    ///
    /// # Cancel safety
    /// If the future is dropped, the new series may have been recorded or not. It may be called again.
    pub async fn requeue(&self) -> Result<bool, TicketError> {
        self.moved(self.journal.requeue(self.id).await?)
    }

    /// Removes a launch that waits for a decision: one that is [dead](LaunchStatus::Dead),
    /// [ambiguous](LaunchStatus::Ambiguous) or [parked](LaunchStatus::Parked). `false` if it is none of these.
    ///
    /// Nothing is left of it: tickets of it, this one included, say from then on that it is
    /// [unknown](TicketError::Unknown), and its key is free for another launch.
    ///
    /// # Errors
    /// [`TicketError`], if it could not be recorded.
    ///
    /// # Cancel safety
    /// If the future is dropped, the launch may be gone or not. It may be called again.
    pub async fn discard(&self) -> Result<bool, TicketError> {
        self.moved(self.journal.discard(self.id).await?)
    }

    /// The same as [`settle`](Ticket::settle), with an output that is JSON already.
    pub(super) async fn settle_bytes(&self, output: &[u8]) -> Result<bool, TicketError> {
        let limit = self.journal.capabilities().longest_payload;
        if output.len() > limit {
            let reason = format!("it is {} bytes long, where {limit} are allowed", output.len());
            return Err(TicketError::Unfit { id: self.id, reason });
        }
        self.moved(self.journal.settle(self.id, output).await?)
    }

    fn moved(&self, moved: Moved) -> Result<bool, TicketError> {
        match moved {
            Ok(()) => Ok(true),
            Err(Refused::Unknown) => Err(TicketError::Unknown(self.id)),
            Err(_) => Ok(false),
        }
    }
}

impl<O: Payload> Ticket<O> {
    /// Ends a launch that is [dead](LaunchStatus::Dead) or [ambiguous](LaunchStatus::Ambiguous) as done, with the output that
    /// it should have had: somebody has looked, and knows. `false` if it is neither.
    ///
    /// # Errors
    /// [`TicketError`], if it could not be recorded; [`TicketError::Unfit`], if the output is longer than the journal takes or
    /// cannot be written as JSON that is read back as the same output.
    ///
    /// # Cancel safety
    /// If the future is dropped, the output may have been recorded or not. It may be called again; the first one counts.
    pub async fn settle(&self, output: &O) -> Result<bool, TicketError> {
        let output = encode(output, self.journal.capabilities().longest_payload);
        let output = output.map_err(|error| TicketError::Unfit { id: self.id, reason: error.to_string() })?;
        self.settle_bytes(&output).await
    }

    /// Waits for the launch's outcome: once it is recorded, or will never be without somebody's decision. Any number of
    /// callers may wait.
    ///
    /// An attempt of a launch lends its slot while it waits for another launch, so that launches which wait for each other do
    /// not run out of slots. The slot belongs to the attempt, not to the wait: it is lent while at least one wait of the
    /// attempt is outstanding and none of its code is being executed, and had back, first come, first served, before its code
    /// goes on. So waits may be joined, selected among, limited, dropped, or made within nested runs, and never more
    /// attempts execute code than there are slots. `result` therefore returns when the outcome is there and the attempt has its
    /// slot; so it is with every other future that the agent awaits during the wait. (What is executed when a future is dropped,
    /// and the iterators and streams of nested runs, do not wait for the slot.) How a launch that a death of the process has
    /// made a suspect lends its place among the suspects: [`Journal::suspend_suspect`](crate::journal::Journal::suspend_suspect).
    ///
    /// Code that the crate does not poll, in a task that the agent has spawned or on the thread of a
    /// [`blocking`](crate::blocking) agent, is known by its tickets (in a task, those that were made by the attempt). A wait
    /// there lends the slot too, and when it ends and was the attempt's last one, it returns once the slot is had back. While
    /// other waits of the attempt are outstanding it returns at once, without a slot. A wait that is dropped in a task
    /// leaves the slot to the next poll of the agent's own code; on the thread of a blocking agent, its drop blocks until the
    /// slot is there. Beyond that nothing is promised for such code: it goes on when it wants to, also while the slot is lent.
    ///
    /// A wait that cannot end is not refused: a launch waits for itself, launches wait for each other, or one waits for another
    /// one behind it in its [lane](crate::Launch::lane). It is said in the log, once, with both launches, and counted in
    /// [`LaunchesStatus::unending_waits`](crate::LaunchesStatus::unending_waits).
    ///
    /// # Errors
    /// [`TicketError`] if the outcome could not be read. The outcome's own error says why the launch has no output.
    ///
    /// # Cancel safety
    /// It may be dropped and called again at any time.
    pub async fn result(&self) -> Result<Outcome<O>, TicketError> {
        let ended = wait(&*self.journal, lease_of(&self.owner), self.id, self.journal.ended(self.id)).await?;
        let record = ended.ok_or(TicketError::Unknown(self.id))?;
        self.read(&record).await
    }

    /// Waits for the launch's outcome as [`result`](Ticket::result) does, but no longer than `limit`. In an attempt that has lent
    /// its slot, it returns after that once the slot is had back.
    ///
    /// # Errors
    /// [`TicketError::TimedOut`], if it was not recorded by then: the launch goes on, and may be asked again. Otherwise as
    /// [`result`](Ticket::result).
    ///
    /// # Cancel safety
    /// It may be dropped and called again at any time.
    pub async fn result_within(&self, limit: Duration) -> Result<Outcome<O>, TicketError> {
        let ended = async {
            let record = self.journal.ended(self.id).await?.ok_or(TicketError::Unknown(self.id))?;
            self.read(&record).await
        };
        let late = |_| TicketError::TimedOut { id: self.id, limit };
        let ended = tokio::time::timeout(limit, ended);
        wait(&*self.journal, lease_of(&self.owner), self.id, ended).await.map_err(late)?
    }

    /// The launch's outcome, if it is recorded already.
    ///
    /// # Errors
    /// As [`result`](Ticket::result).
    pub async fn try_result(&self) -> Result<Option<Outcome<O>>, TicketError> {
        let record = self.record().await?;
        if record.status.is_final() { self.read(&record).await.map(Some) } else { Ok(None) }
    }

    async fn read(&self, record: &LaunchRecord) -> Result<Outcome<O>, TicketError> {
        if record.status != LaunchStatus::Done {
            return Ok(Err(failure_of(record)));
        }
        let output = self.journal.output(self.id).await?.ok_or(TicketError::Unknown(self.id))?;
        let output = decode(&output).map(Ok);
        output.map_err(|error| TicketError::BadOutput { id: self.id, reason: error.to_string() })
    }
}

impl<O> Clone for Ticket<O> {
    fn clone(&self) -> Self {
        let (journal, owner) = (Arc::clone(&self.journal), Weak::clone(&self.owner));
        Self { journal, owner, output: PhantomData, ..*self }
    }
}

impl<O> fmt::Debug for Ticket<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket").field("id", &self.id).field("is_known", &self.known).finish_non_exhaustive()
    }
}
