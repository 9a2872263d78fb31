//! What somebody decides about a launch that waits for a decision: it is settled, or discarded.

use super::Local;
use super::key;
use super::ledger::Now;
use super::pieces::{LONGEST_INLINE, PIECE};
use super::plan::Plan;
use super::removal::CHANGES_AT_ONCE;
use crate::journal::JournalError;
use crate::journal::exchange::Moved;
use crate::journal::intent::{Event, Head, Refused, Stored};
use crate::outcome::LaunchId;

impl Local {
    pub(super) async fn settle(&self, id: LaunchId, output: &[u8]) -> Result<Moved, JournalError> {
        let output = output.to_vec();
        self.ask(move |plan, now| plan.settle(id, output, now)).await
    }

    pub(super) async fn discard(&self, id: LaunchId) -> Result<Moved, JournalError> {
        let mut gone = match self.ask(move |plan, now| plan.discard(id, now)).await? {
            Ok(gone) => gone,
            Err(refused) => return Ok(Err(refused)),
        };
        while !gone {
            gone = self.ask(move |plan, now| plan.discard_more(id, now)).await?;
        }
        Ok(Ok(()))
    }
}

impl Plan {
    /// Ends a launch with an output that somebody knows.
    ///
    /// The pieces of a long one are written by the same commit as the head. No claim fences who settles, so of two at once,
    /// or of one and an attempt after a requeue, each must write all of its output or nothing.
    fn settle(&mut self, id: LaunchId, output: Vec<u8>, now: Now) -> Result<Moved, JournalError> {
        if output.len() <= LONGEST_INLINE {
            return Ok(self.advance(id, Event::Settle { output: Stored::Here(output) }, now)?.map(drop));
        }
        let stored = Stored::InPieces(output.len() as u64);
        if let Err(refused) = self.advance(id, Event::Settle { output: stored }, now)? {
            return Ok(Err(refused));
        }
        for (number, piece) in (0..).zip(output.chunks(PIECE)) {
            self.put_piece(key::OUTPUTS, id, number, piece)?;
        }
        Ok(Ok(()))
    }

    /// Removes a launch that waits for a decision. Says whether nothing of it is left.
    fn discard(&mut self, id: LaunchId, now: Now) -> Result<Result<bool, Refused>, JournalError> {
        let Some(head) = self.head(id)? else { return Ok(Err(Refused::Unknown)) };
        let parked = self.is_parked(id, &head);
        let removed = self.remove(id, head, Event::Discard { parked }, CHANGES_AT_ONCE, now)?;
        self.must_sync();
        Ok(removed)
    }

    /// Removes more of a launch that is leaving. Says whether nothing of it is left.
    fn discard_more(&mut self, id: LaunchId, now: Now) -> Result<bool, JournalError> {
        let Some(head) = self.stored(id)?.filter(Head::is_leaving) else { return Ok(true) };
        let removed = self.remove(id, head, Event::Leave, CHANGES_AT_ONCE, now)?;
        self.must_sync();
        Ok(removed.unwrap_or(true))
    }
}
