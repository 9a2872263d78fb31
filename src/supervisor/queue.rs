//! What a run has still to do: a cursor over its branches, and those that wait for another attempt.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use tokio::time::Instant;

use super::contain::{Contained, contain, discard};
use super::seat::Moment;

/// The branches of a run, before they are pulled.
pub(crate) type Branches<J> = Box<dyn Iterator<Item = J> + Send>;

/// A branch on its way to an attempt.
pub(super) struct Branch<J> {
    pub(super) index: usize,
    /// The number of the attempt to come, from 1.
    pub(super) attempt: u32,
    /// When the first attempt started.
    pub(super) started: Option<Moment>,
    pub(super) job: J,
}

/// The branches of a run that have no attempt running.
///
/// New ones come from the iterator, one by one and only when a child asks, so that a run over a million items holds as
/// many of them as it has slots. Those that wait for their backoff hold no slot; while there are many of them, the
/// cursor pauses, or a run whose every item fails would pull them all.
pub(super) struct Queue<J> {
    cursor: Contained<Branches<J>>,
    pulled: usize,
    waiting: BinaryHeap<Waiting<J>>,
    most_waiting: usize,
    /// Whether the branches that have not started are over.
    expired: bool,
}

/// What a child gets when it asks.
pub(super) enum Pulled<J> {
    Branch(Branch<J>),
    /// The iterator panicked in the place of this branch. There are no further ones.
    Panicked {
        index: usize,
        message: String,
    },
    Nothing,
}

/// How much there is to do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Backlog {
    /// At most how many branches could start now; `usize::MAX` if the iterator does not know.
    pub(super) ready: usize,
    /// At most how many branches have waited too long for their first attempt.
    pub(super) expired: usize,
    /// When the next of those that wait is due, if that is later than now.
    pub(super) next_due: Option<Instant>,
    /// Whether nothing is left, now or later.
    pub(super) done: bool,
}

impl<J> Queue<J> {
    pub(super) fn new(branches: Branches<J>, concurrency: usize) -> Self {
        Self {
            cursor: Contained::new(branches),
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

    /// Takes a branch that has not started in time: from now on none does. A list that is known to be endless ends.
    pub(super) fn pull_expired(&mut self) -> Pulled<J> {
        self.expired = true;
        if self.is_endless() {
            self.cursor.clear();
        }
        self.pull_new()
    }

    fn is_endless(&self) -> bool {
        let hint = self.cursor.get().map(|cursor| contain(|| cursor.size_hint()));
        matches!(hint, Some(Ok((usize::MAX, _))))
    }

    fn pull_new(&mut self) -> Pulled<J> {
        let Some(cursor) = self.cursor.get_mut() else { return Pulled::Nothing };
        let index = self.pulled;
        match contain(|| cursor.next()) {
            Ok(Some(job)) => {
                self.pulled += 1;
                Pulled::Branch(Branch { index, attempt: 1, started: None, job })
            }
            Ok(None) => {
                self.cursor.clear();
                Pulled::Nothing
            }
            Err(message) => {
                self.pulled += 1;
                self.cursor.clear();
                Pulled::Panicked { index, message: format!("the iterator of the items: {message}") }
            }
        }
    }

    /// Takes a branch back for another attempt, not before `due`.
    pub(super) fn wait(&mut self, branch: Branch<J>, due: Instant) {
        self.waiting.push(Waiting { due, branch });
    }

    /// Whether a branch waits for another attempt.
    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// What there is to do. `expired` says whether branches that have not started are over.
    pub(super) fn backlog(&mut self, now: Instant, expired: bool) -> Backlog {
        let (due, next_due) = match self.waiting.peek().map(|first| first.due) {
            Some(first) if first <= now => {
                let due = self.waiting.iter().filter(|waiting| waiting.due <= now).count();
                (due, self.waiting.iter().map(|waiting| waiting.due).filter(|due| *due > now).min())
            }
            first => (0, first),
        };
        let new = self.most_new();
        let paused = self.waiting.len() - due >= self.most_waiting;
        Backlog {
            ready: if paused || expired { due } else { due.saturating_add(new) },
            expired: if expired { new } else { 0 },
            next_due,
            done: new == 0 && self.waiting.is_empty(),
        }
    }

    /// How many branches there have been so far.
    pub(super) fn pulled(&self) -> usize {
        self.pulled
    }

    /// At most how many branches the cursor still has; `usize::MAX` if it does not know.
    fn most_new(&self) -> usize {
        match self.cursor.get().map(|cursor| contain(|| cursor.size_hint())) {
            None => 0,
            Some(Ok((_, Some(most)))) => most,
            // A hint that panics hints at nothing; `next` will say more.
            Some(Ok((_, None)) | Err(_)) => usize::MAX,
        }
    }

    /// At most how many branches the run has, those that were pulled included.
    pub(super) fn most(&self) -> usize {
        self.pulled.saturating_add(self.most_new())
    }

    /// Takes all that is left: the branches that wait, and the iterator.
    pub(super) fn take(&mut self) -> (Vec<Branch<J>>, Contained<Branches<J>>) {
        let waiting = self.waiting.drain().map(|waiting| waiting.branch).collect();
        (waiting, std::mem::replace(&mut self.cursor, Contained::empty()))
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
