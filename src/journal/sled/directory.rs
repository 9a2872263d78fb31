//! The directory of a journal, and who owns it.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::{durable, reading};
use crate::journal::{JournalError, JournalErrorKind};

pub(super) const WATERMARK: &str = "watermark";
pub(super) const PROGRESS: &str = "progress";
pub(super) const QUARANTINED: &str = "quarantined";
const LOCK: &str = "lock";
const NOT_SYNCED: &str = "not-synced";
/// The same note where its own sync, or its renaming, has failed: it counts as well.
const NOT_SYNCED_NEW: &str = "not-synced.new";
const STORE: &str = "store-";
/// What file systems put into the root of a disk.
const NOT_OURS_BUT_FINE: &str = "lost+found";

/// The directories that are open in this process.
static OPEN: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// A directory that belongs to this value alone, in this process and beyond. Dropping it sets it free.
#[derive(Debug)]
pub(super) struct Directory {
    lock: File,
    claim: Claim,
}

/// A canonical path in [`OPEN`].
#[derive(Debug)]
struct Claim(PathBuf);

impl Directory {
    /// Takes the directory, and makes it if only its last part is missing.
    pub(super) fn own(path: &Path) -> Result<Self, JournalError> {
        Self::take(path).map_err(|error| if error.path().is_none() { error.at(path) } else { error })
    }

    fn take(given: &Path) -> Result<Self, JournalError> {
        make(given)?;
        let claim = Claim::of(given.canonicalize()?)?;
        let path = &claim.0;
        refuse_foreign(path)?;
        let lock = File::options().create(true).truncate(false).write(true).open(path.join(LOCK))?;
        // The name in front: newer versions of std have methods of the same names.
        if let Err(error) = fs2::FileExt::try_lock_exclusive(&lock) {
            let contended = error.kind() == fs2::lock_contended_error().kind();
            return Err(if contended {
                JournalError::new(JournalErrorKind::OwnedByAnotherProcess)
            } else {
                error.into()
            });
        }
        Ok(Self { lock, claim })
    }

    pub(super) fn path(&self) -> &Path {
        &self.claim.0
    }

    /// Where the store with this number is.
    pub(super) fn store(&self, number: u64) -> PathBuf {
        self.path().join(format!("{STORE}{number}"))
    }

    /// The names of all that a journal is made of, without the lock and the marker of a quarantine.
    pub(super) fn parts(&self) -> io::Result<Vec<OsString>> {
        let mut parts = Vec::new();
        for entry in fs::read_dir(self.path())? {
            let name = entry?.file_name();
            let text = name.to_string_lossy();
            let replaced = [WATERMARK, NOT_SYNCED].iter().any(|part| text.starts_with(part));
            if replaced || text.starts_with(STORE) || text == PROGRESS {
                parts.push(name);
            }
        }
        Ok(parts)
    }

    pub(super) fn has_stores(&self) -> io::Result<bool> {
        Ok(self.parts()?.iter().any(|name| name.to_string_lossy().starts_with(STORE)))
    }

    /// Removes what an interrupted copy or replacement has left: all stores but one, and files half written.
    pub(super) fn clean(&self, keep: u64) -> io::Result<()> {
        let keep = format!("{STORE}{keep}");
        for name in self.parts()? {
            let (path, text) = (self.path().join(&name), name.to_string_lossy());
            if text.starts_with(STORE) && *text != *keep {
                durable::remove_tree(&path)?;
            } else if text.ends_with(".new") && text != NOT_SYNCED_NEW {
                durable::remove_file(&path)?;
            }
        }
        Ok(())
    }

    /// Syncs the entries of the directory, and its own entry.
    pub(super) fn sync(&self) -> Result<(), JournalError> {
        durable::sync_directory(self.path())?;
        sync_parent(self.path())
    }

    /// Notes for the next opening that the files of the store are not to be trusted. A disk that refuses to sync may
    /// refuse this too, so it is tried and no more.
    pub(super) fn mark_not_synced(&self) {
        let text = b"A sync failed. The store is copied to fresh files when it is opened next.\n";
        if let Err(error) = durable::replace(self.path(), NOT_SYNCED, text) {
            tracing::warn!(%error, path = %self.path().display(), "the journal cannot even note that it was not synced");
        }
    }

    /// Whether there is such a note, in whichever form: where every sync fails, it is not renamed.
    pub(super) fn is_marked_not_synced(&self) -> Result<bool, JournalError> {
        for name in [NOT_SYNCED, NOT_SYNCED_NEW] {
            if reading::is_there(&self.path().join(name))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Removes the note: what it is about is gone.
    pub(super) fn unmark_not_synced(&self) -> Result<(), JournalError> {
        if self.is_marked_not_synced()? {
            durable::remove_file(&self.path().join(NOT_SYNCED))?;
            durable::remove_file(&self.path().join(NOT_SYNCED_NEW))?;
            durable::sync_directory(self.path())?;
        }
        Ok(())
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // Closing the file would not do while a child process that is just being started holds a copy of it.
        let _ = fs2::FileExt::unlock(&self.lock);
    }
}

impl Claim {
    fn of(path: PathBuf) -> Result<Self, JournalError> {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        if open.insert(path.clone()) {
            Ok(Self(path))
        } else {
            Err(JournalError::new(JournalErrorKind::InUse))
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        OPEN.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}

/// Makes a directory that nobody else may look into, unless there is one.
pub(super) fn make(path: &Path) -> Result<(), JournalError> {
    if path.is_dir() {
        return Ok(());
    }
    make_new(path).or_else(|error| match error.kind() {
        io::ErrorKind::AlreadyExists if path.is_dir() => Ok(()), // made by somebody else in between
        io::ErrorKind::AlreadyExists => Err(io::Error::from(io::ErrorKind::NotADirectory)),
        _ => Err(error),
    })?;
    sync_parent(&path.canonicalize()?)
}

/// Makes a directory that nobody else may look into, and that was not there.
pub(super) fn make_new(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Syncs the entry of a directory in its parent. A parent that may not be read cannot be synced; then the directory was
/// made by somebody else, who is answerable for it.
pub(super) fn sync_parent(path: &Path) -> Result<(), JournalError> {
    let Some(parent) = path.parent() else { return Ok(()) };
    match durable::sync_directory(parent) {
        Err(error) if error.kind() == JournalErrorKind::NotWritable => Ok(()),
        result => result,
    }
}

/// Refuses a directory that is neither empty nor a journal: somebody has mistaken the path.
fn refuse_foreign(path: &Path) -> Result<(), JournalError> {
    if path.join(LOCK).exists() || path.join(WATERMARK).exists() {
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        let name = entry?.file_name();
        let text = name.to_string_lossy();
        let ours = text.starts_with(STORE) || [PROGRESS, NOT_SYNCED, QUARANTINED].contains(&&*text);
        if !ours && text != NOT_OURS_BUT_FINE {
            return Err(JournalError::new(JournalErrorKind::NotWritable)
                .because(format!("the directory holds no journal, but `{text}`")));
        }
    }
    Ok(())
}
