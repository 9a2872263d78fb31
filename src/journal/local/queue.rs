//! The launches of one agent that wait for their next attempt: for a slot, or for a time.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::time::Duration;

use super::ledger::Now;
use crate::journal::clock::to_millis;
use crate::journal::intent::{Millis, StoredDue};
use crate::journal::terms::Due;
use crate::outcome::LaunchId;

/// How often the wall clock is looked at while somebody waits for a time of it: it may be set forward meanwhile.
const LOOK: Duration = Duration::from_secs(2);

/// What a launch waits for that could not start yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// For so long: until this moment of the clock that does not go back.
    Span(Duration),
    /// For a time of the wall clock, whatever that does meanwhile.
    Time(Millis),
}

/// Which of an agent's launches goes first: by priority, then due time, then age.
pub(super) type Rank = (Reverse<i32>, Millis, LaunchId);

/// The launches of one agent that wait for their next attempt.
#[derive(Debug, Default)]
pub(super) struct Queue {
    by_rank: BTreeSet<Rank>,
    by_age: BTreeSet<LaunchId>,
    spans: BTreeSet<(Duration, LaunchId)>,
    times: BTreeSet<(Millis, LaunchId)>,
    starts: u64,
    /// When its turn was, counted in turns of all agents.
    pub(super) last_turn: u64,
}

impl Wait {
    /// What is left of a wait, if anything is.
    pub(super) fn left(due: StoredDue, now: Now) -> Option<Self> {
        if due.is_time() {
            return (due.at > now.wall).then_some(Self::Time(due.at));
        }
        // Whichever is shorter: a clock that went back does not prolong a wait.
        let left = due.at.saturating_sub(now.wall).min(due.wait);
        (left > 0).then(|| Self::Span(now.steady.saturating_add(Duration::from_millis(left))))
    }
}

impl Queue {
    /// A launch could start now.
    pub(super) fn add(&mut self, rank: Rank) {
        self.by_rank.insert(rank);
        self.by_age.insert(rank.2);
    }

    pub(super) fn remove(&mut self, rank: Rank) {
        self.by_rank.remove(&rank);
        self.by_age.remove(&rank.2);
    }

    /// A launch can start when this is over.
    pub(super) fn delay(&mut self, id: LaunchId, wait: Wait) {
        match wait {
            Wait::Span(end) => self.spans.insert((end, id)),
            Wait::Time(time) => self.times.insert((time, id)),
        };
    }

    pub(super) fn forget_delay(&mut self, id: LaunchId, wait: Wait) {
        match wait {
            Wait::Span(end) => self.spans.remove(&(end, id)),
            Wait::Time(time) => self.times.remove(&(time, id)),
        };
    }

    /// One whose wait is over.
    pub(super) fn due(&self, now: Now) -> Option<LaunchId> {
        let span = self.spans.first().filter(|(end, _)| *end <= now.steady).map(|(_, id)| *id);
        let time = || self.times.first().filter(|(time, _)| *time <= now.wall).map(|(_, id)| *id);
        span.or_else(time)
    }

    /// How long until the next wait is over, or until the wall clock should be looked at again.
    pub(super) fn next_due(&self, now: Now) -> Option<Duration> {
        let span = self.spans.first().map(|(end, _)| end.saturating_sub(now.steady));
        let time =
            self.times.first().map(|(time, _)| LOOK.min(Duration::from_millis(time - now.wall.min(*time))));
        span.into_iter().chain(time).min()
    }

    /// Who starts next: the first by rank, and the oldest of all at every eighth start, so that nobody waits for ever.
    pub(super) fn next(&mut self) -> Option<LaunchId> {
        let next = if self.starts % 8 == 7 {
            self.by_age.first().copied()
        } else {
            self.by_rank.first().map(|(.., id)| *id)
        };
        self.starts += u64::from(next.is_some());
        next
    }
}

/// How the wait of a new launch is stored.
pub(super) fn stored(due: Due, now: Now) -> Option<StoredDue> {
    match due {
        Due::Now => None,
        Due::After(span) => Some(StoredDue::after(span, now.wall)),
        // At the end of the millisecond: never before the time.
        Due::At(time) => {
            let time = time.checked_add(Duration::from_nanos(999_999)).unwrap_or(time);
            Some(StoredDue::at(to_millis(time)))
        }
    }
}
