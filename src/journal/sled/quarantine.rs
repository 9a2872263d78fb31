//! A damaged store is set aside, whole, and nothing is opened in its place before somebody has decided.
//!
//! Its parts are moved to a new directory beside the journal's, `NAME.corrupt-TIME`. In the journal's directory a file
//! `quarantined` stays, which is written first: so a process killed between any two steps leaves a journal that is refused,
//! and never one that begins empty. The next opening goes on with the moving.
//!
//! Who removes `quarantined` begins with an empty journal. Who puts the parts back and removes it goes on with them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::directory::{self, Directory, QUARANTINED};
use super::durable;
use crate::journal::clock;
use crate::journal::failpoint::hit;
use crate::journal::{JournalError, JournalErrorKind};

/// How many damaged stores one second may bring.
const MOST_NAMES: usize = 1000;

/// Sets a damaged store aside, and says so in the error. Where that is impossible it stays, and stays damaged.
pub(super) fn set_aside(directory: &Directory, error: JournalError) -> JournalError {
    let path = directory.path();
    match declare(path, &error).and_then(|aside| finish(directory, &aside)) {
        Ok(aside) => {
            tracing::error!(
                path = %path.display(), aside = %aside.display(), error = format!("{error:#}"),
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
    let note = match fs::read_to_string(path.join(QUARANTINED)) {
        Ok(note) => note,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(JournalError::from(error).at(path)),
    };
    let refusal =
        JournalError::new(JournalErrorKind::Corrupt).at(path).because("it was found damaged earlier");
    let Some(aside) = note.lines().next().and_then(|suffix| beside(path, suffix)) else {
        return Err(refusal);
    };
    // It may have been moved to another place by now, or away: only what is left here is of interest.
    if aside.is_dir() {
        finish(directory, &aside).map_err(|error| error.at(path))?;
    }
    Err(refusal.moved_to(&aside))
}

/// Finds a free name, and notes it where the journal was.
fn declare(path: &Path, error: &JournalError) -> Result<PathBuf, JournalError> {
    let time = clock::in_names(SystemTime::now());
    for number in 1..=MOST_NAMES {
        let suffix = if number == 1 { format!("corrupt-{time}") } else { format!("corrupt-{time}-{number}") };
        let Some(aside) = beside(path, &suffix) else { break };
        match directory::make_new(&aside) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error.into()),
            Ok(()) => {
                let note = format!(
                    "{suffix}\nThe journal that was here is damaged. It stands beside this directory, under its name and \
                     the above.\nRemove this file to begin with an empty journal. What was wrong:\n{error:#}\n"
                );
                durable::replace(path, QUARANTINED, note.as_bytes())?;
                hit("store.open.quarantined", path)?;
                return Ok(aside);
            }
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
pub(super) fn beside(path: &Path, suffix: &str) -> Option<PathBuf> {
    let mut name = path.file_name()?.to_owned();
    name.push(".");
    name.push(suffix);
    Some(path.with_file_name(name))
}
