//! When the waits of launches are over, on the clock of this life.

use std::collections::HashMap;
use std::time::Duration;

use super::ledger::Now;
use crate::journal::intent::{Millis, StoredDue};
use crate::outcome::LaunchId;

/// The waits that have begun in this life, until the ends of their launches are durable.
///
/// A wait begins with the clocks of the moment in which it is noted. When the store is opened again within a life, all of it
/// is noted anew, and the wall clock may have been set meanwhile: what had begun goes on as it was.
#[derive(Debug, Default)]
pub(super) struct Waits {
    /// The time that is stored for each, and when it is over.
    begun: HashMap<LaunchId, (Millis, Duration)>,
    /// The same, from before the store was opened again.
    earlier: HashMap<LaunchId, (Millis, Duration)>,
}

impl Waits {
    /// When a wait is over that begins now, or that had begun before the store was opened again: after the shorter of the
    /// two, so that a clock that went back does not prolong it.
    pub(super) fn begin(&mut self, id: LaunchId, wait: StoredDue, now: Now) -> Duration {
        let left = Duration::from_millis(wait.at.saturating_sub(now.wall).min(wait.wait));
        let over = match self.earlier.get(&id) {
            Some((at, over)) if *at == wait.at => *over,
            _ => now.steady.saturating_add(left),
        };
        self.begun.insert(id, (wait.at, over));
        over
    }

    /// A launch has ended, durably.
    pub(super) fn forget(&mut self, id: LaunchId) {
        self.begun.remove(&id);
    }

    /// Everything is noted anew from here on, also if that was interrupted before.
    pub(super) fn begin_anew(&mut self) {
        self.earlier.extend(self.begun.drain());
    }

    /// Everything is noted again.
    pub(super) fn end_anew(&mut self) {
        self.earlier = HashMap::new();
    }
}
