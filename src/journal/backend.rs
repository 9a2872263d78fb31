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
use super::sled::{Closing, SledStore};
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
///
/// # What is in the directory
///
/// Everything that a journal makes, moves or sets aside stays in its directory, which may be the root of a mounted volume.
/// Nothing in it is moved or removed unless its name is exactly one that the journal gives. Directories are made with the
/// mode 700 and files with 600; a warning is logged where the directory itself is open to other users.
///
/// # Forks
///
/// A process that forks without an `exec` hands a copy of the lock on to its child, as of every open file. The
/// directory then stays locked until the child has ended as well, also if the parent was killed: an opening says
/// [`OwnedByAnotherProcess`](crate::JournalErrorKind::OwnedByAnotherProcess) until then. Fork before the journal is opened, or let the child
/// `exec`, which closes the files; [`std::process::Command`] does.
///
/// # After a system was dropped
///
/// A system that is dropped without [`shutdown`](crate::System::shutdown) ends in the background and closes its journal then, about
/// 100 ms later. [`open`](SledJournal::open) waits for that; async code can await [`released`](SledJournal::released).
#[cfg(feature = "sled")]
pub struct SledJournal {
    local: Local,
    closing: ClosesWhenDropped,
}

/// Says that the journal is being closed, when it is dropped at the latest.
#[cfg(feature = "sled")]
struct ClosesWhenDropped(Closing);

#[cfg(feature = "sled")]
impl Drop for ClosesWhenDropped {
    fn drop(&mut self) {
        self.0.begin();
    }
}

#[cfg(feature = "sled")]
impl SledJournal {
    /// Opens the journal in a directory, which is made if only its last part is missing, readable for nobody else.
    ///
    /// It blocks while it reads the files: open it where a service starts. If a system of this process was
    /// dropped and is still closing its journal in the same directory, it waits for that, at most 5 s; not on a runtime with
    /// one thread, which it would keep from closing the journal. Another process that has the directory is not waited for.
    ///
    /// # Errors
    /// [`JournalError`], whose kind says what to do: the path is none of a directory, the directory is in use, cannot be
    /// written, or holds what cannot be read. What is damaged is set aside, never emptied: it is moved to the directory `damaged-N`
    /// within the journal's, and nothing is opened before the file `quarantined` is removed. The next opening begins with
    /// an empty journal then, into which the lines of an [`export`](SledJournal::export) of `damaged-N` can be
    /// [imported](SledJournal::import) instead.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, JournalError> {
        let store = SledStore::open(path.as_ref())?;
        let closing = ClosesWhenDropped(store.closing());
        Ok(Self { local: Local::new(store), closing })
    }

    /// Waits until no journal of this process has the directory open: for what follows a system that was dropped, whose
    /// journal is closed in the background. Returns at once if none has, or if there is no such directory. As long as the
    /// system runs, it waits.
    ///
    /// # Cancel safety
    /// It may be dropped at any time.
    pub async fn released(path: impl AsRef<Path>) {
        // Not held over the wait, because it may be anything.
        let path = path.as_ref().to_owned();
        super::sled::released(&path).await;
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
        self.local.set_interval(interval);
        self
    }

    /// How long an input or an output may be, in bytes; 16 MiB unless set. A longer input is refused by
    /// [`launch`](crate::System::launch); an attempt with a longer output fails, and there is no other.
    #[must_use]
    pub fn longest_payload(mut self, bytes: usize) -> Self {
        self.local.set_longest_payload(bytes);
        self
    }

    /// Writes every launch of a journal that nobody has open, as lines of JSON: one that says what it is, and then one for
    /// each launch, with its payloads. [`import`](SledJournal::import) makes a journal of them.
    ///
    /// It is the way to repair a journal, too: give it the directory to which a damaged one
    /// [was set aside](JournalError::set_aside). Records that are damaged are skipped, and reported.
    ///
    /// It blocks, holds one launch at a time in memory, and changes nothing in the directory but for the lock file. It reads from
    /// a copy that it makes there, `export-ID`, and removes, so there must be room on the disk for the files of the store once
    /// more. The copy that a killed process has left is removed at the next opening, export or import.
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
    /// Every line is checked against what a journal can write, as far as that can be known from the line. In particular, an id
    /// must not be of a time more than a year ahead of the clock of this machine; new ids follow none that is more than a day
    /// ahead of it. The digest of an input is not checked, so that an input can be mended in its line: launching again under the
    /// key of that launch then takes the input from before.
    ///
    /// It blocks, and holds one launch at a time in memory, and the ids of all. The directory is made if only its last part is
    /// missing; it may also be an empty one, such as the root of a volume, and one from which a damaged journal was set aside, once
    /// the file `quarantined` in it is removed. The journal is made in a directory within, `import-ID`, and counts
    /// when it is whole, so an import that fails or is killed leaves none.
    ///
    /// # Errors
    /// [`ImportError`]: there is a journal in the directory or something else, a line is not what an export writes, or the journal
    /// cannot be written.
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
        &self.local
    }

    fn promises(&self) -> Durability {
        self.local.durability()
    }

    fn begin_closing(&self) {
        self.closing.0.begin();
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
