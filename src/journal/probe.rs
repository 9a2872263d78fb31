//! The stores, open to the crate's own tests.

use std::ops::ControlFlow;
use std::path::Path;

use super::sled::{Compaction, SledStore};
use super::store::memory::MemoryStore;
use super::store::{Change, Store};
use super::{JournalError, JournalErrorKind};

/// Pairs of keys and values.
pub type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// A store under test.
pub struct StoreProbe(Box<dyn Store>);

impl StoreProbe {
    /// A store in memory.
    pub fn memory() -> Self {
        Self(Box::new(MemoryStore::new()))
    }

    /// The store on disk, as a journal opens it.
    pub fn sled(path: &Path) -> Result<Self, JournalError> {
        Ok(Self(Box::new(SledStore::open(path)?)))
    }

    /// The store on disk, which is copied to fresh files from this size on, if less than this percentage is live.
    pub fn sled_compacting(path: &Path, least_size: u64, least_live: u64) -> Result<Self, JournalError> {
        Ok(Self(Box::new(SledStore::open_with(path, Compaction { least_size, least_live })?)))
    }

    /// Commits a batch; no value means that the key is removed.
    pub fn commit(&mut self, batch: &[(&[u8], Option<&[u8]>)]) -> Result<(), JournalError> {
        let change = |(key, value): &(&[u8], Option<&[u8]>)| match value {
            Some(value) => Change::Put(key.to_vec(), value.to_vec()),
            None => Change::Delete(key.to_vec()),
        };
        self.0.commit(&batch.iter().map(change).collect::<Vec<_>>())
    }

    /// The value of a key.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, JournalError> {
        self.0.get(key)
    }

    /// Every pair whose key begins with this.
    pub fn scan(&self, prefix: &[u8]) -> Result<Pairs, JournalError> {
        let mut pairs = Vec::new();
        self.scan_until(prefix, |key, value| {
            pairs.push((key.to_vec(), value.to_vec()));
            Ok(())
        })?;
        Ok(pairs)
    }

    /// Scans until `each` refuses a pair.
    pub fn scan_until(
        &self,
        prefix: &[u8],
        mut each: impl FnMut(&[u8], &[u8]) -> Result<(), JournalError>,
    ) -> Result<(), JournalError> {
        self.0.scan(prefix, None, &mut |key, value| each(key, value).map(ControlFlow::Continue))
    }

    /// The first pairs whose key begins with `prefix` and comes after `after`, at most so many.
    pub fn some(&self, prefix: &[u8], after: &[u8], most: usize) -> Result<Pairs, JournalError> {
        let mut pairs = Vec::new();
        self.0.scan(prefix, Some(after), &mut |key, value| {
            pairs.push((key.to_vec(), value.to_vec()));
            Ok(if pairs.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        Ok(pairs)
    }

    /// Scans, and refuses the first record.
    pub fn refuse(&self, kind: JournalErrorKind) -> Result<(), JournalError> {
        self.scan_until(b"", |_, _| Err(JournalError::new(kind)))
    }

    /// Opens the store anew, in the same place.
    pub fn reopen(&mut self) -> Result<(), JournalError> {
        self.0.reopen()
    }
}
