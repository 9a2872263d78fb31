//! What runs recorded launches.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use futures::future::{BoxFuture, Either, select};

use super::bytes::Runnable;
use super::life::Life;
use crate::agent::Bodies;
use crate::journal::failpoint::pass;
use crate::journal::{Claims, Journal, JournalError};
use crate::supervisor::tree::{Phase, Service, Tree};

/// Claims the launches of some agents, runs them, and records what became of them: the service of one supervisor.
///
/// They run as one run without an end, whose items are claims. A launch has one attempt in it: whether another follows
/// is decided where the outcome is recorded, so that it does not depend on this process.
pub(crate) struct Dispatcher {
    pub(super) journal: Arc<dyn Journal>,
    pub(super) agents: BTreeMap<String, Runnable>,
    pub(super) names: Arc<[String]>,
    pub(super) concurrency: usize,
    /// Code of attempts that runs, whichever life of the service has started it.
    pub(super) bodies: Bodies,
    /// How many attempts with a timeout are under way.
    pub(super) limited: Arc<AtomicUsize>,
}

impl Dispatcher {
    pub(crate) fn new(
        journal: Arc<dyn Journal>,
        agents: BTreeMap<String, Runnable>,
        concurrency: usize,
    ) -> Self {
        let names = agents.keys().cloned().collect();
        Self { journal, agents, names, concurrency, bodies: Bodies::default(), limited: Arc::default() }
    }

    /// Claims at most so many attempts that can be made now.
    pub(super) async fn claim(&self, most: usize) -> Result<Claims, JournalError> {
        pass("launch.claiming")?;
        self.journal.claim(&self.names, most).await
    }

    /// One life, from its first claim to its last record.
    async fn live(self: Arc<Self>, tree: &Arc<Tree>) -> Result<(), JournalError> {
        // What an earlier life has started ends before it is started again.
        let bodies = self.bodies.clone();
        if let Either::Left(_) = select(pin!(bodies.returned()), pin!(tree.gate.drain_begins())).await {
            self.journal.release_all(&self.names).await?;
            Life::new(Arc::clone(&self), Arc::clone(tree)).live().await?;
        }
        if tree.phase() > Phase::Running {
            let handed_back = self.journal.release_all(&self.names).await?;
            tree.gate.hand_back(handed_back);
        }
        Ok(())
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

    fn close(&self) {
        self.journal.close();
    }
}
