//! What launches wait for that could not start yet.

use std::time::Duration;

use super::super::ids::ById;
use super::now::Now;
use crate::journal::clock::to_millis;
use crate::journal::intent::{Millis, StoredDue};
use crate::journal::terms::Due;
use crate::outcome::LaunchId;

/// What a launch waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Wait {
    /// For so long: until this moment of the clock that does not go back.
    Span(Duration),
    /// For a time of the wall clock, whatever that does meanwhile.
    Time(Millis),
}

/// Of launches that wait for a span, or did so until their attempt began: for which, and when that is over.
#[derive(Debug, Default)]
pub(super) struct Waits {
    present: ById<(Millis, Duration)>,
    /// The same, from before the store was opened again in this life.
    earlier: ById<(Millis, Duration)>,
}

impl Waits {
    /// What is left of a wait, if anything is. A span is over after the shorter of the two, so that a clock that went back does
    /// not prolong it; or as it was, if it has begun in this life.
    pub(super) fn begin(&mut self, id: LaunchId, due: StoredDue, now: Now) -> Option<Wait> {
        if due.is_time() {
            return (due.at > now.wall).then_some(Wait::Time(due.at));
        }
        let left = Duration::from_millis(due.at.saturating_sub(now.wall).min(due.wait));
        let over = match self.earlier.get(&id) {
            Some((at, over)) if *at == due.at => *over,
            _ => now.steady.saturating_add(left),
        };
        self.present.insert(id, (due.at, over));
        (over > now.steady).then_some(Wait::Span(over))
    }

    /// A launch has ended, durably.
    pub(super) fn end(&mut self, id: LaunchId) {
        self.present.remove(&id);
    }

    /// The store is opened again.
    pub(super) fn begin_anew(mut self) -> Self {
        self.earlier.extend(self.present);
        Self { present: ById::default(), earlier: self.earlier }
    }

    /// Everything that the store holds is here again.
    pub(super) fn end_anew(&mut self) {
        self.earlier = ById::default();
    }
}

/// How the wait of a new launch is stored.
pub(in super::super) fn stored(due: Due, now: Now) -> Option<StoredDue> {
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
