//! How a launch is removed, with its payloads.
//!
//! Its head goes first, and a mark is left in the same commit if there are pieces of payloads: so nobody ever sees a launch
//! without its payloads. The pieces go after it, some at a time, so that a large payload holds nobody up, and the mark
//! goes with the last of them. What a process that dies meanwhile leaves behind is removed when the journal is opened.

use std::ops::ControlFlow;

use super::key;
use super::pieces::in_pieces;
use super::plan::{Plan, key_of};
use crate::journal::JournalError;
use crate::journal::intent::{Head, State};
use crate::journal::record::Kind;
use crate::journal::store::Change;
use crate::outcome::LaunchId;

/// How many pieces are removed by one commit.
const REMOVED_AT_ONCE: usize = 256;

impl Plan {
    /// Removes a launch: from this commit on its id is unknown and its key free. Says whether pieces are left, which
    /// [`clear`](Plan::clear) removes.
    pub(super) fn remove(&mut self, id: LaunchId, head: &Head) -> Result<bool, JournalError> {
        let output = matches!(&head.state, State::Done { output, .. } if in_pieces(output));
        let pieces = output || in_pieces(&head.input);
        if pieces {
            self.put(Kind::Staging, key::of(key::STAGING, id), &())?;
        }
        self.change(Change::Delete(key::of(key::HEADS, id)));
        self.waiting.insert(id, self.batch.len() - 1);
        self.ledger.forget(id, key_of(head));
        // Whoever waits for its end learns that there is none; what has waited behind it may start.
        self.untold.ended.push(id);
        self.untold.pending = true;
        self.must_sync();
        Ok(pieces)
    }

    /// Removes some of the pieces of a launch that was removed. Says whether more are left.
    pub(super) fn clear(&mut self, id: LaunchId) -> Result<bool, JournalError> {
        let mut pieces = Vec::new();
        for prefix in [key::INPUTS, key::OUTPUTS] {
            self.store.scan(&key::of(prefix, id), None, &mut |key, _| {
                if pieces.len() == REMOVED_AT_ONCE {
                    return Ok(ControlFlow::Break(()));
                }
                pieces.push(Change::Delete(key.to_vec()));
                Ok(ControlFlow::Continue(()))
            })?;
        }
        let more = pieces.len() == REMOVED_AT_ONCE;
        pieces.into_iter().for_each(|piece| self.change(piece));
        if !more {
            self.unmark(id);
        }
        // The rest is looked for in the store, not in what waits.
        self.must_sync();
        Ok(more)
    }
}
