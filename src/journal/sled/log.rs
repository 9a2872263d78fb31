//! The log in front of sled: every commit, until sled has it too.
//!
//! A commit of sled's takes two waits for the disk and wakes a handful of threads; a record in a file of our own takes one
//! wait. So a commit is a record here, and goes to sled together with others ([`opened`](super::opened)).
//!
//! The file begins with 16 bytes that say what it is. Records follow, one commit each, without gaps:
//! ```text
//! [length u32][crc32 u32][number u64][changes …]      length and checksum are of the number and the changes
//! change: [key u16][value u16 + 1, or 0 for a removal][the key's bytes][the value's bytes]
//! ```
//! Numbers are little-endian, and those of commits follow each other. When sled has everything that is in a log, it is written
//! anew from its beginning: what is left of older records behind the new ones has lower numbers, or is none any more, and ends
//! the reading as damage does. Whether it ends too early shows in the count of commits that is kept beside the store.
//!
//! The file has its full length from the beginning: a sync of a file that has become longer waits for the file system's own
//! journal as well.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::directory::private_file;
use super::durable;
use crate::journal::failpoint::hit;
use crate::journal::store::Change;
use crate::journal::{JournalError, JournalErrorKind};

/// The length of the file.
const LENGTH: usize = 1 << 20;

/// What the file begins with. The number is the format's.
const TITLE: [u8; 16] = *b"sortie log 1\n\0\0\0";
/// What stands before the number in it.
const NAME: usize = 11;

/// The length and the checksum of a record.
const FRAME: usize = 8;

/// The log of an open store.
pub(super) struct Log {
    file: File,
    /// Where the next record begins.
    end: usize,
    /// The bytes of the last record: their place is used again.
    record: Vec<u8>,
    /// The journal's directory, for failpoints.
    journal: PathBuf,
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("end", &self.end).field("journal", &self.journal).finish_non_exhaustive()
    }
}

/// The commits that the logs of a store hold.
#[derive(Debug, Default)]
pub(super) struct Logged {
    /// One of each log that has any, in their order.
    runs: Vec<Run>,
}

/// Commits whose numbers follow each other.
#[derive(Debug)]
struct Run {
    /// The number of the first.
    first: u64,
    batches: Vec<Vec<Change>>,
}

impl Log {
    /// Begins two empty logs in the directory of a store, in place of those that are there.
    pub(super) fn begin(store: &Path, journal: &Path) -> Result<[Self; 2], JournalError> {
        let [one, other] = paths(store).map(|path| Self::make(&path, journal));
        let logs = [one?, other?];
        durable::sync_directory(store)?;
        Ok(logs)
    }

    fn make(path: &Path, journal: &Path) -> Result<Self, JournalError> {
        let mut file = private_file().create(true).truncate(true).write(true).open(path)?;
        file.write_all(&TITLE)?;
        file.set_len(LENGTH as u64)?;
        file.sync_all().map_err(durable::not_synced)?;
        Ok(Self { file, end: TITLE.len(), record: Vec::new(), journal: journal.to_owned() })
    }

    /// Makes a commit durable, if there is room for it; at the beginning there always is. Its number follows that of the last
    /// one.
    ///
    /// Where the writing fails, the sync still tells whether what was acknowledged before is safe, and its error is the one
    /// that counts.
    pub(super) fn append(&mut self, number: u64, batch: &[Change]) -> Result<bool, JournalError> {
        encode(&mut self.record, number, batch);
        if self.end + self.record.len() > LENGTH && self.end > TITLE.len() {
            return Ok(false);
        }
        let written = self.write();
        self.sync()?;
        written?;
        self.end += self.record.len();
        hit("store.after_sync", &self.journal)?;
        Ok(true)
    }

    fn write(&mut self) -> io::Result<()> {
        hit("store.before_write", &self.journal)?;
        self.file.seek(SeekFrom::Start(self.end as u64))?;
        self.file.write_all(&self.record)?;
        hit("store.after_write_before_sync", &self.journal)
    }

    /// Waits until the disk has what was written.
    fn sync(&self) -> Result<(), JournalError> {
        hit("store.fdatasync", &self.journal)
            .and_then(|()| self.file.sync_data())
            .map_err(durable::not_synced)
    }

    /// Begins anew: sled has everything.
    pub(super) fn restart(&mut self) {
        self.end = TITLE.len();
    }
}

impl Logged {
    /// Reads the logs in the directory of a store, as far as they go. There may be none: the store was never opened, or by a
    /// version without logs.
    pub(super) fn read(store: &Path) -> Result<Self, JournalError> {
        let mut runs = Vec::new();
        for path in paths(store) {
            match fs::read(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                bytes => runs.extend(Run::read(&bytes?)?),
            }
        }
        runs.sort_by_key(|run| run.first);
        Ok(Self { runs })
    }

    /// The commits after the one with this number, in their order, as far as none is missing.
    pub(super) fn after(&self, number: u64) -> Vec<&[Change]> {
        let mut commits = Vec::new();
        for Run { first, batches } in &self.runs {
            for (batch, after) in batches.iter().zip(0..) {
                let next = number.saturating_add(1).saturating_add(commits.len() as u64);
                if first.saturating_add(after) == next {
                    commits.push(&batch[..]);
                }
            }
        }
        commits
    }

    /// The number of the last commit. 0 if there is none.
    pub(super) fn last(&self) -> u64 {
        self.runs.last().map_or(0, |run| run.first.saturating_add(run.batches.len() as u64 - 1))
    }
}

fn paths(store: &Path) -> [PathBuf; 2] {
    ["log-0", "log-1"].map(|name| store.join(name))
}

impl Run {
    /// What the bytes of a log hold.
    fn read(bytes: &[u8]) -> Result<Option<Self>, JournalError> {
        let Some((title, mut rest)) = bytes.split_first_chunk::<{ TITLE.len() }>() else {
            return Ok(None); // killed while it was made
        };
        if *title == [0; TITLE.len()] {
            return Ok(None); // the same, at a power cut
        }
        if *title != TITLE {
            let newer = title[..NAME] == TITLE[..NAME];
            let kind = if newer { JournalErrorKind::NewerFormat } else { JournalErrorKind::Corrupt };
            return Err(JournalError::new(kind).because("a log cannot be read"));
        }
        let (mut first, mut batches) = (None, Vec::new());
        while let Some((number, batch, left)) = decode(rest) {
            if number != first.get_or_insert(number).saturating_add(batches.len() as u64) {
                break; // what is left of an older one
            }
            batches.push(batch);
            rest = left;
        }
        Ok(first.map(|first| Self { first, batches }))
    }
}

fn encode(record: &mut Vec<u8>, number: u64, batch: &[Change]) {
    record.clear();
    record.extend([0; FRAME]);
    record.extend(number.to_le_bytes());
    for change in batch {
        let (key, value) = match change {
            Change::Put(key, value) => (key, Some(value)),
            Change::Delete(key) => (key, None),
        };
        // Both are short: whoever commits has checked that.
        record.extend((key.len() as u16).to_le_bytes());
        record.extend(value.map_or(0, |value| value.len() as u16 + 1).to_le_bytes());
        record.extend(key);
        record.extend(value.into_iter().flatten());
    }
    let (frame, body) = record.split_at_mut(FRAME);
    frame[..4].copy_from_slice(&(body.len() as u32).to_le_bytes());
    frame[4..].copy_from_slice(&crc32fast::hash(body).to_le_bytes());
}

/// The first record of some bytes, and what follows it; `None` if they do not begin with a whole one.
fn decode(bytes: &[u8]) -> Option<(u64, Vec<Change>, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (checksum, rest) = rest.split_first_chunk::<4>()?;
    let (body, left) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    if crc32fast::hash(body) != u32::from_le_bytes(*checksum) {
        return None;
    }
    let (number, mut changes) = body.split_first_chunk::<8>()?;
    let mut batch = Vec::new();
    while !changes.is_empty() {
        let (key, rest) = changes.split_first_chunk::<2>()?;
        let (value, rest) = rest.split_first_chunk::<2>()?;
        let (key, rest) = rest.split_at_checked(u16::from_le_bytes(*key).into())?;
        let length = u16::from_le_bytes(*value);
        let (value, rest) = rest.split_at_checked(length.saturating_sub(1).into())?;
        batch.push(match length {
            0 => Change::Delete(key.to_vec()),
            _ => Change::Put(key.to_vec(), value.to_vec()),
        });
        changes = rest;
    }
    Some((u64::from_le_bytes(*number), batch, left))
}
