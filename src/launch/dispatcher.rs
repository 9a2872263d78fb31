//! What runs recorded launches.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::{BoxFuture, Either, select};
use futures::stream::{self, BoxStream, FuturesUnordered, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;

use crate::agent::{AgentContext, AgentRef, Bodies, Body, Launched, Roster};
use crate::journal::{Claim, EndedBy, Event, Journal, JournalError, LaunchId};
use crate::outcome::{AgentError, Cause, Failure, Outcome};
use crate::policy::Limits;
use crate::supervisor::tree::{Service, Tree};
use crate::supervisor::{Fed, Goal, Order, Policy, Source, Work, feed};

/// An agent as launches have it: bytes in, bytes out.
pub(crate) type Runnable = AgentRef<Vec<u8>, Vec<u8>>;

/// Claims the launches of some agents, runs them, and records what became of them: the service of one supervisor.
///
/// They run as one run without an end, whose items are claims. A launch has one attempt in it: whether another follows
/// is decided where it is recorded, so that a process that dies decides nothing.
pub(crate) struct Dispatcher {
    journal: Arc<Journal>,
    agents: HashMap<String, Runnable>,
    concurrency: usize,
    /// Code of attempts that still runs, whichever life of the service has started it.
    bodies: Arc<Bodies>,
}

impl Dispatcher {
    pub(crate) fn new(journal: Arc<Journal>, agents: HashMap<String, Runnable>, concurrency: usize) -> Self {
        Self { journal, agents, concurrency, bodies: Arc::default() }
    }

    fn names(&self) -> Arc<[String]> {
        self.agents.keys().cloned().collect()
    }
}

impl Service for Dispatcher {
    fn name(&self) -> &str {
        "launches"
    }

    fn serve(self: Arc<Self>, tree: Arc<Tree>) -> BoxFuture<'static, Result<(), String>> {
        Box::pin(async move {
            // What an earlier life has started ends before it is started again.
            self.bodies.returned().await;
            let names = self.names();
            self.journal.give_back(Arc::clone(&names)).await.map_err(|error| format!("{error:#}"))?;
            Shift::new(self, names, tree).work().await.map_err(|error| format!("{error:#}"))
        })
    }
}

/// One life of the service.
struct Shift {
    dispatcher: Arc<Dispatcher>,
    names: Arc<[String]>,
    tree: Arc<Tree>,
    slots: Arc<Semaphore>,
    under_way: Arc<Launched>,
    claims: Arc<Mutex<HashMap<LaunchId, Claimed>>>,
}

/// A claim that is not concluded, and its slot.
struct Claimed {
    claim: Claim,
    _slot: OwnedSemaphorePermit,
}

impl Shift {
    fn new(dispatcher: Arc<Dispatcher>, names: Arc<[String]>, tree: Arc<Tree>) -> Self {
        let slots = Arc::new(Semaphore::new(dispatcher.concurrency));
        Self { dispatcher, names, tree, slots, under_way: Arc::default(), claims: Arc::default() }
    }

    /// Works until the system shuts down.
    async fn work(self) -> Result<(), JournalError> {
        todo!()
    }
}
