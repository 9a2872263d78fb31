//! Who may launch what.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::error::LaunchErrorKind;
use super::slots::LaunchSlots;
use crate::agent::AgentContext;
use crate::journal::Journal;
use crate::supervisor::tree::{Phase, Tree};

/// What a system launches with. It stands beside the tree, where the system's handles and its attempts find it.
pub(crate) struct Launcher {
    journal: Arc<dyn Journal>,
    /// The registered agents, and whether their launches run at most once.
    agents: BTreeMap<String, bool>,
    /// The slots of each supervisor that runs launches, by its name.
    slots: HashMap<Arc<str>, Arc<LaunchSlots>>,
}

/// Where a launch is recorded, and what holds for every launch of its agent.
pub(crate) struct Admitted {
    pub(super) journal: Arc<dyn Journal>,
    pub(super) at_most_once: bool,
}

impl Launcher {
    pub(crate) fn new(
        journal: Arc<dyn Journal>,
        agents: BTreeMap<String, bool>,
        slots: HashMap<Arc<str>, Arc<LaunchSlots>>,
    ) -> Self {
        Self { journal, agents, slots }
    }

    /// The slots of the launches that run under this supervisor.
    pub(crate) fn slots(&self, supervisor: &str) -> Option<&LaunchSlots> {
        self.slots.get(supervisor).map(|slots| &**slots)
    }

    /// The launcher of a tree, if its system has a journal.
    pub(crate) fn of(tree: &Tree) -> Option<Arc<Self>> {
        tree.annex()?.downcast().ok()
    }

    pub(crate) fn journal(&self) -> &Arc<dyn Journal> {
        &self.journal
    }

    /// The journal that takes launches of this agent which come from outside of the system.
    pub(crate) fn admit(tree: &Tree, agent: &str) -> Result<Admitted, LaunchErrorKind> {
        let launcher = Self::of(tree).ok_or(LaunchErrorKind::NoJournal)?;
        if tree.phase() > Phase::Running {
            return Err(LaunchErrorKind::ShuttingDown);
        }
        launcher.take(agent)
    }

    /// The same, for launches that come from an attempt: also while the system drains, because an attempt that may go on
    /// could not end otherwise.
    pub(crate) fn admit_within(cx: &AgentContext, agent: &str) -> Result<Admitted, LaunchErrorKind> {
        let launcher = Tree::of(cx).and_then(|tree| Self::of(&tree));
        launcher.ok_or(LaunchErrorKind::NoJournal)?.take(agent)
    }

    /// How long an output of this attempt may be, in bytes.
    pub(super) fn longest_payload(cx: &AgentContext) -> usize {
        let launcher = Tree::of(cx).and_then(|tree| Self::of(&tree));
        launcher.map_or(usize::MAX, |launcher| launcher.journal.capabilities().longest_payload)
    }

    fn take(&self, agent: &str) -> Result<Admitted, LaunchErrorKind> {
        let at_most_once = *self.agents.get(agent).ok_or(LaunchErrorKind::UnknownAgent)?;
        Ok(Admitted { journal: Arc::clone(&self.journal), at_most_once })
    }
}
