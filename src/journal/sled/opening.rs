//! How a journal's store is opened: what is checked, cleaned, copied and counted, and in which order.
//!
//! It can be killed after each step and begun again.

use super::database::Database;
use super::directory::Directory;
use super::log::{Log, Logged};
use super::opened::{self, Opened};
use super::renewal::{self, Compaction};
use super::watermark::{Progress, Watermark};
use super::{durable, quarantine};
use crate::journal::failpoint::hit;
use crate::journal::{JournalError, JournalErrorKind};

/// More commits than these were not made by a journal, and would leave no room for those that follow.
const MOST_COMMITS: u64 = u64::MAX >> 1;

/// Opens the store of a directory that is ours. What is damaged is set aside.
pub(super) fn open(directory: &Directory, compaction: Compaction) -> Result<Opened, JournalError> {
    quarantine::refuse(directory)?;
    attempt(directory, compaction).map_err(|error| match error.kind() {
        JournalErrorKind::Corrupt => quarantine::set_aside(directory, error),
        JournalErrorKind::NotSynced => {
            directory.mark_not_synced();
            error.at(directory.path())
        }
        _ => error.at(directory.path()),
    })
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
    if !Database::exists(&path) {
        return Err(
            JournalError::new(JournalErrorKind::Corrupt).because("the files of the store are missing")
        );
    }
    let database = Database::open(&path, directory.path())?;
    let checked = check(directory, &database, mark);
    Ok(database.or_close(checked)?.0)
}

/// Tells sled what only the logs have. A store that knows of fewer commits than there were has lost records.
fn check(directory: &Directory, database: &Database, mark: Watermark) -> Result<(), JournalError> {
    hit("store.open.opened", directory.path())?;
    let logged = Logged::read(database.path())?;
    let known = opened::replay(database, &logged)?;
    hit("store.open.replayed", directory.path())?;
    let expected = mark.commits.max(logged.last()).max(Progress::read(directory.path())?);
    if known > MOST_COMMITS {
        let what = format!("the store counts {known} commits, and no store has had as many");
        return Err(JournalError::new(JournalErrorKind::Corrupt).because(what));
    }
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
