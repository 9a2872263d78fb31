//! Actors of the user's under a run's supervisor.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ractor::ActorCell;

use crate::agent::AgentContext;

/// The supervisor of a run, as those see it who link actors of the user's under it.
pub(crate) struct Host {
    supervisor: ActorCell,
    /// Whether somebody has.
    has_guests: AtomicBool,
}

impl Host {
    pub(super) fn new(supervisor: ActorCell) -> Arc<Self> {
        Arc::new(Self { supervisor, has_guests: AtomicBool::new(false) })
    }

    /// The host of the run that an attempt belongs to.
    pub(crate) fn of(attempt: &AgentContext) -> Option<Arc<Self>> {
        attempt.host().and_then(|host| host.downcast().ok())
    }

    /// The actor to link a guest under. Before the run ends, it is told to stop, and has a moment for it.
    pub(crate) fn invite(&self) -> ActorCell {
        self.has_guests.store(true, Ordering::Release);
        self.supervisor.clone()
    }

    /// The actors that are linked here and are not children of the run.
    pub(super) fn guests(&self, is_child: impl Fn(&ActorCell) -> bool) -> Vec<ActorCell> {
        if !self.has_guests.load(Ordering::Acquire) {
            return Vec::new();
        }
        let mut guests = self.supervisor.get_children();
        guests.retain(|actor| !is_child(actor));
        guests
    }
}
