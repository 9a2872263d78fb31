//! A store that forgets: for tests, and for who wants launches without a disk.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::{Change, Each, Store};
use crate::journal::{JournalError, JournalErrorKind};

/// Keeps pairs in memory, with the rules of a store on disk: what is too long is refused, and after a failed commit
/// there is none before a reopen. It is lost with its process.
#[derive(Default)]
pub(crate) struct MemoryStore {
    pairs: BTreeMap<Vec<u8>, Vec<u8>>,
    failed: Option<JournalErrorKind>,
}

impl MemoryStore {
    /// An empty store.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    fn working(&self) -> Result<(), JournalError> {
        match self.failed {
            Some(kind) => Err(JournalError::new(kind).because("an earlier commit failed")),
            None => Ok(()),
        }
    }
}

impl Store for MemoryStore {
    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, each: &mut Each<'_>) -> Result<(), JournalError> {
        self.working()?;
        let from = after.map_or(Bound::Included(prefix), Bound::Excluded);
        let pairs = self.pairs.range::<[u8], _>((from, Bound::Unbounded));
        for (key, value) in pairs.take_while(|(key, _)| key.starts_with(prefix)) {
            if each(key, value)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, JournalError> {
        self.working()?;
        Ok(self.pairs.get(key).cloned())
    }

    fn commit(&mut self, batch: &[Change]) -> Result<(), JournalError> {
        self.working()?;
        batch.iter().try_for_each(Change::check).inspect_err(|error| self.failed = Some(error.kind()))?;
        for change in batch {
            match change {
                Change::Put(key, value) => self.pairs.insert(key.clone(), value.clone()),
                Change::Delete(key) => self.pairs.remove(key),
            };
        }
        Ok(())
    }

    fn reopen(&mut self) -> Result<(), JournalError> {
        self.failed = None;
        Ok(())
    }
}
