//! What a run has still to do: a cursor over its branches, and those that wait for another attempt.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::Arc;

use tokio::time::Instant;

use super::arrivals::Arrivals;
use super::seat::{Moment, NEVER};
use super::source::{Cursor, Next, Source};
use crate::outcome::Cause;
use crate::user_code::discard;

/// A branch on its way to an attempt.
pub(super) struct Branch<J> {
    pub(super) index: usize,
    /// The number of the attempt to come, from 1.
    pub(super) attempt: u32,
    /// When the first attempt started.
    pub(super) started: Option<Moment>,
    /// When it is too late for the first attempt to start.
    pub(super) expires: Moment,
    pub(super) job: J,
}

/// The branches of a run that have no attempt running.
///
/// New ones come from the cursor, one by one and only when a child asks, so that a run over a million items holds as
/// many of them as it has slots. Those that wait for their backoff hold no slot; while there are many of them, the
/// cursor pauses, or a run whose every item fails would pull them all.
pub(super) struct Queue<J> {
    cursor: Cursor<J>,
    pulled: usize,
    waiting: BinaryHeap<Waiting<J>>,
    most_waiting: usize,
    /// When the branches of an iterator expire that have not started. What arrives from a stream has its own time.
    expires: Moment,
    /// Whether they are being ended.
    expired: bool,
}

/// What a child gets when it asks.
pub(super) enum Pulled<J> {
    Branch(Branch<J>),
    /// A branch that fails without an attempt: the iterator or the stream panicked in its place, or its key is another
    /// one's.
    Failed {
        index: usize,
        cause: Box<Cause>,
    },
    Nothing,
}

/// How much there is to do.
#[derive(Debug, Clone, Copy)]
pub(in crate::supervisor) struct Backlog {
    /// At most how many branches could start now; `usize::MAX` if the iterator does not know.
    pub(super) ready: usize,
    /// At most how many branches have waited too long for their first attempt.
    pub(super) expired: usize,
    /// When the next ones will have, if that is later than now.
    pub(super) next_expiry: Option<Moment>,
    /// When the next of those that wait is due, if that is later than now.
    pub(super) next_due: Option<Instant>,
    /// Whether no branch waits for a slot, now or later, of those that have come.
    pub(super) exhausted: bool,
    /// The same, and none is still to come.
    pub(super) done: bool,
}

impl<J> Queue<J> {
    /// `patience` is how long a branch may wait for its first attempt.
    pub(super) fn new(source: Source<J>, concurrency: usize, patience: Moment) -> Self {
        let cursor = Cursor::new(source, concurrency, patience);
        Self {
            expires: if cursor.arrivals().is_some() { NEVER } else { patience },
            cursor,
            pulled: 0,
            waiting: BinaryHeap::new(),
            most_waiting: concurrency.saturating_mul(4),
            expired: false,
        }
    }

    /// Takes the next branch: one whose backoff has passed, or else a new one.
    pub(super) fn pull(&mut self) -> Pulled<J> {
        // The clock is read only if somebody waits for it.
        if self.waiting.peek().is_some_and(|first| first.due <= Instant::now()) {
            if let Some(first) = self.waiting.pop() {
                return Pulled::Branch(first.branch);
            }
        }
        if self.waiting.len() >= self.most_waiting || self.expired {
            return Pulled::Nothing;
        }
        self.pull_new()
    }

    /// Takes a branch that has not started in time. Of an iterator, none starts from now on; one that is known to be
    /// endless ends.
    pub(super) fn pull_expired(&mut self, now: Moment) -> Pulled<J> {
        if let Some(arrivals) = self.arrivals() {
            if arrivals.expired(now).0 == 0 {
                return Pulled::Nothing;
            }
        } else {
            self.expired = true;
            if self.cursor.is_endless() {
                self.cursor = Cursor::empty();
            }
        }
        self.pull_new()
    }

    fn pull_new(&mut self) -> Pulled<J> {
        let index = self.pulled;
        match self.cursor.next() {
            Next::Job { job, expires } => {
                self.pulled += 1;
                let expires = expires.min(self.expires);
                Pulled::Branch(Branch { index, attempt: 1, started: None, expires, job })
            }
            Next::Failed(cause) => {
                self.pulled += 1;
                Pulled::Failed { index, cause }
            }
            Next::Nothing => Pulled::Nothing,
        }
    }

    /// Takes a branch back for another attempt, not before `due`.
    pub(super) fn wait(&mut self, branch: Branch<J>, due: Instant) {
        self.waiting.push(Waiting { due, branch });
    }

    /// Whether a branch waits for another attempt, or has arrived by itself.
    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty() || self.arrivals().is_some_and(|arrivals| arrivals.ready() > 0)
    }

    /// What has arrived, where it does so by itself.
    pub(super) fn arrivals(&self) -> Option<&Arc<Arrivals<J>>> {
        self.cursor.arrivals()
    }

    /// What there is to do now, which is at this moment of the run.
    pub(super) fn backlog(&mut self, now: Instant, moment: Moment) -> Backlog {
        let (due, next_due) = match self.waiting.peek().map(|first| first.due) {
            Some(first) if first <= now => {
                let due = self.waiting.iter().filter(|waiting| waiting.due <= now).count();
                (due, self.waiting.iter().map(|waiting| waiting.due).filter(|due| *due > now).min())
            }
            first => (0, first),
        };
        // In this order: once nothing more comes, what has come does not become more.
        let coming = self.arrivals().is_some_and(|arrivals| arrivals.is_open());
        let new = self.cursor.ready();
        let (expired, next_expiry) = match self.arrivals() {
            Some(arrivals) => arrivals.expired(moment),
            None if self.expires <= moment => (new, None),
            None => (0, Some(self.expires).filter(|expires| *expires != NEVER)),
        };
        let exhausted = new == 0 && self.waiting.is_empty();
        let paused = self.waiting.len() - due >= self.most_waiting;
        Backlog {
            ready: if paused { due } else { due.saturating_add(new.saturating_sub(expired)) },
            expired,
            next_expiry,
            next_due,
            exhausted,
            done: exhausted && !coming,
        }
    }

    /// How many branches there have been so far.
    pub(super) fn pulled(&self) -> usize {
        self.pulled
    }

    /// Whether a size hint was found to be wrong since this was called the last time.
    #[inline]
    pub(super) fn was_hint_wrong(&mut self) -> bool {
        self.cursor.was_hint_wrong()
    }

    /// Whether the run has fewer branches than that, those that were pulled included. `may_look` says whether the iterator
    /// may be executed to find out.
    pub(super) fn has_fewer_than(&mut self, count: usize, may_look: bool) -> bool {
        count > self.pulled && self.cursor.has_fewer_than(count - self.pulled, may_look)
    }

    /// Takes all that is left: the branches that wait, and the cursor.
    pub(super) fn take(&mut self) -> (Vec<Branch<J>>, Cursor<J>) {
        let waiting = self.waiting.drain().map(|waiting| waiting.branch).collect();
        (waiting, std::mem::replace(&mut self.cursor, Cursor::empty()))
    }
}

impl<J> Drop for Queue<J> {
    fn drop(&mut self) {
        self.waiting.drain().for_each(discard);
    }
}

/// A branch that waits for its backoff. The one that is due first is the greatest, because the heap gives the greatest.
struct Waiting<J> {
    due: Instant,
    branch: Branch<J>,
}

impl<J> Ord for Waiting<J> {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.due, other.branch.index).cmp(&(self.due, self.branch.index))
    }
}

impl<J> PartialOrd for Waiting<J> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<J> PartialEq for Waiting<J> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<J> Eq for Waiting<J> {}
