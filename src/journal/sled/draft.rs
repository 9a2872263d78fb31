//! A journal that is being imported: it is there when it is whole, or not at all.
//!
//! It is made in a directory within the journal's, `import-ID`, and its store is moved from there when it is whole. The
//! watermark says before that a journal begins here and has no store yet, and afterwards, by one rename, which store counts. A
//! process killed in between leaves a journal that was not begun, and what else it leaves is removed at the next opening.

use std::fs;
use std::path::{Path, PathBuf};

use super::directory::{self, Directory};
use super::names::{self, Entry};
use super::store::SledStore;
use super::watermark::{Progress, Watermark};
use super::{durable, quarantine};
use crate::journal::failpoint::hit;
use crate::journal::transfer::ImportError;
use crate::journal::{JournalError, JournalErrorKind};
use crate::user_code::printable;

/// The directory of a journal that is being imported. What was made is removed when it is dropped before it was published.
pub(crate) struct Draft {
    directory: Option<Directory>,
    staging: PathBuf,
    /// Where the store will stand, once the watermark says that a journal begins here.
    declared: Option<PathBuf>,
}

impl Draft {
    /// Begins a journal at `path`, where no journal may be, nor anything of the user's.
    pub(crate) fn begin(path: &Path) -> Result<Self, ImportError> {
        if path.is_file() {
            return Err(ImportError::NotNew(path.to_owned()));
        }
        let directory = match Directory::own(path) {
            // It holds something, and no journal.
            Err(error)
                if error.kind() == JournalErrorKind::NotWritable && path.is_dir() && holds_others(path) =>
            {
                return Err(ImportError::NotNew(path.to_owned()));
            }
            directory => directory?,
        };
        let at = |error: JournalError| if error.path().is_none() { error.at(path) } else { error };
        match is_new(&directory) {
            Ok(true) => {}
            Ok(false) => return Err(ImportError::NotNew(path.to_owned())),
            Err(error) => return Err(ImportError::Journal(at(error))),
        }
        let staging = directory.path().join(names::new_staging());
        // From here on it cleans up after itself.
        let draft = Self { directory: Some(directory), staging, declared: None };
        directory::make_new(&draft.staging).map_err(|error| ImportError::Journal(at(error.into())))?;
        Ok(draft)
    }

    /// Where it is made.
    pub(crate) fn path(&self) -> &Path {
        &self.staging
    }

    /// Puts the store, which is whole, where it counts.
    pub(crate) fn publish(mut self, store: SledStore) -> Result<(), JournalError> {
        let Some(directory) = self.directory.take() else {
            return Err(JournalError::new(JournalErrorKind::Closed));
        };
        let published = store.close_in_order().and_then(|()| self.publish_in(&directory));
        if let Err(error) = published {
            let error = error.at(directory.path());
            self.directory = Some(directory);
            return Err(error);
        }
        let left = durable::remove_tree(&self.staging);
        if let Err(error) = left {
            log_warn!(
                error = %printable(&error),
                path = %printable(self.staging.display()),
                "what is left of an import could not be removed"
            );
        }
        Ok(())
    }

    fn publish_in(&mut self, directory: &Directory) -> Result<(), JournalError> {
        let damaged =
            || JournalError::new(JournalErrorKind::Corrupt).because("the imported journal is not whole");
        let made = Watermark::read(&self.staging)?.ok_or_else(damaged)?;
        let commits = made.commits.max(Progress::read(&self.staging)?);
        let number = directory.next_store(0)?;
        let place = directory.store(number);
        self.declared = Some(place.clone());
        Watermark::NEW.write(directory.path())?;
        hit("store.import.declared", directory.path())?;
        // An import that was interrupted here has left it.
        durable::remove_tree(&place)?;
        fs::rename(self.staging.join(names::store(made.store)), place)?;
        directory.sync()?;
        hit("store.import.moved", directory.path())?;
        Watermark { store: number, commits }.write(directory.path())?;
        hit("store.import.published", directory.path())?;
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        let Some(directory) = self.directory.take() else { return };
        let removed = durable::remove_tree(&self.staging).and_then(|()| match &self.declared {
            Some(store) => durable::remove_tree(store)
                .and_then(|()| durable::remove_file(&directory.path().join(names::WATERMARK))),
            None => Ok(()),
        });
        if let Err(error) = removed {
            log_warn!(
                error = %printable(&error),
                path = %printable(self.staging.display()),
                "what was imported could not be removed"
            );
        }
        directory.discard();
    }
}

/// Whether there is something that no journal has made.
fn holds_others(path: &Path) -> bool {
    let other = |entry: fs::DirEntry| {
        entry.file_type().is_ok_and(|kind| Entry::of(&entry.file_name(), kind).is_none())
    };
    fs::read_dir(path).is_ok_and(|entries| entries.flatten().any(other))
}

/// Whether no journal was begun in a directory, and there is nothing of the user's in it. What was set aside may be there, once
/// its note is not.
fn is_new(directory: &Directory) -> Result<bool, JournalError> {
    if quarantine::is_declared(directory) {
        quarantine::refuse(directory)?;
    }
    let begun = Watermark::read(directory.path())?;
    let has_stores = !directory.stores()?.is_empty();
    Ok(match begun {
        Some(mark) => mark.store == 0 && !holds_others(directory.path()),
        None => !has_stores && !holds_others(directory.path()),
    })
}
