//! Attempts: how they are named, and which are being made in this process.

use std::collections::HashSet;

use crate::journal::exchange::Claim;
use crate::journal::intent::Head;
use crate::outcome::LaunchId;

/// A launch whose attempt has begun.
#[derive(Debug, Clone)]
pub(super) struct Begun {
    pub(super) id: LaunchId,
    pub(super) epoch: u64,
    pub(super) head: Head,
}

/// The attempt that a claim is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fence {
    pub(super) id: LaunchId,
    pub(super) epoch: u64,
    pub(super) attempt: u32,
}

impl From<&Claim> for Fence {
    fn from(claim: &Claim) -> Self {
        Self { id: claim.id, epoch: claim.epoch, attempt: claim.attempt }
    }
}

/// The attempts that somebody was told to make and has not concluded, as far as that is durable.
///
/// After a failed commit it tells those apart that go on, and whose outcomes will be recorded yet, from those that
/// stand as running in the store although nobody was ever told to make them.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    made: HashSet<(LaunchId, u32)>,
    begun: Vec<(LaunchId, u32)>,
    ended: Vec<(LaunchId, u32)>,
}

impl Attempts {
    /// An attempt is made once this is committed.
    pub(super) fn begin(&mut self, id: LaunchId, attempt: u32) {
        self.begun.push((id, attempt));
    }

    /// An attempt is concluded once this is committed.
    pub(super) fn end(&mut self, id: LaunchId, attempt: u32) {
        self.ended.push((id, attempt));
    }

    /// Nobody was told to make an attempt.
    pub(super) fn forget(&mut self, id: LaunchId, attempt: u32) {
        self.made.remove(&(id, attempt));
    }

    pub(super) fn is_made(&self, id: LaunchId, attempt: u32) -> bool {
        self.made.contains(&(id, attempt))
    }

    pub(super) fn commit(&mut self) {
        self.made.extend(self.begun.drain(..));
        for ended in self.ended.drain(..) {
            self.made.remove(&ended);
        }
    }

    /// Forgets those that do not run.
    pub(super) fn keep(&mut self, runs: impl Fn(LaunchId, u32) -> bool) {
        self.made.retain(|(id, attempt)| runs(*id, *attempt));
    }

    pub(super) fn forget_uncommitted(&mut self) {
        self.begun.clear();
        self.ended.clear();
    }
}
