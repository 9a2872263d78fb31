//! Payloads that are too long for one record: in pieces, under a mark until the launch's head names them.

use super::JournalError;
use super::intent::{Head, Refused, State, Stored, is_current};
use super::key;
use super::ledger::Now;
use super::plan::{Plan, damaged, read};
use super::record::{Kind, RecordError};
use super::store::Change;
use crate::outcome::LaunchId;

/// The longest payload that stands in its launch's head. Longer ones have pieces of their own.
pub(crate) const LONGEST_INLINE: usize = 1024;

/// The bytes of one piece.
pub(crate) const PIECE: usize = 4000;

impl Plan {
    /// Marks a launch whose pieces are about to be written; a new one gets its id.
    pub(crate) fn stage(&mut self, id: Option<LaunchId>, now: Now) -> Result<LaunchId, JournalError> {
        let id = id.unwrap_or_else(|| self.next_id(now));
        self.put(Kind::Staging, key::of(key::STAGING, id), &())?;
        Ok(id)
    }

    /// Marks a launch whose output is about to be written in pieces, unless its attempt is stale.
    pub(crate) fn stage_output(
        &mut self,
        id: LaunchId,
        epoch: u64,
        attempt: u32,
        now: Now,
    ) -> Result<Result<(), Refused>, JournalError> {
        let Some(head) = self.head(id)? else { return Ok(Err(Refused::Unknown)) };
        match is_current(&head, epoch, attempt) {
            Ok(_) => self.stage(Some(id), now).map(|_| Ok(())),
            Err(refused) => Ok(Err(refused)),
        }
    }

    /// The pieces of a launch are named by its head from now on, or are gone.
    pub(super) fn unmark(&mut self, id: LaunchId) {
        self.change(Change::Delete(key::of(key::STAGING, id)));
    }

    /// Writes one piece of a payload.
    pub(crate) fn put_piece(
        &mut self,
        prefix: &[u8],
        id: LaunchId,
        number: u32,
        bytes: &[u8],
    ) -> Result<(), JournalError> {
        self.put(Kind::Piece, key::piece(prefix, id, number), &bytes)
    }

    /// One piece of a payload.
    pub(crate) fn piece(&self, prefix: &[u8], id: LaunchId, number: u32) -> Result<Vec<u8>, JournalError> {
        let key = key::piece(prefix, id, number);
        let Some(record) = self.store.get(&key)? else {
            return Err(damaged(RecordError::Damaged("a piece of a payload is missing")));
        };
        read(Kind::Piece, &key, &record)
    }

    /// Removes the pieces that are committed.
    pub(super) fn remove_pieces(&mut self, prefix: &[u8], id: LaunchId) -> Result<(), JournalError> {
        let mut pieces = Vec::new();
        self.store.scan(&key::of(prefix, id), &mut |key, _| {
            pieces.push(Change::Delete(key.to_vec()));
            Ok(())
        })?;
        pieces.into_iter().for_each(|piece| self.change(piece));
        Ok(())
    }

    /// Removes the pieces that no head names: their process died while it wrote them.
    pub(super) fn sweep_staging(&mut self) -> Result<(), JournalError> {
        let mut marked = Vec::new();
        self.store.scan(key::STAGING, &mut |key, _| {
            marked.extend(key::launch(key::STAGING, key));
            Ok(())
        })?;
        for id in marked {
            let head = self.head(id)?;
            if !head.as_ref().is_some_and(|head| in_pieces(&head.input)) {
                self.remove_pieces(key::INPUTS, id)?;
            }
            let is_output =
                |head: &Head| matches!(&head.state, State::Done { output, .. } if in_pieces(output));
            if !head.as_ref().is_some_and(is_output) {
                self.remove_pieces(key::OUTPUTS, id)?;
            }
            self.unmark(id);
        }
        Ok(())
    }
}

/// Whether a payload stands in pieces.
pub(super) fn in_pieces(payload: &Stored) -> bool {
    matches!(payload, Stored::InPieces(_))
}
