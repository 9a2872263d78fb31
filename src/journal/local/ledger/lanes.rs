//! Lanes: launches that run one at a time, in the order in which they were recorded.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::outcome::LaunchId;

/// Every lane with somebody in it. Names are the journal's: launches of different agents may share a lane.
#[derive(Debug, Default)]
pub(super) struct Lanes(HashMap<Arc<str>, Lane>);

#[derive(Debug, Default)]
struct Lane {
    members: BTreeSet<LaunchId>,
    running: usize,
}

impl Lanes {
    /// The name as it is shared by all who are in the lane.
    pub(super) fn name(&self, name: &str) -> Arc<str> {
        self.0.get_key_value(name).map_or_else(|| name.into(), |(name, _)| Arc::clone(name))
    }

    /// A launch is in the lane, and runs or does not.
    pub(super) fn enter(&mut self, name: &Arc<str>, id: LaunchId, runs: bool) {
        let lane = self.0.entry(Arc::clone(name)).or_default();
        lane.members.insert(id);
        lane.running += usize::from(runs);
    }

    /// A launch is not in the lane any more. A lane without anybody is forgotten.
    pub(super) fn leave(&mut self, name: &Arc<str>, id: LaunchId, ran: bool) {
        let Some(lane) = self.0.get_mut(name) else { return };
        lane.members.remove(&id);
        lane.running -= usize::from(ran);
        if lane.members.is_empty() {
            self.0.remove(name);
        }
    }

    /// Whose turn it is: the first one's, unless another runs. One that was requeued may have come before it.
    pub(super) fn head(&self, name: &str) -> Option<LaunchId> {
        let lane = self.0.get(name).filter(|lane| lane.running == 0)?;
        lane.members.first().copied()
    }
}
