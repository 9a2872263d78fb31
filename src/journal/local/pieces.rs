//! Payloads that are too long for one record: in pieces, under a mark until the launch's head names them.

use std::ops::ControlFlow;

use super::attempts::Fence;
use super::key;
use super::ledger::Now;
use super::plan::{Plan, damaged, read};
use crate::journal::JournalError;
use crate::journal::exchange::Moved;
use crate::journal::intent::{Head, State, Stored};
use crate::journal::record::{Kind, RecordError};
use crate::journal::store::Change;
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
        // Pieces are looked for in the store, not in what waits.
        self.must_sync();
        Ok(id)
    }

    /// Marks a launch whose output is about to be written in pieces, unless its attempt is stale.
    pub(super) fn stage_output(&mut self, fence: Fence, now: Now) -> Result<Moved, JournalError> {
        if let Err(refused) = self.current(fence)? {
            return Ok(Err(refused));
        }
        // What an earlier attempt has left, whose caller was gone before it was concluded.
        self.remove_pieces(key::OUTPUTS, fence.id)?;
        self.stage(Some(fence.id), now).map(|_| Ok(()))
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
        self.put(Kind::Piece, key::piece(prefix, id, number), &bytes)?;
        self.must_sync();
        Ok(())
    }

    /// One piece of a payload.
    pub(crate) fn piece(&self, prefix: &[u8], id: LaunchId, number: u32) -> Result<Vec<u8>, JournalError> {
        let key = key::piece(prefix, id, number);
        let Some(record) = self.store.get(&key)? else {
            return Err(damaged(RecordError::Damaged("a piece of a payload is missing")));
        };
        read(Kind::Piece, &key, &record)
    }

    /// Removes the pieces that are committed, and those that wait for their commit.
    pub(super) fn remove_pieces(&mut self, prefix: &[u8], id: LaunchId) -> Result<(), JournalError> {
        let prefix = key::of(prefix, id);
        let mut pieces = Vec::new();
        self.store.scan(&prefix, None, &mut |key, _| {
            pieces.push(Change::Delete(key.to_vec()));
            Ok(ControlFlow::Continue(()))
        })?;
        for change in &self.batch {
            match change {
                Change::Put(key, _) if key.starts_with(&prefix) => pieces.push(Change::Delete(key.clone())),
                Change::Put(..) | Change::Delete(_) => {}
            }
        }
        self.batch.append(&mut pieces);
        Ok(())
    }

    /// Removes the pieces that no head names: their process died while it wrote them.
    pub(super) fn sweep_staging(&mut self) -> Result<(), JournalError> {
        let mut marked = Vec::new();
        self.store.scan(key::STAGING, None, &mut |key, _| {
            marked.extend(key::launch(key::STAGING, key));
            Ok(ControlFlow::Continue(()))
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
