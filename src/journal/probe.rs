//! The stores, open to the crate's own tests.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::contract::Durability;
use super::local::{Embedded, Local};
use super::sled::{Compaction, SledStore};
use super::store::memory::MemoryStore;
use super::store::{Change, Each, Store};
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

/// A store in memory that outlives the journals over it, as a disk does.
#[derive(Clone, Default)]
pub struct Shelf(Arc<Mutex<Shelved>>);

#[derive(Default)]
struct Shelved {
    store: MemoryStore,
    /// How the next commit fails.
    fault: Option<ShelfFault>,
    /// Reading a key fails that begins so, and how often.
    unreadable: Option<(Vec<u8>, usize)>,
    /// How long each read of a value takes.
    read_time: Duration,
    /// How many values were read.
    reads: usize,
    /// How many values had been read when each commit was made.
    commits: Vec<usize>,
}

/// How a commit fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShelfFault {
    /// Nothing of it is there.
    Lost,
    /// All of it is there, and nobody was told.
    Untold,
}

impl Shelf {
    /// A journal over what is there.
    pub fn journal(&self) -> ShelfJournal {
        ShelfJournal(Local::new(self.clone()))
    }

    /// The next commit fails.
    pub fn break_next(&self, fault: ShelfFault) {
        self.lock().fault = Some(fault);
    }

    /// The next reads of keys that begin so fail, so many of them.
    pub fn break_reads(&self, prefix: &[u8], times: usize) {
        self.lock().unreadable = Some((prefix.to_vec(), times));
    }

    /// How many reads are still to fail.
    pub fn unreadable(&self) -> usize {
        self.lock().unreadable.as_ref().map_or(0, |(_, times)| *times)
    }

    /// Each read of a value takes so long.
    pub fn slow_reads(&self, time: Duration) {
        self.lock().read_time = time;
    }

    /// How many values were read so far.
    pub fn reads(&self) -> usize {
        self.lock().reads
    }

    /// For each commit, in their order, how many values had been read before it.
    pub fn commits(&self) -> Vec<usize> {
        self.lock().commits.clone()
    }

    /// Holds up whoever reads or commits, until what this gives is dropped.
    pub fn hold_up(&self) -> impl Drop {
        self.lock()
    }

    /// Whether a commit is still to fail.
    pub fn is_armed(&self) -> bool {
        self.lock().fault.is_some()
    }

    /// What is there, as a store.
    pub fn store(&self) -> StoreProbe {
        StoreProbe(Box::new(self.clone()))
    }

    fn lock(&self) -> MutexGuard<'_, Shelved> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for Shelf {
    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, each: &mut Each<'_>) -> Result<(), JournalError> {
        self.lock().store.scan(prefix, after, each)
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, JournalError> {
        let mut shelved = self.lock();
        std::thread::sleep(shelved.read_time);
        shelved.reads += 1;
        if let Some((prefix, times)) = &mut shelved.unreadable {
            if *times > 0 && key.starts_with(prefix) {
                *times -= 1;
                return Err(JournalError::new(JournalErrorKind::Io));
            }
        }
        shelved.store.get(key)
    }

    fn commit(&mut self, batch: &[Change]) -> Result<(), JournalError> {
        let mut shelved = self.lock();
        let (fault, reads) = (shelved.fault.take(), shelved.reads);
        shelved.commits.push(reads);
        if fault != Some(ShelfFault::Lost) {
            shelved.store.commit(batch)?;
        }
        match fault {
            Some(_) => Err(JournalError::new(JournalErrorKind::Io)),
            None => Ok(()),
        }
    }

    fn reopen(&mut self) -> Result<(), JournalError> {
        self.lock().store.reopen()
    }
}

/// A journal over a [`Shelf`].
pub struct ShelfJournal(Local);

impl ShelfJournal {
    /// Acknowledges before it commits, as a journal on disk may.
    #[must_use]
    pub fn buffered(mut self, interval: Duration) -> Self {
        self.0.set_interval(interval);
        self
    }
}

impl Embedded for ShelfJournal {
    fn local(&self) -> &Local {
        &self.0
    }

    fn promises(&self) -> Durability {
        self.0.durability()
    }
}
