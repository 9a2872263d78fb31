//! The receipt of a launch.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use super::error::TicketError;
use super::outcome::outcome_of;
use crate::agent::Payload;
use crate::journal::{Event, Head, Journal, Refused, State};
use crate::outcome::{LaunchId, Outcome};

/// The receipt of a launch: its intent is recorded.
///
/// Cheap to clone. Dropping it changes nothing: the launch runs without it.
pub struct Ticket<O> {
    journal: Arc<Journal>,
    id: LaunchId,
    known: bool,
    output: PhantomData<fn() -> O>,
}

/// Where a launch stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LaunchStatus {
    /// It waits for its next attempt, or for its first.
    Pending,
    /// It waits for a process that can run it: its agent is not registered in this one, or does not take its input any more.
    Parked,
    /// An attempt is under way.
    Running,
    /// It has succeeded, and its output is recorded.
    Done,
    /// It is out of attempts, and kept with its input.
    Dead,
    /// It was cancelled.
    Cancelled,
    /// It was to run at most once; its body began, and nobody knows how far it came.
    Ambiguous,
}

impl<O> Ticket<O> {
    pub(crate) fn new(journal: Arc<Journal>, id: LaunchId, known: bool) -> Self {
        Self { journal, id, known, output: PhantomData }
    }

    /// The launch's identity. It stays the same over attempts and restarts.
    pub fn id(&self) -> LaunchId {
        self.id
    }

    /// Whether the launch was recorded before, under the same key.
    pub fn is_known(&self) -> bool {
        self.known
    }

    /// Where the launch stands.
    ///
    /// # Errors
    /// [`TicketError`], if that cannot be read.
    pub async fn status(&self) -> Result<LaunchStatus, TicketError> {
        let (head, parked) = self.journal.look(self.id).await?.ok_or(TicketError::Unknown(self.id))?;
        Ok(match head.state {
            State::Pending(_) if parked => LaunchStatus::Parked,
            State::Pending(_) => LaunchStatus::Pending,
            State::Running { .. } => LaunchStatus::Running,
            State::Done { .. } => LaunchStatus::Done,
            State::Dead { .. } => LaunchStatus::Dead,
            State::Cancelled { .. } => LaunchStatus::Cancelled,
            State::Ambiguous { .. } => LaunchStatus::Ambiguous,
        })
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
        self.advance(Event::Cancel).await
    }

    /// Gives a launch that is [dead](LaunchStatus::Dead) a new series of attempts, under the same id. `false` if it is not.
    ///
    /// # Errors
    /// [`TicketError`], if it could not be recorded.
    ///
    /// # Cancel safety
    /// If the future is dropped, the new series may have been recorded or not. It may be called again.
    pub async fn requeue(&self) -> Result<bool, TicketError> {
        self.advance(Event::Requeue).await
    }

    async fn advance(&self, event: Event) -> Result<bool, TicketError> {
        match self.journal.advance(self.id, event).await? {
            Ok(_) => Ok(true),
            Err(Refused::Unknown) => Err(TicketError::Unknown(self.id)),
            Err(_) => Ok(false),
        }
    }
}

impl<O: Payload> Ticket<O> {
    /// Waits for the launch's outcome: once it is recorded, or will never be without somebody's decision. Any number of
    /// callers may wait.
    ///
    /// # Errors
    /// [`TicketError`] if the outcome could not be read. The outcome's own error says why the launch has no output.
    ///
    /// # Cancel safety
    /// It may be dropped and called again at any time.
    pub async fn result(&self) -> Result<Outcome<O>, TicketError> {
        let head = self.journal.ended(self.id).await?.ok_or(TicketError::Unknown(self.id))?;
        self.read(&head).await
    }

    /// The launch's outcome, if it is recorded already.
    ///
    /// # Errors
    /// As [`result`](Ticket::result).
    pub async fn try_result(&self) -> Result<Option<Outcome<O>>, TicketError> {
        let head = self.journal.head(self.id).await?.ok_or(TicketError::Unknown(self.id))?;
        if head.state.is_final() { self.read(&head).await.map(Some) } else { Ok(None) }
    }

    async fn read(&self, head: &Head) -> Result<Outcome<O>, TicketError> {
        let Some(output) = self.journal.output(self.id, head).await? else {
            return Ok(Err(outcome_of(head)));
        };
        let output = serde_json::from_slice(&output);
        output.map(Ok).map_err(|error| TicketError::BadOutput { id: self.id, reason: error.to_string() })
    }
}

impl<O> Clone for Ticket<O> {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.journal), self.id, self.known)
    }
}

impl<O> fmt::Debug for Ticket<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket").field("id", &self.id).field("is_known", &self.known).finish_non_exhaustive()
    }
}
