//! What launches a system runs, and under which supervisors.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::start_error::Problem;
use super::supervisor::SupervisorBuilder;
use crate::journal::Journal;
use crate::launch::{Arbiter, Dispatcher, Doubts, Hook, LaunchSlots, Runnable, WaitGraph};
use crate::policy::Limits;

/// The supervisor of launches that no other one was given.
pub(super) const MAIN: &str = "main";

/// What is said of launches while a system is built.
pub(super) struct Dispatch {
    /// The registered agents.
    pub(super) agents: BTreeMap<String, Runnable>,
    /// How many run at once under a supervisor that does not say.
    pub(super) concurrency: usize,
    /// How many of some agents run at once.
    pub(super) limits: BTreeMap<Arc<str>, usize>,
    /// What is asked about ambiguous launches of some agents.
    pub(super) hooks: BTreeMap<Arc<str>, Hook>,
    pub(super) most_pending: usize,
    /// How long dead launches are kept, if not for ever.
    pub(super) retain_dead: Option<Duration>,
}

impl Default for Dispatch {
    fn default() -> Self {
        let (agents, limits, hooks) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self {
            agents,
            concurrency: Limits::CONCURRENCY,
            limits,
            hooks,
            most_pending: 1_000_000,
            retain_dead: None,
        }
    }
}

impl Dispatch {
    /// What is wrong with it.
    pub(super) fn problems(&self, supervisors: &[SupervisorBuilder]) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut given = HashMap::<&str, &str>::new();
        let is_known = |agent: &str| self.agents.contains_key(agent);
        let unknown = |agent: &Arc<str>| Problem::UnknownAgent(agent.as_ref().to_owned());
        let named = self.limits.keys().chain(self.hooks.keys());
        problems.extend(named.filter(|agent| !is_known(agent)).map(unknown));
        for supervisor in supervisors {
            for agent in &supervisor.agents {
                if !is_known(agent) {
                    problems.push(unknown(agent));
                }
                let name = supervisor.name.as_ref();
                match given.insert(agent, name) {
                    Some(other) if other != name => {
                        let [agent, one, two] = [agent, other, name].map(str::to_owned);
                        problems.push(Problem::TwoSupervisors(agent, one, two));
                    }
                    _ => {}
                }
            }
        }
        problems
    }

    /// Gives each supervisor the service that runs the launches of its agents, and those of all others to the main one; and
    /// one for each hook of these agents. Gives the slots of each supervisor that runs launches, by its name.
    pub(super) fn appoint(
        mut self,
        supervisors: &mut [SupervisorBuilder],
        journal: &Arc<dyn Journal>,
    ) -> HashMap<Arc<str>, Arc<LaunchSlots>> {
        let (graph, mut slots) = (Arc::<WaitGraph>::default(), HashMap::new());
        let theirs: Vec<BTreeMap<_, _>> = supervisors
            .iter()
            .map(|supervisor| {
                let agents = supervisor.agents.iter();
                agents.filter_map(|agent| self.agents.remove_entry(agent.as_ref())).collect()
            })
            .collect();
        for (supervisor, mut agents) in supervisors.iter_mut().zip(theirs) {
            let is_main = supervisor.name.as_ref() == MAIN;
            if is_main {
                agents.append(&mut self.agents);
            }
            // There is always one that sweeps and closes the journal.
            if is_main || !agents.is_empty() {
                let concurrency = supervisor.launch_concurrency.unwrap_or(self.concurrency);
                let limits = self.limits.iter().filter(|(agent, _)| agents.contains_key(agent.as_ref()));
                let limits = limits.map(|(agent, limit)| (Arc::clone(agent), *limit)).collect();
                let mut doubts = BTreeMap::new();
                for agent in agents.keys() {
                    let Some((agent, hook)) = self.hooks.remove_entry(agent.as_str()) else { continue };
                    let raised = Arc::<Doubts>::default();
                    doubts.insert(Arc::clone(&agent), Arc::clone(&raised));
                    supervisor.host(Arc::new(Arbiter::new(agent, Arc::clone(journal), hook, raised)));
                }
                let dispatcher = Dispatcher::new(
                    Arc::clone(journal),
                    agents,
                    concurrency,
                    limits,
                    Arc::clone(&graph),
                    doubts,
                    is_main,
                );
                slots.insert(Arc::clone(&supervisor.name), Arc::clone(dispatcher.slots()));
                supervisor.host(Arc::new(dispatcher));
            }
        }
        slots
    }
}
