//! What a system tells of launches that were made: as a list, and one by its id, its key, or the name of its result.

use super::System;
use crate::agent::{AgentRef, Payload};
use crate::journal::{JournalError, LaunchFilter};
use crate::launch::{Launches, Ticket, TicketError, key_candidates};
use crate::outcome::{LaunchId, Outcome};

impl System {
    /// The recorded launches that a filter means: to count, to read page by page, and to decide about those that need it.
    /// A system without a journal has none.
    pub fn launches(&self, filter: LaunchFilter) -> Launches {
        Launches::new(self.journal(), filter)
    }

    /// The ticket of a launch, for who has kept its id: `O` is the output of its agent. Whether there is such a launch
    /// shows when the ticket is asked. `None` if the system has no journal.
    pub fn ticket<O: Payload>(&self, id: LaunchId) -> Option<Ticket<O>> {
        self.journal().map(|journal| Ticket::new(journal, id, true))
    }

    /// The ticket of the launch under this key of an agent, also if it was recorded under an [alias](crate::Builder::alias)
    /// of the agent. `None` if none is recorded, or if the system has no journal.
    ///
    /// It also finds the launch of an [attempt](crate::AgentContext::launch) by the key that its record shows, unless a caller
    /// has launched under the same key.
    ///
    /// # Errors
    /// [`JournalError`], if the journal cannot be read.
    ///
    /// # Cancel safety
    /// It only reads.
    pub async fn ticket_by_key<I: Payload, O: Payload>(
        &self,
        agent: &AgentRef<I, O>,
        key: impl ToString,
    ) -> Result<Option<Ticket<O>>, JournalError> {
        let Some(journal) = self.journal() else { return Ok(None) };
        let (agent, key) = (agent.shared_name(), key.to_string());
        for key in key_candidates(key) {
            if let Some(record) = journal.by_key(&agent, &key).await? {
                return Ok(Some(Ticket::new(journal, record.id, true)));
            }
        }
        Ok(None)
    }

    /// Waits for the outcome of the launch whose result has this name, as [`Ticket::uri`] gives it: `O` is the output of its
    /// agent.
    ///
    /// # Errors
    /// [`TicketError`]: [`BadUri`](TicketError::BadUri) if the text is no such name, [`Unknown`](TicketError::Unknown) if
    /// there is no such launch in this system's journal, or not any more. The outcome's own error says why the launch has
    /// no output.
    ///
    /// # Cancel safety
    /// It may be dropped and called again at any time.
    pub async fn result_of<O: Payload>(&self, uri: &str) -> Result<Outcome<O>, TicketError> {
        let id = LaunchId::from_uri(uri)?;
        self.ticket(id).ok_or(TicketError::NoJournal)?.result().await
    }
}
