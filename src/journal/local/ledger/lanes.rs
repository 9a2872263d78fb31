//! Lanes: launches that run one at a time, in the order in which they were recorded.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::outcome::LaunchId;

/// Every lane with somebody in it. Names are the journal's: launches of different agents may share a lane.
#[derive(Debug, Default)]
pub(super) struct Lanes(HashMap<Arc<str>, Lane>);

#[derive(Debug, Default)]
struct Lane {
    /// The first of its launches. It stands apart because most lanes have one, and a set takes more memory for it.
    first: Option<LaunchId>,
    others: BTreeSet<LaunchId>,
    running: usize,
}

impl Lane {
    fn insert(&mut self, id: LaunchId) {
        match self.first {
            Some(first) if first < id => drop(self.others.insert(id)),
            Some(first) if first == id => {}
            first => {
                self.others.extend(first);
                self.first = Some(id);
            }
        }
    }

    fn remove(&mut self, id: LaunchId) {
        if self.first == Some(id) {
            self.first = self.others.pop_first();
        } else {
            self.others.remove(&id);
        }
    }
}

impl Lanes {
    /// The name as it is shared by all who are in the lane.
    pub(super) fn name(&self, name: &str) -> Arc<str> {
        self.0.get_key_value(name).map_or_else(|| name.into(), |(name, _)| Arc::clone(name))
    }

    /// A launch is in the lane, and runs or does not.
    pub(super) fn enter(&mut self, name: &Arc<str>, id: LaunchId, runs: bool) {
        let lane = self.0.entry(Arc::clone(name)).or_default();
        lane.insert(id);
        lane.running += usize::from(runs);
    }

    /// A launch is not in the lane any more. A lane without anybody is forgotten.
    pub(super) fn leave(&mut self, name: &Arc<str>, id: LaunchId, ran: bool) {
        let Some(lane) = self.0.get_mut(name) else { return };
        lane.remove(id);
        lane.running -= usize::from(ran);
        if lane.first.is_none() {
            self.0.remove(name);
        }
    }

    /// Whose turn it is: the first one's, unless another runs. One that was requeued may have come before it.
    pub(super) fn head(&self, name: &str) -> Option<LaunchId> {
        self.0.get(name).filter(|lane| lane.running == 0)?.first
    }
}
