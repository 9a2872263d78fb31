//! An open store: a log, and sled behind it.
//!
//! A commit is a record in the log. What sled was not told of yet stands in memory as well, and is read from there. When that
//! is enough for one of sled's batches, it goes to sled, on a thread of its own, and with it the number of the last commit in
//! it: a *checkpoint*. Commits go on meanwhile, in another log; the first one is of no use afterwards, and is written anew
//! when it is its turn again.
//!
//! So a commit waits for the disk once, and what is changed several times within a moment goes to sled once. A process that
//! dies leaves its logs behind; whoever opens the store gives them to sled first ([`replay`]).

use std::sync::Arc;

use super::checkpoint::Checkpointer;
use super::database::Database;
use super::log::{Log, Logged};
use super::recent::Recent;
use super::watermark::Progress;
use crate::journal::store::{Change, Each};
use crate::journal::{JournalError, JournalErrorKind};
use crate::user_code::printable;

/// From how many changes on sled is told, if it is not just being told of others: larger batches of its only add latency.
const CHECKPOINT: usize = 512;
/// How many changes may wait for sled. Then commits wait too.
const MOST_RECENT: usize = 1024;

/// An open store.
#[derive(Debug)]
pub(super) struct Opened {
    checkpointer: Checkpointer,
    database: Arc<Database>,
    log: Log,
    recent: Recent,
    state: State,
    /// How many commits there were.
    commits: u64,
    progress: Progress,
}

/// What is done with the other log.
#[derive(Debug)]
enum State {
    /// It can be written from its beginning.
    Idle(Log),
    /// Sled is being told of what is in it.
    Checkpoint(Log, Arc<Recent>),
    /// That has failed: there is nothing to be done but to let go.
    Failed,
}

impl Opened {
    /// A store of which sled knows everything, with two empty logs.
    pub(super) fn new(
        database: Database,
        [log, other]: [Log; 2],
        commits: u64,
        progress: Progress,
    ) -> Result<Self, JournalError> {
        let database = Arc::new(database);
        let checkpointer = Checkpointer::start(Arc::clone(&database))?;
        let (recent, state) = (Recent::default(), State::Idle(other));
        Ok(Self { checkpointer, database, log, recent, state, commits, progress })
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, JournalError> {
        let older = || match &self.state {
            State::Checkpoint(_, told) => told.get(key),
            State::Idle(_) | State::Failed => None,
        };
        match self.recent.get(key).or_else(older) {
            Some(value) => Ok(value.map(<[u8]>::to_vec)),
            None => self.database.get(key),
        }
    }

    pub(super) fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        each: &mut Each<'_>,
    ) -> Result<(), JournalError> {
        let stored = |each: &mut Each<'_>| self.database.scan(prefix, after, each);
        self.recent.scan(prefix, after, each, |each| match &self.state {
            State::Checkpoint(_, told) => told.scan(prefix, after, each, stored),
            State::Idle(_) | State::Failed => stored(each),
        })
    }

    /// Makes a batch of changes durable.
    pub(super) fn commit(&mut self, batch: &[Change]) -> Result<(), JournalError> {
        batch.iter().try_for_each(Change::check)?;
        if let Some(told) = self.checkpointer.try_hear() {
            self.end_checkpoint(told)?;
        }
        let number = self.commits.saturating_add(1);
        // It may have been acknowledged already, and sled may take long: no commit waits for that before it is durable.
        let busy = !matches!(self.state, State::Idle(_));
        if !self.log.append(number, batch, busy)? {
            // There is room at the beginning of the other one, at once.
            self.begin_checkpoint()?;
            self.log.append(number, batch, true)?;
        }
        self.commits = number;
        self.recent.note(batch);
        let idle = matches!(self.state, State::Idle(_));
        if self.log.is_full() || self.recent.len() >= if idle { CHECKPOINT } else { MOST_RECENT } {
            self.begin_checkpoint()?;
        }
        self.progress.write(number);
        Ok(())
    }

    /// Lets sled be told of what is in the log, once it was told of what is in the other one.
    fn begin_checkpoint(&mut self) -> Result<(), JournalError> {
        self.wait()?;
        let State::Idle(other) = std::mem::replace(&mut self.state, State::Failed) else {
            return Err(JournalError::new(JournalErrorKind::Closed));
        };
        let log = std::mem::replace(&mut self.log, other);
        let changes = Arc::new(std::mem::take(&mut self.recent));
        self.checkpointer.order(Arc::clone(&changes), self.commits);
        self.state = State::Checkpoint(log, changes);
        Ok(())
    }

    /// Waits for the checkpoint that is being made, if there is one.
    fn wait(&mut self) -> Result<(), JournalError> {
        if matches!(self.state, State::Checkpoint(..)) {
            let told = self.checkpointer.hear();
            self.end_checkpoint(told)?;
        }
        Ok(())
    }

    fn end_checkpoint(&mut self, told: Result<(), JournalError>) -> Result<(), JournalError> {
        let state = std::mem::replace(&mut self.state, State::Failed);
        told?;
        if let State::Checkpoint(mut log, _) = state {
            log.restart();
            self.state = State::Idle(log);
        }
        Ok(())
    }

    /// Tells sled of everything, and writes and syncs all that is left to be.
    pub(super) fn close(mut self) -> Result<(), JournalError> {
        let mut told = self.wait();
        if told.is_ok() && self.recent.len() > 0 {
            told = self.begin_checkpoint().and_then(|()| self.wait());
        }
        self.abandon()?;
        match told {
            Err(error) if error.kind() == JournalErrorKind::NotSynced => Err(error),
            Err(error) => {
                log_warn!(error = %printable(&error), "what a journal has logged is given to its store at the next start");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// Lets go of everything after an error. What the kernel says of sled's files then counts more.
    pub(super) fn abandon(self) -> Result<(), JournalError> {
        let Self { checkpointer, database, progress, .. } = self;
        let told = checkpointer.end();
        if let Some(database) = Arc::into_inner(database) {
            database.close()?;
        }
        progress.sync();
        match told {
            Err(error) if error.kind() == JournalErrorKind::NotSynced => Err(error),
            _ => Ok(()),
        }
    }
}

/// Tells sled what only the logs have, as far as no commit is missing, and says what the last one was.
pub(super) fn replay(database: &Database, logged: &Logged) -> Result<u64, JournalError> {
    let known = database.commits()?;
    let commits = logged.after(known);
    if commits.is_empty() {
        return Ok(known);
    }
    let (mut recent, last) = (Recent::default(), known.saturating_add(commits.len() as u64));
    commits.into_iter().for_each(|batch| recent.note(batch));
    recent.tell(database, last)?;
    Ok(last)
}
