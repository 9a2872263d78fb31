//! Fresh files for the store: at the beginning, after a failed sync, and when the old ones are mostly dead.
//!
//! The new store is complete and durable before the watermark, by one rename, says that it counts; the old one is removed
//! afterwards. A process killed in between leaves a store too many, which the next opening removes.

use super::database::Database;
use super::directory::{self, Directory};
use super::durable;
use super::watermark::Watermark;
use crate::journal::failpoint::hit;
use crate::journal::{JournalError, JournalErrorKind};
use crate::user_code::printable;

/// When files are so dead that the live records are copied to fresh ones. sled never makes a file smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Compaction {
    /// The size from which on it is worth the trouble, in bytes.
    pub(crate) least_size: u64,
    /// The part of the file, in percent, that live records fill at least.
    pub(crate) least_live: u64,
}

impl Compaction {
    pub(crate) const DEFAULT: Self = Self { least_size: 64 << 20, least_live: 25 };
}

/// Why the files are replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// A sync failed: what the kernel shows of the old files may not be on the disk.
    NotSynced,
    /// Most of the old files is dead.
    MostlyDead,
}

/// Whether the files have to be replaced.
pub(super) fn reason(
    directory: &Directory,
    database: &Database,
    compaction: Compaction,
) -> Result<Option<Reason>, JournalError> {
    if directory.is_marked_not_synced()? {
        return Ok(Some(Reason::NotSynced));
    }
    let size = database.file_size()?;
    if size < compaction.least_size {
        return Ok(None); // without reading all records
    }
    let enough = size.saturating_mul(compaction.least_live) / 100;
    Ok((!database.has_live(enough)?).then_some(Reason::MostlyDead))
}

/// Makes the first store, which is empty.
pub(super) fn begin(directory: &Directory) -> Result<Watermark, JournalError> {
    let mark = make(directory, Watermark { store: directory.next_store(0)?, commits: 0 }, None)?;
    directory.unmark_not_synced()?;
    Ok(mark)
}

/// Copies the live records to fresh files. Where there is no room for files that are only smaller, the old ones stay.
pub(super) fn renew(
    directory: &Directory,
    old: Database,
    mark: Watermark,
    reason: Reason,
) -> Result<Watermark, JournalError> {
    let made = old
        .commits()
        .and_then(|commits| Ok(Watermark { store: directory.next_store(mark.store)?, commits }))
        .and_then(|new| make(directory, new, Some(&old)));
    let closed = old.close(); // not interesting where the old files are not trusted anyway
    match made {
        Ok(new) => {
            directory.unmark_not_synced()?;
            directory.clean(new.store)?;
            log_info!(?reason, path = %printable(directory.path().display()), "the journal has fresh files");
            Ok(new)
        }
        Err(error) if reason == Reason::MostlyDead && error.kind() == JournalErrorKind::DiskFull => {
            directory.clean(mark.store)?;
            closed?;
            Ok(mark)
        }
        Err(error) => Err(error),
    }
}

fn make(directory: &Directory, mark: Watermark, old: Option<&Database>) -> Result<Watermark, JournalError> {
    let path = directory.store(mark.store);
    durable::remove_tree(&path)?;
    directory::make_new(&path)?;
    let new = Database::open(&path, directory.path())?;
    let filled = old.map_or(Ok(()), |old| new.copy_from(old)).and_then(|()| new.commit([], mark.commits));
    let closed = new.close();
    filled?;
    closed?;
    durable::sync_tree(&path)?;
    durable::sync_directory(directory.path())?;
    hit("store.open.copied", directory.path())?;
    mark.write(directory.path())?;
    hit("store.open.swapped", directory.path())?;
    Ok(mark)
}
