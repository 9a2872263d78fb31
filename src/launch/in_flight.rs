//! Attempts whose code may still run, whichever life of the dispatcher has started them.

use std::pin::pin;
use std::sync::{Arc, Mutex, Weak};

use futures::future::try_join_all;
use tokio::time::sleep;

use super::begun::Begun;
use super::dispatcher::Dispatcher;
use super::patience::{Patience, is_transient};
use super::work::Slot;
use crate::journal::{Claim, Delivery, JournalError};
use crate::outcome::LaunchId;
use crate::sync::lock;

/// An attempt that has been claimed, and whether any code of it may still run: that is as long as its slot exists.
#[derive(Clone)]
pub(super) struct InFlight {
    claim: Arc<Claim>,
    begun: Arc<Begun>,
    slot: Weak<Slot>,
}

/// The attempts of all lives of a dispatcher whose code may still run.
#[derive(Default)]
pub(super) struct AllInFlight(Mutex<InFlightState>);

#[derive(Default)]
struct InFlightState {
    attempts: Vec<InFlight>,
    /// With how many attempts those are removed whose code has ended.
    prune_at: usize,
}

impl InFlight {
    pub(super) fn new(claim: &Arc<Claim>, begun: &Arc<Begun>, slot: &Arc<Slot>) -> Self {
        Self { claim: Arc::clone(claim), begun: Arc::clone(begun), slot: Arc::downgrade(slot) }
    }

    pub(super) fn id(&self) -> LaunchId {
        self.claim.id
    }

    fn is_running(&self) -> bool {
        self.slot.strong_count() > 0
    }
}

impl AllInFlight {
    /// Notes attempts, before the body of any of them begins.
    pub(super) fn note(&self, attempts: Vec<InFlight>) {
        const AT_LEAST: usize = 64;
        let mut state = lock(&self.0);
        state.attempts.extend(attempts);
        if state.attempts.len() >= state.prune_at {
            state.attempts.retain(InFlight::is_running);
            state.prune_at = AT_LEAST.max(2 * state.attempts.len());
        }
    }

    /// The attempts whose code runs.
    pub(super) fn running(&self) -> Vec<InFlight> {
        let mut state = lock(&self.0);
        state.attempts.retain(InFlight::is_running);
        state.attempts.clone()
    }
}

impl Dispatcher {
    /// Gives each of these attempts back when its code has ended. Nothing else waits for them.
    pub(super) async fn give_back_when_ended(&self, mut running: Vec<InFlight>) -> Result<(), JournalError> {
        while !running.is_empty() {
            let mut returned = pin!(self.bodies.one_returned());
            // Registered before the look, or a body that returns between the two would not be heard of.
            returned.as_mut().enable();
            let ended: Vec<_>;
            (running, ended) = running.into_iter().partition(InFlight::is_running);
            try_join_all(ended.iter().map(|attempt| self.give_back_one(attempt))).await?;
            if ended.is_empty() {
                returned.await;
            }
        }
        Ok(())
    }

    /// Gives back an attempt whose code has ended.
    async fn give_back_one(&self, InFlight { claim, begun, .. }: &InFlight) -> Result<(), JournalError> {
        let has_begun = begun.has_begun(claim.id, claim.attempt);
        let mut patience = Patience::default();
        loop {
            match self.journal.release(claim, has_begun).await {
                // Refused is one that was concluded by the life that has started it.
                Ok(_) => break,
                Err(error) if is_transient(&error) => sleep(patience.next()).await,
                Err(error) => return Err(error),
            }
        }
        if has_begun && claim.terms.delivery == Delivery::AtMostOnce {
            self.raise_doubt(claim);
        }
        Ok(())
    }
}
