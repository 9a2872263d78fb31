//! How many launches there is room for: in all, and of each agent.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::Arc;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::journal::Want;

/// The slots of one life of a dispatcher.
pub(super) struct Room {
    slots: Arc<Semaphore>,
    agents: Arc<[Arc<str>]>,
    /// The slots of those agents of which fewer may run.
    limited: HashMap<Arc<str>, Arc<Semaphore>>,
    freed: Arc<Notify>,
}

/// What an attempt occupies until its outcome is durable.
pub(super) struct Permit {
    _slot: OwnedSemaphorePermit,
    _limited: Option<(OwnedSemaphorePermit, Freed)>,
}

/// Tells that there is room for an agent again, after there is.
struct Freed(Arc<Notify>);

impl Drop for Freed {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

impl Room {
    pub(super) fn new(
        concurrency: usize,
        agents: Arc<[Arc<str>]>,
        limits: &BTreeMap<Arc<str>, usize>,
    ) -> Self {
        let limited = limits.iter().map(|(agent, most)| (Arc::clone(agent), Arc::new(Semaphore::new(*most))));
        let limited = limited.collect();
        Self { slots: Arc::new(Semaphore::new(concurrency)), agents, limited, freed: Arc::default() }
    }

    /// Waits for a free slot, and takes all that there are. `None` if there will be none, which does not happen.
    pub(super) async fn free_slots(&self) -> Option<Vec<OwnedSemaphorePermit>> {
        let first = Arc::clone(&self.slots).acquire_owned().await.ok()?;
        let others = std::iter::from_fn(|| Arc::clone(&self.slots).try_acquire_owned().ok());
        Some(std::iter::once(first).chain(others).collect())
    }

    /// How many launches of which agents there is room for.
    pub(super) fn wants(&self) -> Vec<Want> {
        let most = |agent| self.limited.get(agent).map_or(usize::MAX, |slots| slots.available_permits());
        self.agents.iter().map(|agent| Want::new(Arc::clone(agent), most(agent))).collect()
    }

    /// Gives a slot to a launch of this agent, of which one was wanted.
    pub(super) fn occupy(&self, slot: OwnedSemaphorePermit, agent: &str) -> Permit {
        let limited = self.limited.get(agent).and_then(|slots| Arc::clone(slots).try_acquire_owned().ok());
        Permit { _slot: slot, _limited: limited.map(|permit| (permit, Freed(Arc::clone(&self.freed)))) }
    }

    /// Waits until there is room for an agent for which there was none.
    pub(super) fn freed(&self) -> impl Future<Output = ()> {
        self.freed.notified()
    }
}
