//! Who may write the output of a launch in pieces.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

use crate::outcome::LaunchId;

/// Large outputs of one launch are written one after another: their pieces have the same keys, whichever attempt they are
/// of, and those of two that are written at once would be mixed.
#[derive(Default)]
pub(super) struct Turns(Mutex<HashMap<LaunchId, Weak<Turn<()>>>>);

impl Turns {
    /// Waits until nobody else writes an output of this launch. The turn is over when the guard is dropped.
    pub(super) async fn take(&self, id: LaunchId) -> OwnedMutexGuard<()> {
        self.of(id).lock_owned().await
    }

    fn of(&self, id: LaunchId) -> Arc<Turn<()>> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Those of outputs that are written: few.
        turns.retain(|_, turn| turn.strong_count() > 0);
        if let Some(turn) = turns.get(&id).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::default();
        turns.insert(id, Arc::downgrade(&turn));
        turn
    }
}
