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
//! the reading as damage does. Whether it ends too early shows in the count of commits that is kept beside the store, and in
//! records of later commits behind the end: a record is written only when the one before it is durable.
//!
//! The file has its full length from the beginning: a sync of a file that has become longer waits for the file system's own
//! journal as well. The last record may go beyond that: the first one that is longer than a log, and one for which the other log
//! has no room yet, because sled is still being told of what is in it.

use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::directory::private_file;
use super::durable;
use super::reading::Source;
use super::watermark::NO_NUMBER;
use crate::journal::failpoint::hit;
use crate::journal::store::Change;
use crate::journal::{JournalError, JournalErrorKind};

/// The names of the files.
const NAMES: [&str; 2] = ["log-0", "log-1"];

/// The length of the file.
const LENGTH: usize = 1 << 20;

/// What the file begins with. The number is the format's.
const TITLE: [u8; 16] = *b"sortie log 1\n\0\0\0";
/// What stands before the number in it.
const NAME: usize = 11;

/// The length and the checksum of a record.
const FRAME: usize = 8;
/// The number of its commit.
const NUMBER: usize = 8;
/// What nothing was written to. It is passed over at once: of the first bytes of a record, its length, one is not zero.
const ZEROS: [u8; 4096] = [0; 4096];
const NOT_ALL_ZEROS: usize = 4;
/// How many records two logs hold at most, and so how many commits can be missing behind the last one that is known.
const MOST_RECORDS: u64 = 2 * (LENGTH / (FRAME + NUMBER)) as u64;

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
    /// The numbers of whole records behind the ends of the logs: what is left of older ones, unless the logs are damaged.
    stray: Vec<u64>,
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

    /// Makes a commit durable, if there is room for it; at the beginning there always is, and also where the log is to be used
    /// beyond its length. Its number follows that of the last one.
    ///
    /// Where the writing fails, the sync still tells whether what was acknowledged before is safe, and its error is the one
    /// that counts.
    pub(super) fn append(
        &mut self,
        number: u64,
        batch: &[Change],
        beyond: bool,
    ) -> Result<bool, JournalError> {
        encode(&mut self.record, number, batch);
        if self.end + self.record.len() > LENGTH && self.end > TITLE.len() && !beyond {
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

    /// Whether the log has reached its length: its last record stands there, and no other may follow.
    pub(super) fn is_full(&self) -> bool {
        self.end > LENGTH
    }

    /// Begins anew: sled has everything.
    pub(super) fn restart(&mut self) {
        if self.is_full() {
            // A longer file does no harm.
            let _ = self.file.set_len(LENGTH as u64);
        }
        self.end = TITLE.len();
    }
}

impl Logged {
    /// Reads the logs in the directory of a store, as far as they go. There may be none: the store was never opened, or by a
    /// version without logs.
    pub(super) fn read(store: &Path, journal: &Path) -> Result<Self, JournalError> {
        let mut logged = Self::default();
        for path in paths(store) {
            if let Some(source) = Source::open(&path, journal)? {
                logged.take_in(Bytes::read(source)?)?;
            }
        }
        logged.runs.sort_by_key(|run| run.first);
        Ok(logged)
    }

    fn take_in(&mut self, mut bytes: Bytes) -> Result<(), JournalError> {
        let Some(title) = bytes.bytes.first_chunk::<{ TITLE.len() }>() else {
            return Ok(()); // killed while it was made
        };
        // Without one, it was made shortly before a power cut, if nothing follows.
        let titled = *title != [0; TITLE.len()];
        if titled && *title != TITLE {
            let newer = title[..NAME] == TITLE[..NAME];
            let kind = if newer { JournalErrorKind::NewerFormat } else { JournalErrorKind::Corrupt };
            return Err(JournalError::new(kind).because("a log cannot be read"));
        }
        let mut at = TITLE.len();
        if titled {
            let (run, end) = Run::read(&mut bytes)?;
            self.runs.extend(run);
            at = end;
        }
        while at < bytes.bytes.len() {
            if bytes.bytes[at..].starts_with(&ZEROS) {
                at += ZEROS.len() - NOT_ALL_ZEROS;
                continue;
            }
            match bytes.record(at)? {
                // Records within its values are none of the log's.
                Some((number, body)) => {
                    self.stray.push(number);
                    at = body.end;
                }
                None => at += 1,
            }
        }
        Ok(())
    }

    /// The commits after the one with this number, in their order, as far as none is missing.
    pub(super) fn after(&self, number: u64) -> Vec<&[Change]> {
        let mut commits = Vec::new();
        for Run { first, batches } in &self.runs {
            for (batch, at) in batches.iter().zip(*first..) {
                if at == number.saturating_add(1 + commits.len() as u64) {
                    commits.push(&batch[..]);
                }
            }
        }
        commits
    }

    /// The number of the last commit that the logs show, where all are known up to this one. 0 if there is none.
    ///
    /// A later one behind the end of a log means that the log is damaged before it. It is believed to be one of the log's only as
    /// far as the logs can hold what lies between.
    pub(super) fn last(&self, known: u64) -> u64 {
        let runs = self.runs.iter().map(|run| run.first.saturating_add(run.batches.len() as u64 - 1));
        let stray = self.stray.iter().copied().filter(|number| *number <= known.saturating_add(MOST_RECORDS));
        runs.chain(stray).max().unwrap_or(0)
    }
}

fn paths(store: &Path) -> [PathBuf; 2] {
    NAMES.map(|name| store.join(name))
}

/// Whether a file of this name in the directory of a store is a log.
pub(super) fn is_log(name: &OsStr) -> bool {
    NAMES.iter().any(|log| name == *log)
}

impl Run {
    /// The records that follow the title, as far as they are whole and one follows the other, and where they end.
    fn read(bytes: &mut Bytes) -> Result<(Option<Self>, usize), JournalError> {
        let (mut first, mut batches, mut at) = (None, Vec::new(), TITLE.len());
        while let Some((number, body)) = bytes.record(at)? {
            // Otherwise it is what is left of an older one.
            let follows = number == first.get_or_insert(number).saturating_add(batches.len() as u64);
            let Some(batch) = follows.then(|| decode(&bytes.bytes[body.start + NUMBER..body.end])).flatten()
            else {
                break;
            };
            batches.push(batch);
            at = body.end;
        }
        let run = first.filter(|_| !batches.is_empty()).map(|first| Self { first, batches });
        Ok((run, at))
    }
}

/// What is in the file of a log: as much as a log is long, and what of a whole record goes beyond that.
#[derive(Debug)]
struct Bytes {
    bytes: Vec<u8>,
    source: Source,
    /// The length of the file.
    length: u64,
}

impl Bytes {
    fn read(mut source: Source) -> Result<Self, JournalError> {
        // The last record may begin at the very end, and what it begins with go beyond that.
        let mut bytes = Vec::new();
        source.read(&mut bytes, LENGTH + FRAME + NUMBER)?;
        let length = source.length()?;
        Ok(Self { bytes, source, length })
    }

    /// The whole record that begins here, if one does: its number, and where its number and its changes are.
    fn record(&mut self, at: usize) -> Result<Option<(u64, Range<usize>)>, JournalError> {
        let Some(frame) = self.bytes.get(at..).and_then(<[u8]>::first_chunk::<{ FRAME + NUMBER }>) else {
            return Ok(None);
        };
        let [length, checksum] = [0, 4].map(|at| frame[at..at + 4].try_into().map_or(0, u32::from_le_bytes));
        let number = frame[FRAME..].try_into().map_or(0, u64::from_le_bytes);
        let body = at + FRAME..(at + FRAME).saturating_add(length as usize);
        if (length as usize) < NUMBER || number == 0 || number >= NO_NUMBER || body.end as u64 > self.length {
            return Ok(None);
        }
        let whole = match self.bytes.get(body.clone()) {
            Some(body) => crc32fast::hash(body) == checksum,
            None => self.reads_beyond(&body, checksum)?,
        };
        Ok(whole.then_some((number, body)))
    }

    /// Reads the rest of a record that goes beyond what was read. Its checksum is looked at first, piece by piece: its length
    /// may be nonsense, and is not to decide how much memory there must be.
    fn reads_beyond(&mut self, body: &Range<usize>, checksum: u32) -> Result<bool, JournalError> {
        let (read, left) = (self.bytes.len(), body.end - self.bytes.len());
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&self.bytes[body.start..]);
        self.source.seek(read as u64)?;
        let shown = self.source.show(left as u64, |piece| hasher.update(piece))?;
        if shown < left as u64 || hasher.finalize() != checksum {
            return Ok(false);
        }
        self.source.seek(read as u64)?;
        self.source.read(&mut self.bytes, left)?;
        Ok(self.bytes.len() == body.end)
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

/// The changes in a record; `None` if they are not such.
fn decode(mut changes: &[u8]) -> Option<Vec<Change>> {
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
    Some(batch)
}
