//! The store of a directory that nobody has open, to be read only; also where a journal would refuse it.
//!
//! sled writes when it opens: it cuts off what it takes for the end of its log, for example. So its files are copied first, to a
//! directory of their own within the journal's, `export-ID`, and the copy is opened and removed afterwards. Nothing else in the
//! directory changes, but for the lock, which keeps everybody else away meanwhile.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::database::Database;
use super::directory::{self, Directory};
use super::durable;
use super::log::Logged;
use super::names;
use super::opened;
use super::quarantine;
use super::watermark::{Progress, Watermark};
use crate::journal::store::Each;
use crate::journal::{JournalError, JournalErrorKind};
use crate::user_code::printable;

/// A copy of a store, open for reading. Dropping it removes the copy.
pub(crate) struct Rescue {
    // In this order: sled's files are closed before they are removed, and removed before the directory is free.
    database: Database,
    _copy: Copy,
    _directory: Directory,
    missing: Option<String>,
}

/// A directory that is removed when it is dropped.
struct Copy(PathBuf);

impl Rescue {
    /// Opens the store in a directory, as far as it can be read.
    pub(crate) fn open(path: &Path) -> Result<Self, JournalError> {
        directory::check_path(path).map_err(|error| error.at(path))?;
        if !path.is_dir() {
            let what = "there is no directory at the path: give the path of a journal";
            return Err(JournalError::new(JournalErrorKind::BadPath).because(what).at(path));
        }
        let directory = Directory::own(path)?;
        quarantine::refuse(&directory)?;
        Self::read(directory).map_err(|error| if error.path().is_none() { error.at(path) } else { error })
    }

    fn read(directory: Directory) -> Result<Self, JournalError> {
        let mark = match Watermark::read(directory.path()) {
            Ok(mark) => mark,
            Err(error) if error.kind() == JournalErrorKind::Corrupt => None,
            Err(error) => return Err(error),
        };
        let named = mark.map(|mark| directory.store(mark.store)).filter(|store| Database::exists(store));
        let store = match named {
            Some(store) => store,
            None => latest(&directory)?,
        };
        let (copy, database) = open_copy(&store, directory.path())?;
        let (logged, unread) = match Logged::read(database.path(), directory.path()) {
            Ok(logged) => (logged, None),
            Err(error) => (Logged::default(), Some(format!("the latest commits: {error:#}"))),
        };
        let known = opened::replay(&database, &logged)?;
        let expected = mark
            .map_or(0, |mark| mark.commits)
            .max(logged.last(known))
            .max(Progress::read(directory.path())?);
        let fewer = (known < expected).then(|| {
            format!(
                "the store knows of {known} commits where there were {expected}: what came later is missing"
            )
        });
        let missing = unread.or(fewer);
        Ok(Self { database, _copy: copy, _directory: directory, missing })
    }

    /// What is known to be missing altogether.
    pub(crate) fn missing(&self) -> Option<&str> {
        self.missing.as_deref()
    }

    /// As [`Store::scan`](crate::journal::store::Store::scan).
    pub(crate) fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        each: &mut Each<'_>,
    ) -> Result<(), JournalError> {
        self.database.scan(prefix, after, each)
    }

    /// The value of a key.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, JournalError> {
        self.database.get(key)
    }
}

/// The store with the highest number: where it is not known which one counts, it is the one that was to.
fn latest(directory: &Directory) -> Result<PathBuf, JournalError> {
    let is_whole = |number: &u64| Database::exists(&directory.store(*number));
    let latest = directory.stores()?.into_iter().filter(is_whole).max();
    let none = || JournalError::new(JournalErrorKind::Corrupt).because("there are no files of a store");
    latest.map(|number| directory.store(number)).ok_or_else(none)
}

/// Opens a copy of a store. sled keeps a summary of its log in a file beside it, and does not open if the log is shorter than
/// that says; without the summary it reads what there is of the log.
fn open_copy(store: &Path, journal: &Path) -> Result<(Copy, Database), JournalError> {
    let copy = Copy::of(store, journal, true)?;
    match Database::open(&copy.0, journal) {
        Err(error) if error.kind() == JournalErrorKind::Corrupt => {}
        opened => return Ok((copy, opened?)),
    }
    // Before another one is made: there need be room for one.
    drop(copy);
    let copy = Copy::of(store, journal, false)?;
    let database = Database::open(&copy.0, journal)?;
    Ok((copy, database))
}

impl Copy {
    /// Copies the files of a store to a new directory within that of the journal.
    fn of(store: &Path, journal: &Path, with_summary: bool) -> Result<Self, JournalError> {
        let path = journal.join(names::new_copy());
        directory::make_new(&path)?;
        let copy = Self(path);
        copy_files(store, &copy.0, &|name| with_summary || !name.starts_with("snap."))?;
        Ok(copy)
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        if let Err(error) = durable::remove_tree(&self.0) {
            log_warn!(error = %printable(&error), path = %printable(self.0.display()), "a copy of a journal could not be removed");
        }
    }
}

fn copy_files(from: &Path, to: &Path, wanted: &dyn Fn(&str) -> bool) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            directory::make_new(&to)?;
            copy_files(&from, &to, wanted)?;
        } else if wanted(&entry.file_name().to_string_lossy()) {
            fs::copy(from, to)?;
        }
    }
    Ok(())
}
