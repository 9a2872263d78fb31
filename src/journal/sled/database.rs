//! A database of sled's, with a sync that reaches the disk.

use std::any::Any;
use std::fs::{self, File};
use std::io;
use std::ops::{Bound, ControlFlow};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use sled::{Batch, Config, Db, Error, Tree};

use super::directory::private_file;
use super::watermark::NO_NUMBER;
use super::{durable, reading};
use crate::journal::failpoint::hit;
use crate::journal::store::Each;
use crate::journal::{JournalError, JournalErrorKind};
use crate::user_code::printable;

/// Resident memory is four to eight times this under churn.
const CACHE: u64 = 8 << 20;
/// How often sled's own thread writes what is dirty, and collects garbage.
const FLUSH_EVERY_MS: u64 = 500;
/// How long sled's threads may take to let go of a file that was dropped.
const LET_GO: Duration = Duration::from_secs(2);
/// The changes of one batch of a copy. Larger ones only add latency.
const COPIED_AT_ONCE: usize = 256;
/// The changes of one batch otherwise: nothing can be read while sled takes one.
const WRITTEN_AT_ONCE: usize = 64;

/// What sled adds to a pair in a fresh file, about, in bytes.
const ADDED: usize = 100;

const FILE: &str = "db";
/// A tree beside the data, for the number of commits.
const COUNTS: &str = "counts";
const COMMITS: &str = "commits";

/// A key, and its value unless it is removed.
pub(super) type Pair<'a> = (&'a [u8], Option<&'a [u8]>);

/// An open database.
#[derive(Debug)]
pub(super) struct Database {
    db: Db,
    counts: Tree,
    /// A handle of our own on sled's file, opened before sled wrote to it: the kernel tells each handle once of the
    /// writes that have failed since it was opened.
    file: File,
    path: PathBuf,
    /// The journal's directory, for failpoints.
    journal: PathBuf,
}

impl Database {
    /// Opens the database in a directory, or makes one there. All of its files are read first, to their ends.
    pub(super) fn open(path: &Path, journal: &Path) -> Result<Self, JournalError> {
        refuse_early_clock(SystemTime::now())?;
        reading::read_through(path, journal)?;
        clear_interrupted_opening(path)?;
        let file =
            private_file().create(true).truncate(false).read(true).write(true).open(path.join(FILE))?;
        let start = Instant::now();
        let (db, counts) = loop {
            let opened = guarded(|| {
                let config =
                    Config::new().path(path).cache_capacity(CACHE).flush_every_ms(Some(FLUSH_EVERY_MS));
                let db = config.open()?;
                let counts = db.open_tree(COUNTS)?;
                Ok((db, counts))
            });
            match opened {
                Err(error)
                    if error.kind() == JournalErrorKind::OwnedByAnotherProcess
                        && start.elapsed() < LET_GO =>
                {
                    thread::sleep(Duration::from_millis(2));
                }
                result => break result.map_err(damaged_if_short)?,
            }
        };
        Ok(Self { db, counts, file, path: path.to_owned(), journal: journal.to_owned() })
    }

    /// Whether there is a database in a directory, as far as that can be seen.
    pub(super) fn exists(path: &Path) -> bool {
        path.join(FILE).is_file()
    }

    /// Whether there is a database in a directory.
    pub(super) fn is_there(path: &Path) -> Result<bool, JournalError> {
        reading::is_there(&path.join(FILE))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, JournalError> {
        Ok(guarded(|| self.db.get(key))?.map(|value| value.to_vec()))
    }

    pub(super) fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        each: &mut Each<'_>,
    ) -> Result<(), JournalError> {
        let from = after.map_or(Bound::Included(prefix), Bound::Excluded);
        let mut pairs = self.db.range::<&[u8], _>((from, Bound::Unbounded));
        while let Some((key, value)) = guarded(|| pairs.next().transpose())? {
            if !key.starts_with(prefix) || each(&key, &value)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Makes changes durable, as what there is at the commit with this number.
    ///
    /// The number comes after the changes in sled's log, and sled recovers a part of the log from its beginning. So there is
    /// no number without its changes. A process that dies meanwhile may leave some of them without the number.
    ///
    /// The error of a sync has the kind `NotSynced`. Where the writing fails, the sync still tells whether what was
    /// written before is safe, and its error is the one that counts.
    pub(super) fn commit<'a>(
        &self,
        changes: impl IntoIterator<Item = Pair<'a>>,
        number: u64,
    ) -> Result<(), JournalError> {
        let written = self.write(changes, number);
        self.sync()?;
        written?;
        Ok(hit("store.checkpoint.after_sync", &self.journal)?)
    }

    fn write<'a>(
        &self,
        changes: impl IntoIterator<Item = Pair<'a>>,
        number: u64,
    ) -> Result<(), JournalError> {
        hit("store.checkpoint.before_batch", &self.journal)?;
        let mut changes = changes.into_iter().peekable();
        while changes.peek().is_some() {
            let batch = to_batch(changes.by_ref().take(WRITTEN_AT_ONCE));
            guarded(|| self.db.apply_batch(batch))?;
            hit("store.checkpoint.after_batch", &self.journal)?;
        }
        guarded(|| self.counts.insert(COMMITS, &number.to_be_bytes()))?;
        hit("store.checkpoint.before_flush", &self.journal)?;
        guarded(|| self.db.flush())?;
        Ok(hit("store.checkpoint.before_sync", &self.journal)?)
    }

    /// Waits until the disk has what was written.
    fn sync(&self) -> Result<(), JournalError> {
        hit("store.checkpoint.fdatasync", &self.journal)
            .and_then(|()| self.file.sync_data())
            .map_err(durable::not_synced)
    }

    /// How many commits there were, as far as the database knows.
    pub(super) fn commits(&self) -> Result<u64, JournalError> {
        let value = guarded(|| self.counts.get(COMMITS))?;
        let number = |bytes: sled::IVec| <[u8; 8]>::try_from(&*bytes).ok().map(u64::from_be_bytes);
        let commits = value.and_then(number).unwrap_or(0);
        if commits >= NO_NUMBER {
            let what = "the store counts more commits than there can be";
            return Err(JournalError::new(JournalErrorKind::Corrupt).because(what));
        }
        Ok(commits)
    }

    /// Copies all pairs of another database into this one.
    pub(super) fn copy_from(&self, other: &Self) -> Result<(), JournalError> {
        let (mut batch, mut count) = (Batch::default(), 0);
        other.scan(&[], None, &mut |key, value| {
            batch.insert(key, value);
            count += 1;
            if count % COPIED_AT_ONCE == 0 {
                let full = std::mem::take(&mut batch);
                guarded(|| self.db.apply_batch(full))?;
                hit("store.open.copying", &self.journal)?;
            }
            Ok(ControlFlow::Continue(()))
        })?;
        guarded(|| self.db.apply_batch(batch))
    }

    /// Whether all pairs would take as many bytes in a fresh file, about. It reads no more of them than that takes.
    pub(super) fn has_live(&self, bytes: u64) -> Result<bool, JournalError> {
        let mut live = 0;
        self.scan(&[], None, &mut |key, value| {
            live += (key.len() + value.len() + ADDED) as u64;
            Ok(if live < bytes { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        Ok(live >= bytes)
    }

    /// The bytes of the file.
    pub(super) fn file_size(&self) -> Result<u64, JournalError> {
        Ok(self.file.metadata()?.len())
    }

    /// Goes on with the database, or closes it after an error. What the kernel says about the files then counts more.
    pub(super) fn or_close<T>(self, result: Result<T, JournalError>) -> Result<(Self, T), JournalError> {
        match result {
            Ok(value) => Ok((self, value)),
            Err(error) => Err(self.close().err().unwrap_or(error)),
        }
    }

    /// Drops all that is sled's, which writes what is left to write, and syncs it.
    pub(super) fn close(self) -> Result<(), JournalError> {
        let Self { db, counts, file, .. } = self;
        let closed = guarded(|| {
            drop((counts, db));
            Ok(())
        });
        if let Err(error) = closed {
            log_warn!(error = %printable(&error), "sled panicked while it was closed");
        }
        file.sync_data().map_err(durable::not_synced)
    }
}

fn to_batch<'a>(changes: impl Iterator<Item = Pair<'a>>) -> Batch {
    let mut batch = Batch::default();
    for (key, value) in changes {
        match value {
            Some(value) => batch.insert(key, value),
            None => batch.remove(key),
        }
    }
    batch
}

/// A process killed while sled opened leaves half a snapshot, which sled would take for a damaged one.
fn clear_interrupted_opening(path: &Path) -> Result<(), JournalError> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let name = entry.file_name();
        if entry.file_type()?.is_file() && name.to_str().is_some_and(is_half_a_snapshot) {
            durable::remove_file(&entry.path())?;
        }
    }
    Ok(())
}

/// Whether sled gives this name to a snapshot that it is about to write: `snap.`, 16 hexadecimal digits, `.generating`.
fn is_half_a_snapshot(name: &str) -> bool {
    let number = name.strip_prefix("snap.").and_then(|rest| rest.strip_suffix(".generating"));
    number.is_some_and(|digits| {
        digits.len() == 16
            && digits.bytes().all(|byte| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte))
    })
}

/// sled cannot be used with a clock that is before 1970: it panics.
fn refuse_early_clock(now: SystemTime) -> Result<(), JournalError> {
    if now >= UNIX_EPOCH {
        return Ok(());
    }
    let what = "the clock of the machine is before 1970, where sled does not open: set the clock, and open the journal again";
    Err(JournalError::new(JournalErrorKind::Io).because(what))
}

/// Calls sled. A panic of its becomes an error.
fn guarded<T>(code: impl FnOnce() -> sled::Result<T>) -> Result<T, JournalError> {
    // After a panic the database is dropped or reported as failed, whatever state it is in.
    match catch_unwind(AssertUnwindSafe(code)) {
        Ok(result) => result.map_err(from_sled),
        Err(panic) => Err(from_panic(panic)),
    }
}

fn from_sled(error: Error) -> JournalError {
    match error {
        Error::Io(error) if error.to_string().starts_with("could not acquire lock") => {
            JournalError::new(JournalErrorKind::OwnedByAnotherProcess).because(error)
        }
        Error::Io(error) => error.into(),
        error => JournalError::new(JournalErrorKind::Corrupt).because(error),
    }
}

/// sled panics on damage, but unwraps errors of the file system in places, too: those are no damage.
fn from_panic(panic: Box<dyn Any + Send>) -> JournalError {
    let text = match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => {
            panic.downcast::<&str>().map_or_else(|_| String::from("no message"), |text| text.to_string())
        }
    };
    let kind = if text.contains("StorageFull") {
        JournalErrorKind::DiskFull
    } else if ["Os {", "Io(", "SystemTimeError"].iter().any(|no_damage| text.contains(no_damage)) {
        JournalErrorKind::Io
    } else {
        JournalErrorKind::Corrupt
    };
    JournalError::new(kind).because(format!("sled panicked: {text}"))
}

/// A file that ends too early or holds nonsense is an error of reading to sled, and damage to us.
fn damaged_if_short(error: JournalError) -> JournalError {
    let source = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<io::Error>());
    match source.map(io::Error::kind) {
        Some(kind @ (io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData)) => {
            JournalError::new(JournalErrorKind::Corrupt).because(io::Error::new(kind, error))
        }
        _ => error,
    }
}
