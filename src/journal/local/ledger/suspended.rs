//! Suspects that run and wait for other launches.

use std::collections::{HashSet, VecDeque};

use crate::outcome::LaunchId;

/// The suspects whose attempts are, or were, suspended in this life of the journal, until they end. In the store they do not stand as suspects, so that a
/// death of the process is not counted as theirs; here it is kept that they are.
#[derive(Debug, Default)]
pub(in super::super) struct Suspended {
    launches: HashSet<LaunchId>,
    /// Those that are to go on, in the order in which that was asked for.
    returning: VecDeque<LaunchId>,
}

impl Suspended {
    pub(in super::super) fn add(&mut self, id: LaunchId) {
        self.launches.insert(id);
    }

    /// Its attempt has ended.
    pub(super) fn remove(&mut self, id: LaunchId) {
        if self.launches.remove(&id) {
            self.goes_on(id);
        }
    }

    /// Its attempt goes on.
    pub(in super::super) fn goes_on(&mut self, id: LaunchId) {
        self.returning.retain(|returning| *returning != id);
    }

    pub(in super::super) fn contains(&self, id: LaunchId) -> bool {
        self.launches.contains(&id)
    }

    /// Whether any is to go on.
    pub(super) fn any_returns(&self) -> bool {
        !self.returning.is_empty()
    }

    /// One is to go on. Says whether it is the next.
    pub(super) fn wants_back(&mut self, id: LaunchId) -> bool {
        if !self.returning.contains(&id) {
            self.returning.push_back(id);
        }
        self.returning.front() == Some(&id)
    }
}
