//! What is kept in memory of a launch that has not ended.

use std::cmp::Reverse;
use std::sync::Arc;

use super::queue::Rank;
use super::waits::Wait;
use crate::journal::intent::Millis;
use crate::outcome::LaunchId;

/// What is kept in memory of a launch that has not ended, or that is ambiguous.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    pub(super) agent: u32,
    pub(super) priority: i32,
    /// When it was or will be due; the time of its record if it never waited.
    pub(super) due: Millis,
    pub(super) suspect: bool,
    pub(super) stands: Stands,
    /// The lane that it is in: until it is done, dead or cancelled.
    pub(super) lane: Option<Arc<str>>,
}

/// How a launch stands, as far as the ledger is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Stands {
    /// It could start now, if it is its turn in its lane.
    Ready,
    Delayed(Wait),
    Running,
    Parked,
    /// Nobody knows how far it came. It is not pending, but its lane waits for it.
    Ambiguous,
}

impl Slot {
    pub(super) fn rank(&self, id: LaunchId) -> Rank {
        (Reverse(self.priority), self.due, id)
    }

    pub(super) fn runs(&self) -> bool {
        self.stands == Stands::Running
    }

    pub(super) fn is_pending(&self) -> bool {
        self.stands != Stands::Ambiguous
    }
}
