//! Makes files and directories durable.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use super::directory::private_file;
use super::names;
use crate::journal::failpoint::hit;
use crate::journal::{JournalError, JournalErrorKind};

/// What a failed sync means, whatever its cause: the kernel has given up on data that it still shows to readers.
pub(super) fn not_synced(error: io::Error) -> JournalError {
    JournalError::new(JournalErrorKind::NotSynced).because(error)
}

/// Syncs one file.
pub(super) fn sync_file(path: &Path) -> Result<(), JournalError> {
    File::open(path)?.sync_all().map_err(not_synced)
}

/// Syncs the entries of a directory. Only Unix lets directories be opened; elsewhere there is nothing to be done.
pub(super) fn sync_directory(path: &Path) -> Result<(), JournalError> {
    if cfg!(unix) { sync_file(path) } else { Ok(()) }
}

/// Syncs a directory and all that is in it, except what is removed meanwhile.
pub(super) fn sync_tree(path: &Path) -> Result<(), JournalError> {
    for entry in fs::read_dir(path)? {
        let path = entry?.path();
        if path.is_dir() {
            sync_tree(&path)?;
        } else if path.exists() {
            sync_file(&path)?;
        }
    }
    sync_directory(path)
}

/// Writes a file so that, after a crash at any step, either the old one is there or the whole new one.
pub(super) fn replace(directory: &Path, name: &str, content: &[u8]) -> Result<(), JournalError> {
    let new = names::replacement(directory, name)?;
    remove_file(&new)?;
    // Made anew, so that nothing is written through a link.
    let mut file = private_file().create_new(true).write(true).open(&new)?;
    file.write_all(content)?;
    hit("store.replace.fsync", directory).and_then(|()| file.sync_all()).map_err(not_synced)?;
    fs::rename(&new, directory.join(name))?;
    sync_directory(directory)
}

/// Removes a file, if it is there.
pub(super) fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Removes a directory and all that is in it, if it is there.
pub(super) fn remove_tree(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
