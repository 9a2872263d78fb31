//! The store: a directory that is ours, and the database in it while nothing has gone wrong.

use std::cell::Cell;
use std::mem;
use std::path::Path;

use super::claim::Closing;
use super::directory::Directory;
use super::opened::Opened;
use super::opening;
use super::renewal::Compaction;
use crate::journal::store::{Change, Each, Store};
use crate::journal::{JournalError, JournalErrorKind};
use crate::user_code::printable_in_full;

/// A store in a directory of its own. Dropping it writes and syncs what sled has not, and sets the directory free.
#[derive(Debug)]
pub(crate) struct SledStore {
    condition: Condition,
    /// Whether a record could not be read, or was refused as corrupt. The store is set aside as soon as it is closed.
    damaged: Cell<bool>,
    compaction: Compaction,
    // After the database, whose files it protects: fields are dropped in this order.
    directory: Directory,
}

#[derive(Debug)]
enum Condition {
    Open(Box<Opened>),
    /// A commit has failed, or a reopen. No handle of sled's is left, so that nothing is written behind our back.
    Failed(JournalErrorKind),
}

impl SledStore {
    /// Opens the store in a directory, which is made if only its last part is missing, for nobody else to look into.
    ///
    /// # Errors
    ///
    /// Of any kind but `Closed`; all of them name the directory. What is damaged is set aside first.
    pub(crate) fn open(path: &Path) -> Result<Self, JournalError> {
        Self::open_with(path, Compaction::DEFAULT)
    }

    /// Opens the store with other bounds for the copy to fresh files.
    pub(crate) fn open_with(path: &Path, compaction: Compaction) -> Result<Self, JournalError> {
        let directory = Directory::own(path)?;
        let opened = opening::open(&directory, compaction)?;
        Ok(Self {
            condition: Condition::Open(Box::new(opened)),
            damaged: Cell::new(false),
            compaction,
            directory,
        })
    }

    /// Where it is said that the journal in the directory is being closed.
    pub(crate) fn closing(&self) -> Closing {
        self.directory.closing()
    }

    /// Closes the store, and says whether all of it is durable.
    pub(crate) fn close_in_order(mut self) -> Result<(), JournalError> {
        self.close(Opened::close)
    }

    fn opened(&self) -> Result<&Opened, JournalError> {
        match &self.condition {
            Condition::Open(opened) => Ok(opened),
            Condition::Failed(kind) => Err(failed(*kind, &self.directory)),
        }
    }

    /// Damage that is not seen before the record is read: by sled, or by who takes the record and finds it wrong.
    fn read<T>(&self, result: Result<T, JournalError>) -> Result<T, JournalError> {
        result.map_err(|error| {
            if error.kind() == JournalErrorKind::Corrupt {
                self.damaged.set(true);
            }
            if error.path().is_none() { error.at(self.directory.path()) } else { error }
        })
    }

    /// Lets go of the database after an error. What the kernel says about the files then, is what the error is about.
    fn give_up(&mut self, error: JournalError) -> JournalError {
        let error = self.close(Opened::abandon).err().unwrap_or(error);
        if error.kind() == JournalErrorKind::NotSynced {
            self.directory.mark_not_synced();
        }
        self.condition = Condition::Failed(error.kind());
        error.at(self.directory.path())
    }

    fn close(&mut self, close: fn(Opened) -> Result<(), JournalError>) -> Result<(), JournalError> {
        let closed = match mem::replace(&mut self.condition, Condition::Failed(JournalErrorKind::Closed)) {
            Condition::Open(opened) => close(*opened),
            Condition::Failed(_) => Ok(()),
        };
        if self.damaged.take() {
            let error = JournalError::new(JournalErrorKind::Corrupt).because("records could not be read");
            return Err(opening::set_aside(&self.directory, error));
        }
        closed
    }
}

fn failed(kind: JournalErrorKind, directory: &Directory) -> JournalError {
    JournalError::new(kind).at(directory.path()).because("an earlier commit failed")
}

impl Store for SledStore {
    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, each: &mut Each<'_>) -> Result<(), JournalError> {
        self.read(self.opened()?.scan(prefix, after, each))
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, JournalError> {
        self.read(self.opened()?.get(key))
    }

    fn commit(&mut self, batch: &[Change]) -> Result<(), JournalError> {
        match &mut self.condition {
            Condition::Open(opened) => opened.commit(batch).map_err(|error| self.give_up(error)),
            Condition::Failed(kind) => Err(failed(*kind, &self.directory)),
        }
    }

    fn reopen(&mut self) -> Result<(), JournalError> {
        match self.condition {
            // What the kernel shows of the files may not be on the disk, and it will not say so a second time.
            Condition::Failed(kind @ JournalErrorKind::NotSynced) => {
                return Err(failed(kind, &self.directory));
            }
            Condition::Failed(_) => {}
            Condition::Open(_) => self.close(Opened::close).map_err(|error| self.give_up(error))?,
        }
        match opening::open(&self.directory, self.compaction) {
            Ok(opened) => {
                self.condition = Condition::Open(Box::new(opened));
                Ok(())
            }
            Err(error) => Err(self.give_up(error)),
        }
    }
}

impl Drop for SledStore {
    fn drop(&mut self) {
        if let Err(error) = self.close(Opened::close) {
            if error.kind() == JournalErrorKind::NotSynced {
                self.directory.mark_not_synced();
            }
            log_warn!(error = %printable_in_full(&error), "the journal could not be closed in order");
        }
    }
}
