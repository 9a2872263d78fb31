//! The directory of a journal, and who owns it.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::claim::{Claim, Closing};
use super::durable;
use super::names::{self, Entry, LOCK, NOT_SYNCED, PROGRESS, QUARANTINED, WATERMARK};
use crate::journal::{JournalError, JournalErrorKind};
use crate::user_code::printable;

/// A directory that belongs to this value alone, in this process and beyond. Dropping it sets it free.
#[derive(Debug)]
pub(super) struct Directory {
    lock: File,
    claim: Claim,
    /// Whether it was made by this value.
    made: bool,
}

impl Directory {
    /// Takes the directory, and makes it if only its last part is missing.
    pub(super) fn own(path: &Path) -> Result<Self, JournalError> {
        Self::take(path).map_err(|error| if error.path().is_none() { error.at(path) } else { error })
    }

    fn take(given: &Path) -> Result<Self, JournalError> {
        let made = make(given)?;
        let claim = Claim::of(given.canonicalize()?)?;
        refuse_foreign(claim.path())?;
        refuse_links(claim.path())?;
        let lock = lock(claim.path())?;
        let directory = Self { lock, claim, made };
        warn_if_open_to_others(directory.path());
        directory.remove_leftovers();
        Ok(directory)
    }

    pub(super) fn path(&self) -> &Path {
        self.claim.path()
    }

    /// Where it is said that the journal in the directory is being closed.
    pub(super) fn closing(&self) -> Closing {
        self.claim.closing()
    }

    /// Where the store with this number is.
    pub(super) fn store(&self, number: u64) -> PathBuf {
        self.path().join(names::store(number))
    }

    /// The number of the store that is made after this one: the next, unless its name belongs to something of the user's.
    pub(super) fn next_store(&self, after: u64) -> Result<u64, JournalError> {
        let mut number = after;
        loop {
            number = number.checked_add(1).ok_or_else(|| {
                JournalError::new(JournalErrorKind::Corrupt)
                    .because("the watermark names the last store that there can be")
            })?;
            let path = self.store(number);
            if names::is_free(&path)? || Entry::at(&path)?.is_some() {
                return Ok(number);
            }
        }
    }

    /// The entries that a journal has made.
    pub(super) fn entries(&self) -> io::Result<Vec<(OsString, Entry)>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(self.path())? {
            let entry = entry?;
            let name = entry.file_name();
            if let Some(what) = Entry::of(&name, entry.file_type()?) {
                entries.push((name, what));
            }
        }
        Ok(entries)
    }

    /// The names of all that a store is made of, with what is said about it.
    pub(super) fn parts(&self) -> io::Result<Vec<OsString>> {
        let part = |(name, what)| match what {
            Entry::Watermark | Entry::Progress | Entry::NotSynced | Entry::Replacement | Entry::Store(_) => {
                Some(name)
            }
            Entry::Lock
            | Entry::Quarantined
            | Entry::Damaged(_)
            | Entry::Staging
            | Entry::Copy
            | Entry::LostAndFound => None,
        };
        Ok(self.entries()?.into_iter().filter_map(part).collect())
    }

    /// The numbers of the stores.
    pub(super) fn stores(&self) -> io::Result<Vec<u64>> {
        let number = |(_, what)| match what {
            Entry::Store(number) => Some(number),
            _ => None,
        };
        Ok(self.entries()?.into_iter().filter_map(number).collect())
    }

    /// Removes what an interrupted copy or replacement has left: all stores but one, and files half written.
    pub(super) fn clean(&self, keep: u64) -> io::Result<()> {
        for (name, what) in self.entries()? {
            let path = self.path().join(name);
            match what {
                Entry::Store(number) if number != keep => durable::remove_tree(&path)?,
                Entry::Replacement => durable::remove_file(&path)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Removes what an import or an export has left whose process was killed. They have the lock while they work, so none is
    /// under way. What cannot be removed takes room and does no other harm.
    fn remove_leftovers(&self) {
        let remove = || -> io::Result<()> {
            for (name, what) in self.entries()? {
                if matches!(what, Entry::Staging | Entry::Copy) {
                    durable::remove_tree(&self.path().join(name))?;
                }
            }
            Ok(())
        };
        if let Err(error) = remove() {
            let path = printable(self.path().display());
            log_warn!(error = %printable(&error), %path, "what an interrupted import or export has left could not be removed");
        }
    }

    /// Removes the directory again if this value has made it and there is nothing but its lock in it.
    pub(super) fn discard(self) {
        if self.made {
            // Removed while it is locked: `lock` takes no file that is not in its place any more.
            let removed = fs::remove_file(self.path().join(LOCK)).and_then(|()| fs::remove_dir(self.path()));
            if let Err(error) = removed {
                log_warn!(error = %printable(&error), path = %printable(self.path().display()), "a new directory could not be removed");
            }
        }
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
            log_warn!(error = %printable(&error), path = %printable(self.path().display()), "the journal cannot even note that it was not synced");
        }
    }

    /// Whether there is such a note, in whichever form: where every sync fails, it is not renamed.
    pub(super) fn is_marked_not_synced(&self) -> Result<bool, JournalError> {
        Ok(self.entries()?.iter().any(|(_, what)| *what == Entry::NotSynced))
    }

    /// Removes the note: what it is about is gone.
    pub(super) fn unmark_not_synced(&self) -> Result<(), JournalError> {
        let mut removed = false;
        for (name, what) in self.entries()? {
            if what == Entry::NotSynced {
                durable::remove_file(&self.path().join(name))?;
                removed = true;
            }
        }
        if removed { durable::sync_directory(self.path()) } else { Ok(()) }
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // Closing the file would not do while a child process that is just being started holds a copy of it.
        let _ = fs2::FileExt::unlock(&self.lock);
    }
}

/// Opens and locks the lock file of a directory, which only its owner may open: who may open it may lock it.
fn lock(directory: &Path) -> Result<File, JournalError> {
    let path = directory.join(LOCK);
    loop {
        let file = private_file().create(true).truncate(false).write(true).open(&path)?;
        close_to_others(&file);
        // The name in front: newer versions of std have methods of the same names.
        if let Err(error) = fs2::FileExt::try_lock_exclusive(&file) {
            let contended = error.kind() == fs2::lock_contended_error().kind();
            return Err(if contended {
                JournalError::new(JournalErrorKind::OwnedByAnotherProcess)
            } else {
                error.into()
            });
        }
        // Another process may have removed it between the two.
        if is_at(&file, &path)? {
            return Ok(file);
        }
    }
}

/// Whether the file stands at a path.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let mine = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(there) => Ok((mine.dev(), mine.ino()) == (there.dev(), there.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(not(unix))]
fn is_at(_: &File, path: &Path) -> io::Result<bool> {
    Ok(path.exists())
}

/// Options for a file that only its owner may read or write.
pub(super) fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Takes the permissions of others away from a file that an earlier version has made. Only its owner can do that, and for
/// another process it stays as it is.
pub(super) fn close_to_others(file: &File) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = file.metadata().map_or(0, |metadata| metadata.permissions().mode());
        if mode & 0o077 != 0 {
            let _ = file.set_permissions(fs::Permissions::from_mode(0o600));
        }
    }
    #[cfg(not(unix))]
    let _ = file;
}

fn warn_if_open_to_others(path: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(path).map_or(0, |metadata| metadata.permissions().mode()) & 0o7777;
        if mode & 0o077 != 0 {
            log_warn!(
                path = %printable(path.display()), mode = format_args!("{mode:o}"),
                "the directory of the journal is open to other users: give it the mode 700"
            );
        }
    }
    #[cfg(not(unix))]
    let _ = path;
}

/// Makes a directory that only its owner may look into, unless there is one. Says whether it did.
fn make(path: &Path) -> Result<bool, JournalError> {
    check_path(path)?;
    if path.is_dir() {
        return Ok(false);
    }
    match make_new(path) {
        Ok(()) => {}
        // Another process has made it between the two.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => return Ok(false),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let what = io::Error::new(
                io::ErrorKind::NotADirectory,
                "there is a file at the path: give the path of a directory",
            );
            return Err(what.into());
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let what = "the directory above it is missing: make that first, because only the last part of the path is made";
            return Err(JournalError::new(JournalErrorKind::BadPath).because(what));
        }
        Err(error) => return Err(error.into()),
    }
    sync_parent(&path.canonicalize()?)?;
    Ok(true)
}

/// Refuses a path that cannot be that of a directory.
pub(super) fn check_path(path: &Path) -> Result<(), JournalError> {
    let bad = |what: &str| Err(JournalError::new(JournalErrorKind::BadPath).because(what));
    if path.as_os_str().is_empty() {
        return bad("the path is empty: for the current directory give `.`");
    }
    if path.as_os_str().as_encoded_bytes().contains(&0) {
        return bad("the path contains a NUL byte");
    }
    let is_link = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink());
    if is_link && !path.exists() {
        return bad("the path is a symbolic link to a place where nothing is");
    }
    Ok(())
}

/// Makes a directory that only its owner may look into, and that was not there.
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

/// Refuses a directory in which one of the journal's files is something else: the journal would write to the place to which a
/// link leads, or replace what it has not made.
fn refuse_links(path: &Path) -> Result<(), JournalError> {
    for name in [LOCK, WATERMARK, PROGRESS, NOT_SYNCED, QUARANTINED] {
        let file = path.join(name);
        if !names::is_free(&file)? && !names::is_file(&file) {
            let what = format!("`{name}` in it is no regular file: remove it, or give another directory");
            return Err(JournalError::new(JournalErrorKind::NotWritable).because(what));
        }
    }
    Ok(())
}

/// Refuses a directory that is neither empty nor a journal: the path was mistaken for another one.
fn refuse_foreign(path: &Path) -> Result<(), JournalError> {
    if path.join(LOCK).exists() || path.join(WATERMARK).exists() {
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if Entry::of(&entry.file_name(), entry.file_type()?).is_none() {
            let name = entry.file_name();
            let what = format!(
                "the directory holds no journal, but `{}`: give an empty directory",
                name.to_string_lossy().escape_debug()
            );
            return Err(JournalError::new(JournalErrorKind::NotWritable).because(what));
        }
    }
    Ok(())
}
