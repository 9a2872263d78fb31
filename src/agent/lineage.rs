//! Where work comes from: a parent that runs again finds what it has made before.

use std::fmt;

use super::AgentContext;
use crate::outcome::{LaunchId, RunId, digest};

/// The place of an attempt or a run in the work that it belongs to.
///
/// It is derived from the launch, or else the run, at the top, and from the positions, labels and keys below it: so it is
/// the same whenever that is run again. The attempt's number has no part in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lineage(u128);

impl Lineage {
    pub(crate) fn of_run(id: RunId) -> Self {
        Self(id.as_u128())
    }

    fn of_launch(id: LaunchId) -> Self {
        Self(id.as_u128())
    }

    /// What is called so below this. Kinds of names do not meet: a key `1` is not the position 1.
    fn below(self, kind: &str, name: &str) -> Self {
        let parent = self.0.to_be_bytes();
        Self(digest::of(&[parent.as_slice(), kind.as_bytes(), b":", name.as_bytes()].concat()))
    }
}

impl fmt::Display for Lineage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl AgentContext {
    /// Where the attempt's branch comes from.
    pub(crate) fn lineage(&self) -> Lineage {
        if let Some(launch) = self.launch_id() {
            return Lineage::of_launch(launch);
        }
        let run = self.run_lineage();
        match (self.key(), self.label()) {
            (Some(key), _) => run.below("key", key),
            // Branches of one label have children of their own. The first keeps the name that it has alone.
            (None, Some(label)) if self.roster().has_label_before(self.index(), label) => {
                run.below("label", label).below("index", &self.index().to_string())
            }
            (None, Some(label)) => run.below("label", label),
            (None, None) => run.below("index", &self.index().to_string()),
        }
    }

    /// Where the next run that is nested in the attempt comes from.
    pub(crate) fn nested_lineage(&self) -> Lineage {
        self.lineage().below("run", &self.next_position().to_string())
    }
}
