//! How a launch is removed, with its payloads: because its retention is over, or because somebody has discarded it.
//!
//! A launch without pieces, or with few, is removed by one commit. One with many loses them over several, and the first of
//! these also writes into its head that it is leaving: from then on it is unknown, and its key is free. The head goes with
//! the last pieces, so that whoever comes after a kill in between goes on where it was.

use std::ops::ControlFlow;

use super::key;
use super::ledger::Now;
use super::pieces::in_pieces;
use super::plan::{Plan, key_of};
use crate::journal::JournalError;
use crate::journal::failpoint::pass;
use crate::journal::intent::{Event, Head, Refused, State, step};
use crate::journal::store::Change;
use crate::outcome::LaunchId;

/// How many changes are made at once, so that a removal holds nobody up.
pub(super) const CHANGES_AT_ONCE: usize = 32;

impl Plan {
    /// What is recorded of a launch. One that is leaving counts as gone.
    pub(crate) fn head(&self, id: LaunchId) -> Result<Option<Head>, JournalError> {
        Ok(self.stored(id)?.filter(|head| !head.is_leaving()))
    }

    /// Removes a launch, which leaves for the reason that the event gives, as far as there is room for changes. `true` if
    /// nothing of it is left.
    pub(super) fn remove(
        &mut self,
        id: LaunchId,
        head: Head,
        event: Event,
        room: usize,
        now: Now,
    ) -> Result<Result<bool, Refused>, JournalError> {
        let mut leaving = head.clone();
        if !head.is_leaving() {
            if let Err(refused) = step(&mut leaving, event, now.wall) {
                return Ok(Err(refused));
            }
        }
        let mut changes = self.some_pieces(id, &head, room)?;
        if !changes.is_empty() {
            pass("sweep.pieces")?;
        }
        let last = changes.len() < room;
        if last {
            pass("sweep.head")?;
            changes.push(Change::Delete(key::of(key::HEADS, id)));
            self.ledger.forget(id, key_of(&head), &head);
        } else if !head.is_leaving() {
            changes.pop();
            self.ledger.forget(id, key_of(&head), &head);
            self.write(id, &mut leaving, now)?;
        }
        changes.into_iter().for_each(|change| self.change(change));
        if last {
            // The head is the last change, and found there by who asks before the commit.
            self.waiting.insert(id, self.changes() - 1);
        }
        self.tell_of_removal(id);
        Ok(Ok(last))
    }

    /// Whether an output in pieces waits for its commit: pieces are looked for in the store. It can be removed afterwards.
    pub(super) fn pieces_wait(&self, id: LaunchId, head: &Head) -> bool {
        let output = matches!(&head.state, State::Done { output, .. } if in_pieces(output));
        output && self.waiting.contains_key(&id)
    }

    /// The removal of at most so many pieces of a launch.
    fn some_pieces(&self, id: LaunchId, head: &Head, most: usize) -> Result<Vec<Change>, JournalError> {
        let output = matches!(&head.state, State::Done { output, .. } if in_pieces(output));
        let mut pieces = Vec::new();
        for (prefix, is_there) in [(key::INPUTS, in_pieces(&head.input)), (key::OUTPUTS, output)] {
            if pieces.len() == most || !is_there && !head.is_leaving() {
                continue;
            }
            self.store.scan(&key::of(prefix, id), None, &mut |key, _| {
                pieces.push(Change::Delete(key.to_vec()));
                Ok(if pieces.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
            })?;
        }
        Ok(pieces)
    }
}
