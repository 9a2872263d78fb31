//! What a supervisor does all the time by itself.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use futures::future::BoxFuture;
use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, SpawnErr};

use super::resident::Resident;
use super::{Tree, TreeRef};
use crate::supervisor::message::Wake;

/// What a supervisor does all the time by itself, for its system. An actor hosts it, whose death counts like that of a
/// resident, and which is started again.
pub(crate) trait Service: Send + Sync + 'static {
    fn name(&self) -> &str;

    /// One life of it: from when the tree stands until it drains, or something has gone wrong. If its actor dies, this is
    /// dropped.
    ///
    /// The tree must not be kept running by it.
    fn serve(self: Arc<Self>, tree: Arc<Tree>) -> BoxFuture<'static, Result<(), String>>;

    /// No life of it is left, and there will be none, because the system ends: hands back what the last one has not come to.
    /// Says how much.
    fn hand_back(&self) -> BoxFuture<'_, usize>;

    /// There will be no further life.
    fn close(&self);
}

/// A service as a resident of its supervisor.
pub(crate) struct Hosted {
    service: Arc<dyn Service>,
    tree: OnceLock<Weak<Tree>>,
    alive: AtomicBool,
}

impl Hosted {
    pub(crate) fn new(service: Arc<dyn Service>) -> Self {
        Self { service, tree: OnceLock::new(), alive: AtomicBool::new(false) }
    }
}

impl Resident for Hosted {
    fn name(&self) -> &str {
        self.service.name()
    }

    fn instances(&self) -> usize {
        1
    }

    fn start(&self, _: usize, supervisor: ActorCell) -> BoxFuture<'_, Result<ActorCell, SpawnErr>> {
        Box::pin(async move {
            let tree = self.tree.get().cloned().unwrap_or_default();
            let (service, _) =
                Server::spawn_linked(None, Server, (Arc::clone(&self.service), tree), supervisor).await?;
            self.alive.store(true, Ordering::Relaxed);
            Ok(service.get_cell())
        })
    }

    fn join(&self, TreeRef(tree): &TreeRef) {
        // A service belongs to the tree that it was made for.
        let _ = self.tree.set(Weak::clone(tree));
    }

    fn leave(&self, _: usize) {
        self.alive.store(false, Ordering::Relaxed);
    }

    fn hand_back(&self) -> BoxFuture<'_, usize> {
        self.service.hand_back()
    }

    fn close(&self) {
        self.service.close();
    }

    fn alive(&self) -> usize {
        usize::from(self.alive.load(Ordering::Relaxed))
    }
}

/// The actor of a service. Its only message is its own, and handling it takes as long as the service lives; after an
/// orderly end it waits to be told to stop, so that this is not taken for a death.
struct Server;

#[cfg_attr(feature = "async-trait", ractor::async_trait)]
impl Actor for Server {
    type Msg = Wake;
    type State = (Arc<dyn Service>, Weak<Tree>);
    type Arguments = Self::State;

    async fn pre_start(
        &self,
        myself: ActorRef<Wake>,
        service: Self::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        myself.send_message(Wake)?;
        Ok(service)
    }

    async fn handle(
        &self,
        _: ActorRef<Wake>,
        _: Wake,
        (service, tree): &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        // Without a tree there is nobody left to serve.
        let Some(tree) = tree.upgrade() else { return Ok(()) };
        tree.stands().await;
        Ok(Arc::clone(service).serve(tree).await?)
    }
}
