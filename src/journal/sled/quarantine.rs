//! A damaged store is set aside, whole, and nothing is opened in its place before an operator has decided.
//!
//! Its parts are moved to a new directory within the journal's, `damaged-N`: within, because the journal's directory may be the
//! root of a volume, beside which nothing can be moved. In the journal's directory a file `quarantined` stays, which is
//! written first: so a process killed between any two steps leaves a journal that is refused, and never one that begins
//! empty. The next opening goes on with the moving.
//!
//! Without `quarantined` the next opening begins with an empty journal. With the parts of `damaged-N` moved back, and without
//! `quarantined`, it goes on with them. `damaged-N` is never removed.
//!
//! Earlier versions have moved the parts to a directory beside the journal's, `NAME.corrupt-TIME`. It is reported where it is,
//! and a moving that was interrupted goes on there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::directory::{self, Directory};
use super::durable;
use super::names::{self, QUARANTINED};
use crate::journal::failpoint::hit;
use crate::journal::{JournalError, JournalErrorKind};
use crate::user_code::{printable, printable_in_full};

/// What stood before the time in the names that earlier versions gave.
const BESIDE: &str = "corrupt-";

/// Sets a damaged store aside, and says so in the error. Where that is impossible it stays, and stays damaged.
pub(super) fn set_aside(directory: &Directory, error: JournalError) -> JournalError {
    let path = directory.path();
    match declare(directory, &error).and_then(|aside| finish(directory, &aside)) {
        Ok(aside) => {
            log_error!(
                path = %printable(path.display()),
                aside = %printable(aside.display()),
                error = %printable_in_full(&error),
                "the journal is damaged and was set aside"
            );
            error.at(path).moved_to(&aside)
        }
        Err(failed) => {
            let what = format!("{error:#}, and it could not be set aside: {failed:#}");
            JournalError::new(JournalErrorKind::Corrupt).at(path).because(what)
        }
    }
}

/// Refuses a directory whose store was set aside.
pub(super) fn refuse(directory: &Directory) -> Result<(), JournalError> {
    let path = directory.path();
    let note = match fs::read(path.join(QUARANTINED)) {
        Ok(note) => note,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(JournalError::from(error).at(path)),
    };
    let refusal =
        JournalError::new(JournalErrorKind::Corrupt).at(path).because("it was found damaged earlier");
    let note = String::from_utf8_lossy(&note);
    let Some(aside) = note.lines().next().and_then(|name| place(path, name)) else {
        return Err(refusal);
    };
    // It may have been moved to another place by now, or away: only what is left here is of interest.
    if aside.is_dir() {
        finish(directory, &aside).map_err(|error| error.at(path))?;
    }
    Err(refusal.moved_to(&aside))
}

/// Whether a store was set aside, and no decision was made since.
pub(super) fn is_declared(directory: &Directory) -> bool {
    names::is_file(&directory.path().join(QUARANTINED))
}

/// Where the store stands that a note calls so.
fn place(path: &Path, name: &str) -> Option<PathBuf> {
    if names::damaged_number(name).is_some() {
        return Some(path.join(name));
    }
    let time = name.strip_prefix(BESIDE)?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (!time.is_empty() && time.bytes().all(plain)).then(|| beside(path, name)).flatten()
}

/// Makes the directory, and notes where the journal was.
fn declare(directory: &Directory, error: &JournalError) -> Result<PathBuf, JournalError> {
    let path = directory.path();
    let (name, aside) = new_place(path)?;
    let note = format!(
        "{name}\nThe journal that was here is damaged. It stands in the directory with the above name.\nRemove this file to \
         begin with an empty journal. What was wrong:\n{error:#}\n"
    );
    if let Err(error) = durable::replace(path, QUARANTINED, note.as_bytes()) {
        // It is empty, and was to be used for the first time.
        let _ = fs::remove_dir(&aside);
        return Err(error);
    }
    hit("store.open.quarantined", path)?;
    Ok(aside)
}

/// A directory for what is set aside: a new one, or one in which a process was killed before it moved anything.
fn new_place(path: &Path) -> Result<(String, PathBuf), JournalError> {
    for number in 1..=u64::MAX {
        let name = names::damaged(number);
        let aside = path.join(&name);
        match directory::make_new(&aside) {
            Ok(()) => return Ok((name, aside)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let is_directory = fs::symlink_metadata(&aside).is_ok_and(|metadata| metadata.is_dir());
                if is_directory && fs::read_dir(&aside)?.next().is_none() {
                    return Ok((name, aside));
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(io::Error::from(io::ErrorKind::AlreadyExists).into())
}

/// Moves what is still here.
fn finish(directory: &Directory, aside: &Path) -> Result<PathBuf, JournalError> {
    for part in directory.parts()? {
        fs::rename(directory.path().join(&part), aside.join(&part))?;
        hit("store.open.moved", directory.path())?;
    }
    durable::sync_directory(aside)?;
    directory.sync()?;
    Ok(aside.to_owned())
}

/// The sibling whose name is longer by a suffix.
fn beside(path: &Path, suffix: &str) -> Option<PathBuf> {
    let mut name = path.file_name()?.to_owned();
    name.push(".");
    name.push(suffix);
    Some(path.with_file_name(name))
}
