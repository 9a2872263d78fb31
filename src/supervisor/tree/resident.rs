//! Long-lived actors of the user's, whatever their types.

use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt, ready};
use ractor::{ActorCell, SpawnErr};

use super::TreeRef;
use crate::agent::AgentRef;

/// A pool of long-lived actors under a supervisor.
///
/// It stays while its actors come and go: who calls them finds the living ones there.
pub trait Resident: Send + Sync + 'static {
    fn name(&self) -> &str;

    /// How many actors there shall be.
    fn instances(&self) -> usize;

    /// Starts the actor of this place, linked to the supervisor.
    fn start(&self, place: usize, supervisor: ActorCell) -> BoxFuture<'_, Result<ActorCell, SpawnErr>>;

    /// The tree to which it belongs, before anything of it starts.
    fn join(&self, _tree: &TreeRef) {}

    /// The actor of this place has ended.
    fn leave(&self, place: usize);

    /// None of its actors lives, and there will be no more: hands back what they have not come to. Says how much.
    fn hand_back(&self) -> BoxFuture<'_, usize> {
        ready(0).boxed()
    }

    /// There will be no more actors: who waits for one shall not wait any longer.
    fn close(&self);

    /// How many actors live.
    fn alive(&self) -> usize;
}

/// What a supervisor can be given as a resident. [`actor::resident`](crate::actor::resident) makes one.
///
/// Implemented by the crate alone.
pub trait IntoResident<I, O> {
    /// The actors, and the agent through which they are called.
    #[doc(hidden)]
    fn into_resident(self) -> (Arc<dyn Resident>, AgentRef<I, O>);
}

/// A pool that is closed with its owner, so that nobody waits for actors that were never started.
pub(crate) struct Owned(Arc<dyn Resident>);

impl Owned {
    pub(crate) fn new(resident: Arc<dyn Resident>) -> Self {
        Self(resident)
    }
}

impl std::ops::Deref for Owned {
    type Target = dyn Resident;

    fn deref(&self) -> &(dyn Resident + 'static) {
        self.0.as_ref()
    }
}

impl std::fmt::Debug for Owned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resident").field("name", &self.name()).finish_non_exhaustive()
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.0.close();
    }
}
