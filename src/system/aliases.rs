//! Names under which agents were known before.

use std::collections::BTreeMap;

use super::Builder;
use super::start_error::Problem;

/// The aliases of a system's agents, in the order in which they were given.
#[derive(Debug, Default)]
pub(super) struct Aliases(Vec<(String, String)>);

impl Builder {
    /// Says that the registered agent `agent` was known as `alias` before. Launches that were recorded under the alias are run
    /// by the agent, and are listed as its own; a key names one launch of the agent, whichever of its names it was
    /// recorded under.
    ///
    /// The alias is needed as long as launches are kept that were recorded under it: without it those that wait are parked,
    /// and keys of those that are done are free. If, before there was the alias, launches were recorded under one key with
    /// both names, the latest has the key.
    ///
    /// An alias that is registered itself, is given twice, or belongs to an agent that is not registered, makes
    /// [`start`](Builder::start) fail.
    ///
    /// ```
    /// use sortie::{MemoryJournal, System, agent_fn};
    ///
    /// let mut builder = System::builder().journal(MemoryJournal::new());
    /// builder.register(agent_fn(|to: String, _| async move { Ok(to) }).named("send-mail"));
    /// builder.alias("mailer", "send-mail");
    /// ```
    pub fn alias(&mut self, alias: impl Into<String>, agent: impl Into<String>) -> &mut Self {
        self.aliases.0.push((alias.into(), agent.into()));
        self
    }
}

impl Aliases {
    /// What is wrong with them, when these agents are registered.
    pub(super) fn problems(&self, is_registered: impl Fn(&str) -> bool) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (position, (alias, agent)) in self.0.iter().enumerate() {
            let twice = self.0[..position].iter().any(|(earlier, _)| earlier == alias);
            let wrong = if !is_registered(agent) {
                "and is not registered: an alias belongs to a registered agent"
            } else if is_registered(alias) {
                "under which an agent is registered: launches of that name are its own"
            } else if twice {
                "which was given before: launches of one name belong to one agent"
            } else if alias.is_empty() {
                "which is empty: no launch was recorded under that"
            } else {
                continue;
            };
            problems.push(Problem::BadAlias { alias: alias.clone(), agent: agent.clone(), wrong });
        }
        problems
    }

    /// Each alias with the name of its agent.
    pub(super) fn into_names(self) -> BTreeMap<String, String> {
        self.0.into_iter().collect()
    }
}
