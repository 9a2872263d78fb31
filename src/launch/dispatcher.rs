//! What runs recorded launches.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::{BoxFuture, Either, select};
use tokio::time::sleep;

use super::begun::Begun;
use super::bytes::Runnable;
use super::doubts::Doubts;
use super::in_flight::{AllInFlight, InFlight};
use super::life::Life;
use super::patience::{Patience, is_transient};
use super::slots::LaunchSlots;
use super::wait_graph::WaitGraph;
use crate::agent::Bodies;
use crate::journal::failpoint::pass;
use crate::journal::{Claim, Claims, Journal, JournalError, Want};
use crate::outcome::LaunchId;
use crate::supervisor::tree::{Phase, Service, Tree};
use crate::sync::lock;
use crate::user_code::printable_in_full;

/// How long a new life waits for all code of the last one before it goes on beside what still runs.
const SOON: Duration = Duration::from_millis(100);

/// Claims the launches of some agents, runs them, and records what became of them: the service of one supervisor.
///
/// They run as one run without an end, whose items are claims. A launch has one attempt in it: whether another follows
/// is decided where the outcome is recorded, so that it does not depend on this process.
pub(crate) struct Dispatcher {
    pub(super) journal: Arc<dyn Journal>,
    pub(super) agents: BTreeMap<String, Runnable>,
    /// How many launches of all agents run at once, and how many of some agents. One of an earlier life whose code still
    /// runs has its slot.
    slots: Arc<LaunchSlots>,
    /// What tells the hooks of those agents that have one.
    doubts: BTreeMap<Arc<str>, Arc<Doubts>>,
    /// Whether it removes what has expired, as one of them does for the whole journal.
    pub(super) sweeps: bool,
    /// What the present life has begun, or the last one had.
    begun: Mutex<Arc<Begun>>,
    /// Code of attempts that runs, whichever life of the service has started it.
    pub(super) bodies: Bodies,
    /// The attempts whose code that is.
    pub(super) in_flight: AllInFlight,
    /// How many attempts with a timeout are under way.
    pub(super) limited: Arc<AtomicUsize>,
}

impl Dispatcher {
    pub(crate) fn new(
        journal: Arc<dyn Journal>,
        agents: BTreeMap<String, Runnable>,
        concurrency: usize,
        limits: BTreeMap<Arc<str>, usize>,
        graph: Arc<WaitGraph>,
        doubts: BTreeMap<Arc<str>, Arc<Doubts>>,
        sweeps: bool,
    ) -> Self {
        let names = agents.keys().map(|name| name.as_str().into()).collect();
        let slots = Arc::new(LaunchSlots::new(concurrency, names, &limits, graph));
        let (begun, bodies, limited) = (Mutex::default(), Bodies::default(), Arc::default());
        let in_flight = AllInFlight::default();
        Self { journal, agents, slots, doubts, sweeps, begun, bodies, in_flight, limited }
    }

    pub(crate) fn slots(&self) -> &Arc<LaunchSlots> {
        &self.slots
    }

    /// Gives back what a life has left. Says how many launches wait again.
    async fn give_back(&self) -> Result<usize, JournalError> {
        let begun = lock(&self.begun).close();
        let names: Vec<_> = self.agents.keys().cloned().collect();
        let waiting = self.journal.release_all(&names, &begun).await?;
        self.raise_doubts(&begun);
        Ok(waiting)
    }

    /// The same, but for the attempts whose code still runs: it gives these. `None` if the journal cannot leave any out, and
    /// nothing was given back.
    async fn give_back_what_has_ended(&self) -> Result<Option<Vec<InFlight>>, JournalError> {
        // In this order: once this is closed, no further body begins.
        let begun = lock(&self.begun).close();
        let running = self.in_flight.running();
        let names: Vec<_> = self.agents.keys().cloned().collect();
        let ids: Vec<_> = running.iter().map(InFlight::id).collect();
        if self.journal.release_all_but(&names, &begun, &ids).await?.is_none() {
            return Ok(None);
        }
        self.raise_doubts(&begun);
        Ok(Some(running))
    }

    fn raise_doubts(&self, begun: &[LaunchId]) {
        for doubts in self.doubts.values() {
            doubts.raise(begun.iter().copied());
        }
    }

    /// An attempt that was to be the only one has failed, and perhaps nobody knows how far it came.
    pub(super) fn raise_doubt(&self, claim: &Claim) {
        if let Some(doubts) = self.doubts.get(claim.agent.as_str()) {
            doubts.raise([claim.id]);
        }
    }

    /// Claims at most so many attempts that can be made now.
    pub(super) async fn claim(&self, wants: &[Want], most: usize) -> Result<Claims, JournalError> {
        pass("launch.claiming")?;
        self.journal.claim(wants, most).await
    }

    /// One life, from its first claim to its last record.
    async fn live(self: Arc<Self>, tree: &Arc<Tree>) -> Result<(), JournalError> {
        // What an earlier life has started ends before it is started again. Most of it ends soon; nothing but the launch itself
        // waits for code that does not.
        let bodies = self.bodies.clone();
        let mut drained = pin!(tree.gate.drain_begins());
        let (mut returned, late) = (pin!(bodies.returned()), pin!(sleep(SOON)));
        let all_ended = match select(drained.as_mut(), select(returned.as_mut(), late)).await {
            Either::Left(_) => return Ok(()),
            Either::Right((soon, _)) => matches!(soon, Either::Left(_)),
        };
        let given_back = match all_ended {
            true => None,
            false => retry(tree, || self.give_back_what_has_ended()).await?,
        };
        let running = match given_back {
            Some(running) => running,
            None => {
                if !all_ended && matches!(select(drained, returned).await, Either::Left(_)) {
                    return Ok(());
                }
                retry(tree, || self.give_back()).await?;
                Vec::new()
            }
        };
        let begun = Arc::<Begun>::default();
        *lock(&self.begun) = Arc::clone(&begun);
        let later = async {
            match self.give_back_when_ended(running).await {
                Ok(()) => std::future::pending().await,
                Err(error) => error,
            }
        };
        let life = Life::new(Arc::clone(&self), Arc::clone(tree), begun).live();
        match select(pin!(life), pin!(later)).await {
            Either::Left((lived, _)) => lived,
            Either::Right((error, _)) => Err(error),
        }
    }
}

/// Asks the journal again while it cannot answer for the moment and the system runs.
async fn retry<T, F: Future<Output = Result<T, JournalError>>>(
    tree: &Tree,
    ask: impl Fn() -> F,
) -> Result<T, JournalError> {
    let mut patience = Patience::default();
    loop {
        match ask().await {
            Err(error) if is_transient(&error) && tree.phase() <= Phase::Running => {
                sleep(patience.next()).await
            }
            answered => return answered,
        }
    }
}

impl Service for Dispatcher {
    fn name(&self) -> &str {
        "launches"
    }

    fn serve(self: Arc<Self>, tree: Arc<Tree>) -> BoxFuture<'static, Result<(), String>> {
        Box::pin(async move {
            // The system ends only when everything that has come out is recorded.
            let _errand = tree.begin_errand();
            self.live(&tree).await.map_err(|error| format!("{error:#}"))
        })
    }

    fn hand_back(&self) -> BoxFuture<'_, usize> {
        Box::pin(async move {
            self.give_back().await.unwrap_or_else(|error| {
                log_warn!(
                    error = %printable_in_full(&error),
                    "launches that were under way were not handed back"
                );
                0
            })
        })
    }

    fn close(&self) {
        self.journal.close();
    }
}
