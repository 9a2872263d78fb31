//! How a journal's store is opened: what is checked, cleaned, copied and counted, and in which order.
//!
//! It can be killed after each step and begun again.

use super::database::Database;
use super::directory::Directory;
use super::log::{Log, Logged};
use super::opened::{self, Opened};
use super::renewal::{self, Compaction};
use super::watermark::{Progress, Watermark};
use super::{durable, quarantine, reading};
use crate::journal::failpoint::hit;
use crate::journal::{JournalError, JournalErrorKind};

/// Opens the store of a directory that is ours. What is damaged is set aside.
pub(super) fn open(directory: &Directory, compaction: Compaction) -> Result<Opened, JournalError> {
    quarantine::refuse(directory)?;
    attempt(directory, compaction).map_err(|error| match error.kind() {
        JournalErrorKind::Corrupt => set_aside(directory, error),
        JournalErrorKind::NotSynced => {
            directory.mark_not_synced();
            error.at(directory.path())
        }
        _ => error.at(directory.path()),
    })
}

/// Sets a store aside that was found damaged, if all of it can be read: what sled takes for damage may be an error of reading.
pub(super) fn set_aside(directory: &Directory, error: JournalError) -> JournalError {
    match reading::read_all(directory) {
        Ok(()) => quarantine::set_aside(directory, error),
        Err(unreadable) => unreadable.at(directory.path()),
    }
}

fn attempt(directory: &Directory, compaction: Compaction) -> Result<Opened, JournalError> {
    hit("store.open.owned", directory.path())?;
    let mut mark = match Watermark::read(directory.path())? {
        Some(mark) => mark,
        None => declare(directory)?,
    };
    if mark.store == 0 {
        mark = renewal::begin(directory)?;
    }
    let database = existing(directory, mark)?;
    let reason = renewal::reason(directory, &database, compaction);
    let (mut database, reason) = database.or_close(reason)?;
    if let Some(reason) = reason {
        mark = renewal::renew(directory, database, mark, reason)?;
        database = existing(directory, mark)?;
    }
    let counted = count(directory, &database, mark);
    let (database, (logs, commits, progress)) = database.or_close(counted)?;
    Opened::new(database, logs, commits, progress)
}

/// Says that a journal begins here, before there is anything of it. So a store without a watermark has lost it.
fn declare(directory: &Directory) -> Result<Watermark, JournalError> {
    if !directory.stores()?.is_empty() {
        return Err(JournalError::new(JournalErrorKind::Corrupt).because("the watermark is missing"));
    }
    Watermark::NEW.write(directory.path())?;
    hit("store.open.declared", directory.path())?;
    Ok(Watermark::NEW)
}

/// Opens the store that counts, which must be there.
fn existing(directory: &Directory, mark: Watermark) -> Result<Database, JournalError> {
    let path = directory.store(mark.store);
    if !Database::is_there(&path)? {
        return Err(
            JournalError::new(JournalErrorKind::Corrupt).because("the files of the store are missing")
        );
    }
    // All of it is read before sled may write.
    let logged = Logged::read(&path, directory.path())?;
    let progress = Progress::read(directory.path())?;
    let database = Database::open(&path, directory.path())?;
    let checked = check(directory, &database, mark, &logged, progress);
    Ok(database.or_close(checked)?.0)
}

/// Tells sled what only the logs have. A store that knows of fewer commits than there were has lost records.
fn check(
    directory: &Directory,
    database: &Database,
    mark: Watermark,
    logged: &Logged,
    progress: u64,
) -> Result<(), JournalError> {
    hit("store.open.opened", directory.path())?;
    let known = opened::replay(database, logged)?;
    hit("store.open.replayed", directory.path())?;
    let expected = mark.commits.max(logged.last(known)).max(progress);
    if known < expected {
        let what = format!("the store knows of {known} commits, and there were at least {expected}");
        return Err(JournalError::new(JournalErrorKind::Corrupt).because(what));
    }
    Ok(directory.clean(mark.store)?) // not before it is known that this one is sound
}

/// Makes durable what sled has left to the kernel, and counts this opening as a commit: first in the store, then beside it.
/// The logs are empty afterwards.
fn count(
    directory: &Directory,
    database: &Database,
    mark: Watermark,
) -> Result<([Log; 2], u64, Progress), JournalError> {
    durable::sync_tree(database.path())?;
    directory.sync()?;
    hit("store.open.synced", directory.path())?;
    let commits = database.commits()?.saturating_add(1);
    database.commit([], commits)?;
    hit("store.open.counted", directory.path())?;
    Watermark { commits, ..mark }.write(directory.path())?;
    hit("store.open.marked", directory.path())?;
    let logs = Log::begin(database.path(), directory.path())?;
    hit("store.open.logged", directory.path())?;
    Ok((logs, commits, Progress::open(directory.path())?))
}
