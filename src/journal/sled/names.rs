//! The names of everything that a journal makes in its directory.
//!
//! An entry belongs to the journal only if its whole name is one of these and it is of the right type: a regular file or a
//! directory, never a symbolic link. Everything else in the directory is the user's. It is neither moved nor removed nor
//! written to, however similar its name is.

use std::ffi::OsStr;
use std::fs::{self, FileType};
use std::io;
use std::path::{Path, PathBuf};

use uuid::Uuid;

pub(super) const LOCK: &str = "lock";
pub(super) const WATERMARK: &str = "watermark";
pub(super) const PROGRESS: &str = "progress";
pub(super) const NOT_SYNCED: &str = "not-synced";
pub(super) const QUARANTINED: &str = "quarantined";

const STORE: &str = "store-";
const DAMAGED: &str = "damaged-";
const STAGING: &str = "import-";
const COPY: &str = "export-";
/// How the name of a file ends that will replace another one.
const NEW: &str = ".new";

/// What file systems put into the root of a disk.
const LOST_AND_FOUND: &str = "lost+found";

/// What an entry of a journal's directory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    Lock,
    Watermark,
    Progress,
    /// The note that a sync failed. One that was to replace it, or to become it, says the same: where every sync fails, it is
    /// not renamed.
    NotSynced,
    /// The note that a store was set aside.
    Quarantined,
    /// A file that was to replace another one, left by a process that was killed.
    Replacement,
    /// `store-N`
    Store(u64),
    /// `damaged-N`: what was set aside.
    Damaged(u64),
    /// `import-ID`: a journal that is being imported, or that a killed process has left.
    Staging,
    /// `export-ID`: a copy of a store that is being read, or that a killed process has left.
    Copy,
    /// What the file system has put there.
    LostAndFound,
}

impl Entry {
    /// What the entry with this name and type is; `None` if it is the user's.
    pub(super) fn of(name: &OsStr, is: FileType) -> Option<Self> {
        let name = name.to_str()?;
        if is.is_file() {
            match name {
                LOCK => Some(Self::Lock),
                WATERMARK => Some(Self::Watermark),
                PROGRESS => Some(Self::Progress),
                NOT_SYNCED => Some(Self::NotSynced),
                QUARANTINED => Some(Self::Quarantined),
                _ => {
                    let replaces = |file| is_replacement(name, file);
                    let note = replaces(NOT_SYNCED).then_some(Self::NotSynced);
                    let other =
                        || [WATERMARK, QUARANTINED].into_iter().any(replaces).then_some(Self::Replacement);
                    note.or_else(other)
                }
            }
        } else if is.is_dir() {
            if name == LOST_AND_FOUND {
                return Some(Self::LostAndFound);
            }
            let store = number_after(name, STORE).map(Self::Store);
            let damaged = || number_after(name, DAMAGED).map(Self::Damaged);
            let staging = || is_unique(name, STAGING).then_some(Self::Staging);
            let copy = || is_unique(name, COPY).then_some(Self::Copy);
            store.or_else(damaged).or_else(staging).or_else(copy)
        } else {
            None
        }
    }

    /// What stands at a path; `None` if there is nothing, or something of the user's.
    pub(super) fn at(path: &Path) -> io::Result<Option<Self>> {
        match fs::symlink_metadata(path) {
            Ok(metadata) => Ok(path.file_name().and_then(|name| Self::of(name, metadata.file_type()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Whether nothing at all stands at a path, also no dangling symbolic link.
pub(super) fn is_free(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

/// Whether a regular file stands at a path.
pub(super) fn is_file(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file())
}

pub(super) fn store(number: u64) -> String {
    format!("{STORE}{number}")
}

pub(super) fn damaged(number: u64) -> String {
    format!("{DAMAGED}{number}")
}

/// The number of what was set aside, by the name that the note gives it.
pub(super) fn damaged_number(name: &str) -> Option<u64> {
    number_after(name, DAMAGED)
}

/// A new name for a journal that is being imported.
pub(super) fn new_staging() -> String {
    unique(STAGING)
}

/// A new name for a copy of a store.
pub(super) fn new_copy() -> String {
    unique(COPY)
}

/// Where the file with this name is written before it replaces the old one: where the first name belongs to somebody else, the
/// next one counts.
pub(super) fn replacement(directory: &Path, file: &str) -> io::Result<PathBuf> {
    let mut number = 0_u32;
    loop {
        let name = if number == 0 { format!("{file}{NEW}") } else { format!("{file}-{number}{NEW}") };
        let path = directory.join(name);
        if is_free(&path)? || is_file(&path) {
            return Ok(path);
        }
        number += 1;
    }
}

fn is_replacement(name: &str, file: &str) -> bool {
    let Some(middle) = name.strip_prefix(file).and_then(|rest| rest.strip_suffix(NEW)) else { return false };
    middle.is_empty() || number_after(middle, "-").is_some()
}

/// The number after a prefix, as the journal writes it: from 1, decimal, without a sign or leading zeros.
fn number_after(name: &str, prefix: &str) -> Option<u64> {
    let digits = name.strip_prefix(prefix)?;
    let number = digits.parse::<u64>().ok().filter(|number| *number > 0)?;
    (number.to_string() == digits).then_some(number)
}

fn unique(prefix: &str) -> String {
    let random = u128::from(fastrand::u64(..)) << 64 | u128::from(fastrand::u64(..));
    format!("{prefix}{}", uuid::Builder::from_random_bytes(random.to_be_bytes()).into_uuid().simple())
}

/// Whether a name is a prefix and the 32 digits of a random UUID, as [`unique`] writes it.
fn is_unique(name: &str, prefix: &str) -> bool {
    let Some(digits) = name.strip_prefix(prefix) else { return false };
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    digits.len() == 32
        && digits.bytes().all(hex)
        && Uuid::try_parse(digits).is_ok_and(|id| id.get_version_num() == 4)
}
