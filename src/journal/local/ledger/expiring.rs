//! Until when launches are kept that are done or cancelled.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::journal::intent::Millis;
use crate::outcome::LaunchId;

/// Launches that will be removed, by when: done, cancelled, or dead. Each takes 24 bytes and its share of a tree.
#[derive(Debug, Default)]
pub(in super::super) struct Expiring(BTreeSet<(Millis, LaunchId)>);

impl Expiring {
    /// A launch is kept until then.
    pub(super) fn add(&mut self, at: Millis, id: LaunchId) {
        // One that is kept for ever needs no place.
        if at < Millis::MAX {
            self.0.insert((at, id));
        }
    }

    pub(in super::super) fn remove(&mut self, at: Millis, id: LaunchId) {
        self.0.remove(&(at, id));
    }

    /// The next launch that is not to be kept any longer.
    pub(in super::super) fn first(&self, now: Millis) -> Option<(Millis, LaunchId)> {
        self.0.first().copied().filter(|(at, _)| *at < now)
    }

    /// How long until there is one.
    pub(in super::super) fn next(&self, now: Millis) -> Option<Duration> {
        self.0.first().map(|(at, _)| Duration::from_millis(at.saturating_add(1).saturating_sub(now)))
    }
}
