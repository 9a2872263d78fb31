//! A journal that is being made, beside the place where it shall be: it is there when it is whole, or not at all.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::directory;
use super::quarantine;
use crate::journal::JournalError;
use crate::journal::transfer::ImportError;
use crate::user_code::printable;

/// What stands behind the name of a journal in that of its draft.
const DRAFT: &str = "importing";

/// The directory of a journal that is being made. It is removed when it is dropped before it was published.
pub(crate) struct Draft {
    draft: PathBuf,
    place: PathBuf,
    published: bool,
}

impl Draft {
    /// Begins a journal that shall stand at `path`, where there must be nothing, or an empty directory.
    pub(crate) fn begin(path: &Path) -> Result<Self, ImportError> {
        let at = |error: io::Error| ImportError::Journal(JournalError::from(error).at(path));
        if path.exists() && !(path.is_dir() && fs::read_dir(path).map_err(at)?.next().is_none()) {
            return Err(ImportError::NotNew(path.to_owned()));
        }
        let nameless = || at(io::Error::from(io::ErrorKind::InvalidInput));
        let draft = quarantine::beside(path, DRAFT).ok_or_else(nameless)?;
        match directory::make_new(&draft) {
            Ok(()) => Ok(Self { draft, place: path.to_owned(), published: false }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(ImportError::Interrupted(draft))
            }
            Err(error) => Err(at(error)),
        }
    }

    /// Where it is made.
    pub(crate) fn path(&self) -> &Path {
        &self.draft
    }

    /// Puts it where it shall be. Nobody may have it open.
    pub(crate) fn publish(mut self) -> Result<(), JournalError> {
        // Refused if there is anything in it by now.
        match fs::remove_dir(&self.place) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(JournalError::from(error).at(&self.place));
            }
            _ => {}
        }
        fs::rename(&self.draft, &self.place)?;
        self.published = true;
        directory::sync_parent(&self.place.canonicalize()?)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.published {
            if let Err(error) = fs::remove_dir_all(&self.draft) {
                log_warn!(error = %printable(&error), path = %printable(self.draft.display()), "what was imported could not be removed");
            }
        }
    }
}
