//! What a journal's directory says about its store, so that a store that lost its content is noticed.
//!
//! sled takes damage in the middle of its file for the end of it, and opens without what comes after. So all commits are
//! counted, in the store and beside it, and a store that knows of fewer than the directory is damaged.
//!
//! The file `watermark` is written when a journal is opened, and replaced as a whole: a text of four lines and a checksum
//! over them. The first two lines, and the last, are the same in all formats:
//! ```text
//! sortie journal
//! format 1
//! store 3
//! commits 17
//! crc32 1a2b3c4d
//! ```
//! The file `progress` is overwritten after each commit, and synced only when the journal is closed: the count, and a
//! checksum over it, 12 bytes. A power cut may leave an older one, or none that can be read, and then the other file counts;
//! it is never ahead of the store, because it is written when the store has been synced.

use std::fs::File;
use std::io::{Seek, Write};
use std::path::Path;

use super::directory::{close_to_others, private_file};
use super::names::{PROGRESS, WATERMARK};
use super::{durable, reading};
use crate::journal::{JournalError, JournalErrorKind};

const MAGIC: &str = "sortie journal";
const FORMAT: u32 = 1;

/// The first number that no commit and no store has: at a million commits in a second it would take nine years to get there.
pub(super) const NO_NUMBER: u64 = 1 << 48;

/// How long the file `watermark` can be, in bytes, whatever a newer version writes into it.
const LONGEST: usize = 4096;

/// The content of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Watermark {
    /// Which `store-N` counts. 0 if none does yet: the journal is being made.
    pub(super) store: u64,
    /// How many commits there were when the journal was opened; an opening counts as one.
    pub(super) commits: u64,
}

impl Watermark {
    /// Before there is a store.
    pub(super) const NEW: Self = Self { store: 0, commits: 0 };

    /// Reads the file, if it is there.
    pub(super) fn read(directory: &Path) -> Result<Option<Self>, JournalError> {
        let content = reading::read(&directory.join(WATERMARK), LONGEST, directory)?;
        content.map(|content| Self::parse(&content)).transpose()
    }

    /// Writes the file. It is durable when this returns.
    pub(super) fn write(self, directory: &Path) -> Result<(), JournalError> {
        let Self { store, commits } = self;
        let text = format!("{MAGIC}\nformat {FORMAT}\nstore {store}\ncommits {commits}\n");
        let sum = crc32fast::hash(text.as_bytes());
        durable::replace(directory, WATERMARK, format!("{text}crc32 {sum:08x}\n").as_bytes())
    }

    fn parse(content: &[u8]) -> Result<Self, JournalError> {
        let damaged = || JournalError::new(JournalErrorKind::Corrupt).because("the watermark cannot be read");
        let text = std::str::from_utf8(content).map_err(|_| damaged())?;
        let (body, sum) = text.trim_end_matches('\n').rsplit_once('\n').ok_or_else(damaged)?;
        let sum = sum.strip_prefix("crc32 ").and_then(|sum| u32::from_str_radix(sum, 16).ok());
        if sum != Some(crc32fast::hash(format!("{body}\n").as_bytes())) {
            return Err(damaged());
        }
        let mut lines = body.lines();
        if lines.next() != Some(MAGIC) {
            return Err(damaged());
        }
        let mut number = |name: &str| {
            let line = lines.next().and_then(|line| line.strip_prefix(name)?.strip_prefix(' '));
            let number = line.and_then(|number| number.parse::<u64>().ok());
            number.filter(|number| *number < NO_NUMBER).ok_or_else(damaged)
        };
        if number("format")? > u64::from(FORMAT) {
            return Err(JournalError::new(JournalErrorKind::NewerFormat));
        }
        Ok(Self { store: number("store")?, commits: number("commits")? })
    }
}

/// The length of the file `progress`.
const LENGTH: usize = 12;

/// The file `progress`.
#[derive(Debug)]
pub(super) struct Progress(File);

impl Progress {
    /// Opens the file, or makes one.
    pub(super) fn open(directory: &Path) -> Result<Self, JournalError> {
        let path = directory.join(PROGRESS);
        let file = private_file().create(true).truncate(false).write(true).open(path)?;
        close_to_others(&file);
        Ok(Self(file))
    }

    /// The count that is there. 0 if there is none that can be read.
    pub(super) fn read(directory: &Path) -> Result<u64, JournalError> {
        let content = reading::read(&directory.join(PROGRESS), LENGTH, directory)?.unwrap_or_default();
        let count = content.first_chunk::<8>().copied().map(u64::from_le_bytes);
        Ok(count.filter(|count| *count < NO_NUMBER && content == encode(*count)).unwrap_or(0))
    }

    /// Overwrites the count. An older one is a worse bound and does no harm, so what goes wrong here is of no interest.
    pub(super) fn write(&self, commits: u64) {
        let mut file = &self.0;
        let _ = file.rewind().and_then(|()| file.write_all(&encode(commits)));
    }

    /// Waits until the disk has the count.
    pub(super) fn sync(&self) {
        let _ = self.0.sync_all();
    }
}

fn encode(commits: u64) -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    let (count, sum) = bytes.split_at_mut(8);
    count.copy_from_slice(&commits.to_le_bytes());
    sum.copy_from_slice(&crc32fast::hash(count).to_le_bytes());
    bytes
}
