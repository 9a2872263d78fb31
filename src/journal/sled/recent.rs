//! What has changed since sled was told.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Bound, ControlFlow};

use super::database::Database;
use crate::journal::JournalError;
use crate::journal::store::{Change, Each};

/// Changes that the log has and sled has not: of each key the last one. They stand before what sled knows.
#[derive(Default)]
pub(super) struct Recent(BTreeMap<Vec<u8>, Option<Vec<u8>>>);

impl fmt::Debug for Recent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recent").field("changes", &self.0.len()).finish()
    }
}

impl Recent {
    pub(super) fn note(&mut self, batch: &[Change]) {
        for change in batch {
            match change {
                Change::Put(key, value) => self.0.insert(key.clone(), Some(value.clone())),
                Change::Delete(key) => self.0.insert(key.clone(), None),
            };
        }
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The value of a key, or that it was removed, if it has changed.
    pub(super) fn get(&self, key: &[u8]) -> Option<Option<&[u8]>> {
        self.0.get(key).map(Option::as_deref)
    }

    /// Tells sled of all of it, durably, as what there is at the commit with this number.
    pub(super) fn tell(&self, database: &Database, number: u64) -> Result<(), JournalError> {
        database.commit(self.0.iter().map(|(key, value)| (&key[..], value.as_deref())), number)
    }

    /// Scans as a store does: what `older` knows, with these changes in it.
    pub(super) fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        each: &mut Each<'_>,
        older: impl FnOnce(&mut Each<'_>) -> Result<(), JournalError>,
    ) -> Result<(), JournalError> {
        let from = after.map_or(Bound::Included(prefix), Bound::Excluded);
        let changes = self.0.range::<[u8], _>((from, Bound::Unbounded));
        let mut changes = changes.take_while(|(key, _)| key.starts_with(prefix)).peekable();
        let mut flow = ControlFlow::Continue(());
        older(&mut |key, value| {
            let mut changed = false;
            while let Some((new, value)) = changes.next_if(|(new, _)| new.as_slice() <= key) {
                changed = new == key;
                if let Some(value) = value {
                    flow = each(new, value)?;
                }
                if flow.is_break() {
                    return Ok(flow);
                }
            }
            if !changed {
                flow = each(key, value)?;
            }
            Ok(flow)
        })?;
        for (new, value) in changes {
            if flow.is_break() {
                break;
            }
            if let Some(value) = value {
                flow = each(new, value)?;
            }
        }
        Ok(())
    }
}
