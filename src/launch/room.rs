//! How many launches there is room for: in all, and of each agent.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::{Arc, Mutex};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::journal::Want;
use crate::sync::lock;

/// The slots of one life of a dispatcher.
pub(super) struct Room {
    slots: Arc<Semaphore>,
    agents: Arc<[Arc<str>]>,
    /// The slots of those agents of which fewer may run.
    limited: HashMap<Arc<str>, Arc<Semaphore>>,
    freed: Arc<Notify>,
}

/// What an attempt occupies until its outcome is durable, but for the time for which it is lent.
pub(super) struct Permit {
    slots: Arc<Semaphore>,
    limited: Option<(Arc<Semaphore>, Arc<Notify>)>,
    held: Mutex<Option<Held>>,
}

struct Held {
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

impl Permit {
    /// Lets others have the slot while `wait` is waited for, and has it again when that is over.
    ///
    /// Whoever drops the future meanwhile goes on with a slot only if one is free; otherwise there is one attempt more than
    /// slots, until one of them ends.
    pub(super) async fn lend<T>(&self, wait: impl Future<Output = T>) -> T {
        let loan = Loan(self);
        drop(lock(&self.held).take());
        let result = wait.await;
        if lock(&self.held).is_none() {
            let regained = self.regain().await;
            let mut held = lock(&self.held);
            // Another one of the same attempt may have it back by now: then this one is too much.
            if held.is_none() {
                *held = regained;
            }
        }
        drop(loan);
        result
    }

    /// A slot, when it is this one's turn: at most one batch of new launches comes before. `None` if there are none any more,
    /// which does not happen.
    async fn regain(&self) -> Option<Held> {
        let limited = match &self.limited {
            Some((slots, freed)) => acquire(slots).await.map(|permit| (permit, Freed(Arc::clone(freed)))),
            None => None,
        };
        Some(Held { _slot: acquire(&self.slots).await?, _limited: limited })
    }
}

async fn acquire(slots: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    Arc::clone(slots).acquire_owned().await.ok()
}

/// A slot that is lent.
struct Loan<'a>(&'a Permit);

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        let mut held = lock(&self.0.held);
        if held.is_none() {
            let slot = Arc::clone(&self.0.slots).try_acquire_owned();
            *held = slot.ok().map(|slot| Held { _slot: slot, _limited: None });
        }
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
        let first = acquire(&self.slots).await?;
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
        let limited = self.limited.get(agent).map(|slots| (Arc::clone(slots), Arc::clone(&self.freed)));
        let permit = limited.as_ref().and_then(|(slots, freed)| {
            Some((Arc::clone(slots).try_acquire_owned().ok()?, Freed(Arc::clone(freed))))
        });
        let held = Mutex::new(Some(Held { _slot: slot, _limited: permit }));
        Permit { slots: Arc::clone(&self.slots), limited, held }
    }

    /// Waits until there is room for an agent for which there was none.
    pub(super) fn freed(&self) -> impl Future<Output = ()> {
        self.freed.notified()
    }
}
