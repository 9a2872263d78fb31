//! The journals that a system can be given.

#[cfg(feature = "sled")]
use std::fmt;
#[cfg(feature = "sled")]
use std::path::Path;
#[cfg(feature = "sled")]
use std::time::Duration;

#[cfg(feature = "sled")]
use super::JournalError;
use super::contract::Durability;
use super::local::{Embedded, Local};
#[cfg(feature = "sled")]
use super::sled::SledStore;
use super::store::memory::MemoryStore;

/// A journal in a directory, on an embedded [sled](https://docs.rs/sled/0.34) database. Give it to
/// [`Builder::journal`](crate::Builder::journal).
///
/// What it acknowledges is on disk, synced: it survives a kill of the process, a crash of the kernel and a power cut, as
/// far as the disk keeps what it says it has synced. One process has a directory at a time, which is locked as long as
/// the journal, or the system that it was given to, lives; when a process dies, the lock is free at once. The directory
/// must be on a local file system: locks and syncs of network file systems do not hold.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = std::env::temp_dir().join(format!("sortie-doc-{}", std::process::id()));
/// use sortie::{SledJournal, System};
///
/// let builder = System::builder().journal(SledJournal::open(&folder)?);
/// # drop(builder);
/// # std::fs::remove_dir_all(folder)?;
/// # Ok(()) }
/// ```
#[cfg(feature = "sled")]
pub struct SledJournal(Local);

#[cfg(feature = "sled")]
impl SledJournal {
    /// Opens the journal in a directory, which is made if only its last part is missing, readable for nobody else.
    ///
    /// It blocks while it reads the files: open it where a service starts.
    ///
    /// # Errors
    /// [`JournalError`], whose kind says what to do: the directory is in use, cannot be written, or holds what cannot be
    /// read. What is damaged is set aside, never emptied.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, JournalError> {
        SledStore::open(path.as_ref()).map(|store| Self(Local::new(store)))
    }

    /// Relaxes what is promised: launches, and outcomes of launches that run at least once, are acknowledged before they are
    /// synced, which they are within `interval`. See [`Durability::Buffered`].
    ///
    /// For launches that are cheaper to lose than to wait for: of a caller's time to launch, most is the sync.
    ///
    /// # Panics
    /// If the interval is zero.
    #[must_use]
    #[track_caller]
    pub fn buffered(mut self, interval: Duration) -> Self {
        assert!(!interval.is_zero(), "an interval must be longer than zero: leave it out for none");
        self.0.set_interval(interval);
        self
    }

    /// How long an input or an output may be, in bytes; 16 MiB unless set. A longer input is refused by
    /// [`launch`](crate::System::launch); an attempt with a longer output fails, and there is no other.
    #[must_use]
    pub fn longest_payload(mut self, bytes: usize) -> Self {
        self.0.set_longest_payload(bytes);
        self
    }
}

#[cfg(feature = "sled")]
impl fmt::Debug for SledJournal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SledJournal").finish_non_exhaustive()
    }
}

/// A journal in memory: launches work as with any other, and are lost with their system. For tests, and where a launch
/// need not outlive its process.
///
/// ```
/// use sortie::{MemoryJournal, System};
///
/// let builder = System::builder().journal(MemoryJournal::new());
/// # drop(builder);
/// ```
#[derive(Debug)]
pub struct MemoryJournal(Local);

impl MemoryJournal {
    /// An empty journal.
    pub fn new() -> Self {
        Self(Local::new(MemoryStore::new()))
    }

    /// How long an input or an output may be, in bytes; 16 MiB unless set. A longer input is refused by
    /// [`launch`](crate::System::launch); an attempt with a longer output fails, and there is no other.
    #[must_use]
    pub fn longest_payload(mut self, bytes: usize) -> Self {
        self.0.set_longest_payload(bytes);
        self
    }
}

impl Default for MemoryJournal {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(feature = "sled")]
impl Embedded for SledJournal {
    fn local(&self) -> &Local {
        &self.0
    }

    fn promises(&self) -> Durability {
        self.0.durability()
    }
}

impl Embedded for MemoryJournal {
    fn local(&self) -> &Local {
        &self.0
    }

    fn promises(&self) -> Durability {
        Durability::Memory
    }
}
