//! The journals that a system can be given.

use std::any::TypeId;
#[cfg(feature = "sled")]
use std::fmt;
#[cfg(feature = "sled")]
use std::io;
#[cfg(feature = "sled")]
use std::path::Path;
use std::sync::Arc;
#[cfg(feature = "sled")]
use std::time::Duration;

#[cfg(feature = "sled")]
use super::JournalError;
use super::contract::{Durability, Journal};
use super::foreign::Foreign;
use super::local::{Embedded, Local};
#[cfg(feature = "sled")]
use super::sled::SledStore;
use super::store::memory::MemoryStore;
#[cfg(feature = "sled")]
use super::transfer::{self, ExportError, Exported, ImportError};

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

    /// Writes every launch of a journal that nobody has open, as lines of JSON: one that says what it is, and then one for
    /// each launch, with its payloads. [`import`](SledJournal::import) makes a journal of them.
    ///
    /// It is the way to repair a journal, too: give it the directory as which a damaged one
    /// [was set aside](JournalError::set_aside). Records that are damaged are skipped, and reported.
    ///
    /// It blocks, holds one launch at a time in memory, and changes nothing in the directory. It reads from a copy that it makes
    /// beside that, and removes, so there must be room on the disk for the files of the store once more.
    ///
    /// # Errors
    /// [`ExportError`]: there is no journal that could be read, somebody has it open, or the lines cannot be written.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = std::env::temp_dir().join(format!("sortie-export-{}", std::process::id()));
    /// # std::fs::create_dir(&folder)?;
    /// # let (data, copy) = (folder.join("data"), folder.join("copy"));
    /// # drop(sortie::SledJournal::open(&data)?);
    /// use sortie::SledJournal;
    ///
    /// let mut lines = Vec::new(); // or a file
    /// let exported = SledJournal::export(&data, &mut lines)?;
    /// assert_eq!((exported.damaged, exported.missing), (0, None));
    /// assert_eq!(SledJournal::import(&copy, &lines[..])?, exported.launches);
    /// # std::fs::remove_dir_all(folder)?;
    /// # Ok(()) }
    /// ```
    pub fn export(path: impl AsRef<Path>, mut to: impl io::Write) -> Result<Exported, ExportError> {
        transfer::export(path.as_ref(), &mut to)
    }

    /// Makes a new journal of the lines that [`export`](SledJournal::export) has written, and says how many launches it holds.
    ///
    /// They keep their ids, keys, states and histories. An attempt that was under way counts as one whose process has died.
    /// Import into one journal only: two of them would run the same launches twice.
    ///
    /// It blocks, and holds one launch at a time in memory, and the ids of all. The journal is made beside its directory and moved
    /// there when it is whole, so an import that fails or is killed leaves none.
    ///
    /// # Errors
    /// [`ImportError`]: the directory is there and not empty, a line is not what an export writes, or the journal cannot be
    /// written.
    pub fn import(path: impl AsRef<Path>, mut from: impl io::Read) -> Result<u64, ImportError> {
        transfer::import(path.as_ref(), &mut from)
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

/// The journal as a system calls it: one that is not the crate's own is contained. Those of the crate call no code of the
/// user's but clocks and wakers, which they contain themselves.
pub(crate) fn contained<J: Journal>(journal: J) -> Arc<dyn Journal> {
    let of_the_crate = [
        TypeId::of::<MemoryJournal>(),
        #[cfg(feature = "sled")]
        TypeId::of::<SledJournal>(),
    ];
    if of_the_crate.contains(&TypeId::of::<J>()) {
        Arc::new(journal)
    } else {
        Arc::new(Foreign::new(journal))
    }
}
