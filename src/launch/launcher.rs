//! Who may launch what.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::error::LaunchErrorKind;
use crate::agent::AgentContext;
use crate::journal::Journal;
use crate::supervisor::tree::{Phase, Tree};

/// What a system launches with. It stands beside the tree, where the system's handles and its attempts find it.
pub(crate) struct Launcher {
    journal: Arc<dyn Journal>,
    agents: BTreeSet<String>,
}

impl Launcher {
    pub(crate) fn new(journal: Arc<dyn Journal>, agents: BTreeSet<String>) -> Self {
        Self { journal, agents }
    }

    /// The launcher of a tree, if its system has a journal.
    pub(crate) fn of(tree: &Tree) -> Option<Arc<Self>> {
        tree.annex()?.downcast().ok()
    }

    pub(crate) fn journal(&self) -> &Arc<dyn Journal> {
        &self.journal
    }

    /// The journal that takes launches of this agent which come from outside of the system.
    pub(crate) fn admit(tree: &Tree, agent: &str) -> Result<Arc<dyn Journal>, LaunchErrorKind> {
        let launcher = Self::of(tree).ok_or(LaunchErrorKind::NoJournal)?;
        if tree.phase() > Phase::Running {
            return Err(LaunchErrorKind::ShuttingDown);
        }
        launcher.take(agent)
    }

    /// The same, for launches that come from an attempt: also while the system drains, because an attempt that may go on
    /// could not end otherwise.
    pub(crate) fn admit_within(cx: &AgentContext, agent: &str) -> Result<Arc<dyn Journal>, LaunchErrorKind> {
        let launcher = Tree::of(cx).and_then(|tree| Self::of(&tree));
        launcher.ok_or(LaunchErrorKind::NoJournal)?.take(agent)
    }

    fn take(&self, agent: &str) -> Result<Arc<dyn Journal>, LaunchErrorKind> {
        match self.agents.contains(agent) {
            true => Ok(Arc::clone(&self.journal)),
            false => Err(LaunchErrorKind::UnknownAgent),
        }
    }
}
