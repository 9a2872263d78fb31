//! Reads files through handles of our own, so that an error of the disk is an error, and never damage.
//!
//! sled takes an error of reading for the end of its log, and overwrites what follows. So all files of a store are read to their
//! ends before sled opens them: an error ends the opening while nothing has been written yet. What was read stands in the
//! kernel's cache afterwards, from where sled reads it again.
//!
//! Only what was read completely and is wrong is damage; whether it can be read is looked at once more before a store is
//! set aside ([`quarantine`](super::quarantine)).

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::directory::Directory;
use super::log::{self, Logged};
use crate::journal::failpoint::hit;
use crate::journal::{JournalError, JournalErrorKind};

/// How many bytes are read at once.
const PIECE: usize = 1 << 20;

/// A file that is read. Its errors name it.
#[derive(Debug)]
pub(super) struct Source {
    file: File,
    path: PathBuf,
    /// The journal's directory, for failpoints.
    journal: PathBuf,
}

impl Source {
    /// Opens a file to read it; `None` if there is none.
    pub(super) fn open(path: &Path, journal: &Path) -> Result<Option<Self>, JournalError> {
        match hit("store.read.open", journal).and_then(|()| File::open(path)) {
            Ok(file) => Ok(Some(Self { file, path: path.to_owned(), journal: journal.to_owned() })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(unreadable(error, path)),
        }
    }

    /// The length of the file.
    pub(super) fn length(&self) -> Result<u64, JournalError> {
        self.file.metadata().map(|data| data.len()).map_err(|error| self.unreadable(error))
    }

    /// Goes to a place in the file.
    pub(super) fn seek(&mut self, to: u64) -> Result<(), JournalError> {
        self.file.seek(SeekFrom::Start(to)).map(drop).map_err(|error| self.unreadable(error))
    }

    /// Reads the next bytes to the end of `bytes`, as many as there are, and not more than `most`.
    pub(super) fn read(&mut self, bytes: &mut Vec<u8>, most: usize) -> Result<(), JournalError> {
        let end = bytes.len().saturating_add(most);
        while bytes.len() < end {
            let piece = PIECE.min(end - bytes.len()) as u64;
            let read = hit("store.read.data", &self.journal)
                .and_then(|()| (&mut self.file).take(piece).read_to_end(bytes))
                .map_err(|error| self.unreadable(error))?;
            if read == 0 {
                break;
            }
        }
        Ok(())
    }

    /// Shows `most` of the next bytes piece by piece, or as many as there are. It says how many that were.
    pub(super) fn show(&mut self, most: u64, mut each: impl FnMut(&[u8])) -> Result<u64, JournalError> {
        let (mut piece, mut shown) = (Vec::with_capacity(PIECE), 0);
        while shown < most {
            piece.clear();
            self.read(&mut piece, PIECE.min(usize::try_from(most - shown).unwrap_or(PIECE)))?;
            if piece.is_empty() {
                break;
            }
            each(&piece);
            shown += piece.len() as u64;
        }
        Ok(shown)
    }

    fn unreadable(&self, error: io::Error) -> JournalError {
        unreadable(error, &self.path)
    }
}

/// The content of a file, of which no more is read than one byte beyond `most`; `None` if there is none.
pub(super) fn read(path: &Path, most: usize, journal: &Path) -> Result<Option<Vec<u8>>, JournalError> {
    let Some(mut source) = Source::open(path, journal)? else { return Ok(None) };
    let mut content = Vec::new();
    source.read(&mut content, most + 1)?;
    Ok(Some(content))
}

/// Reads every file of a store to its end, but for the logs, which are read as logs.
pub(super) fn read_through(store: &Path, journal: &Path) -> Result<(), JournalError> {
    let at = |error| unreadable(error, store);
    for entry in fs::read_dir(store).map_err(at)? {
        let entry = entry.map_err(at)?;
        let path = entry.path();
        if entry.file_type().map_err(at)?.is_dir() {
            read_through(&path, journal)?;
        } else if !log::is_log(&entry.file_name()) {
            if let Some(mut source) = Source::open(&path, journal)? {
                source.show(u64::MAX, |_| {})?;
            }
        }
    }
    Ok(())
}

/// Reads all that a journal is made of, as far as anything can be in it: whether what seems to be damaged was read as it stands.
pub(super) fn read_all(directory: &Directory) -> Result<(), JournalError> {
    let journal = directory.path();
    for part in directory.parts().map_err(|error| unreadable(error, journal))? {
        let path = journal.join(part);
        if fs::metadata(&path).map_err(|error| unreadable(error, &path))?.is_dir() {
            read_through(&path, journal)?;
            match Logged::read(&path, journal) {
                Err(error) if error.kind() != JournalErrorKind::Corrupt => return Err(error),
                _ => {}
            }
        } else {
            read(&path, PIECE, journal)?;
        }
    }
    Ok(())
}

/// Whether there is a file or a directory. That it cannot be looked for does not mean that there is none.
pub(super) fn is_there(path: &Path) -> Result<bool, JournalError> {
    path.try_exists().map_err(|error| unreadable(error, path))
}

fn unreadable(error: io::Error, path: &Path) -> JournalError {
    let what = format!("`{}` could not be read: {error}", path.display());
    JournalError::from(error).because(what)
}
