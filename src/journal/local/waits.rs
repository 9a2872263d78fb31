//! Waits that have begun, and that a reopening of the store within a life does not begin anew.

use std::collections::HashMap;
use std::time::Duration;

use super::ledger::Now;
use super::queue::Wait;
use crate::journal::intent::{Millis, StoredDue};
use crate::outcome::LaunchId;

/// Of launches that wait for a span, or did so until their attempt began: until when as it is stored, and when that is on
/// the clock that does not go back.
#[derive(Debug, Default)]
pub(super) struct Waits {
    begun: HashMap<LaunchId, (Millis, Duration)>,
    /// The same, from before the store was opened again in this life.
    earlier: HashMap<LaunchId, (Millis, Duration)>,
}

impl Waits {
    /// What is left of a wait, if anything is: as it was, if it has begun in this life.
    pub(super) fn begin(&mut self, id: LaunchId, due: StoredDue, now: Now) -> Option<Wait> {
        if due.is_time() {
            return Wait::left(due, now);
        }
        let over = match self.earlier.get(&id) {
            Some((at, over)) if *at == due.at => *over,
            _ => match Wait::left(due, now) {
                Some(Wait::Span(over)) => over,
                Some(Wait::Time(_)) | None => now.steady,
            },
        };
        self.begun.insert(id, (due.at, over));
        (over > now.steady).then_some(Wait::Span(over))
    }

    /// A launch does not wait any more.
    pub(super) fn end(&mut self, id: LaunchId) {
        self.begun.remove(&id);
    }

    /// The store is opened again.
    pub(super) fn begin_anew(&mut self) {
        let begun = std::mem::take(&mut self.begun);
        self.earlier.extend(begun);
    }

    /// Everything that the store holds is known again.
    pub(super) fn end_anew(&mut self) {
        self.earlier = HashMap::new();
    }
}
