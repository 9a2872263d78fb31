//! Claims as the items of a run.

use std::collections::{HashMap, VecDeque};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::{Either, FutureExt, select};
use futures::stream::{self, BoxStream, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::sleep;

use super::begun::Begun;
use super::dispatcher::Dispatcher;
use super::in_flight::InFlight;
use super::patience::{Patience, is_transient};
use super::room::{Permit, Room};
use super::work::{Job, Slot};
use crate::agent::{Launched, Launches};
use crate::journal::{Claim, Claims as Claimable, JournalError};
use crate::outcome::AgentError;
use crate::supervisor::Policy;
use crate::supervisor::tree::Tree;
use crate::sync::lock;

/// Attempts that are under way, by their position in the run.
pub(super) type UnderWay = Mutex<HashMap<usize, Claimed>>;

/// A claim that is not concluded.
pub(super) struct Claimed {
    pub(super) claim: Arc<Claim>,
    /// Resolves when no code of the attempt runs any more.
    pub(super) gone: oneshot::Receiver<()>,
    /// A slot is free only after the outcome is durable.
    pub(super) permit: Arc<Permit>,
}

/// Claims launches, as many as there are free slots, until the system shuts down.
pub(super) struct Claims {
    dispatcher: Arc<Dispatcher>,
    tree: Arc<Tree>,
    launches: Arc<Launches>,
    under_way: Arc<UnderWay>,
    begun: Arc<Begun>,
    room: Arc<Room>,
    changes: BoxStream<'static, ()>,
    /// Jobs that are claimed, and that the run has not asked for yet.
    jobs: VecDeque<Job>,
    /// The position of the next one in the run.
    next: usize,
    broken: oneshot::Sender<JournalError>,
}

impl Claims {
    pub(super) fn new(
        dispatcher: Arc<Dispatcher>,
        tree: Arc<Tree>,
        launches: Arc<Launches>,
        under_way: Arc<UnderWay>,
        begun: Arc<Begun>,
        broken: oneshot::Sender<JournalError>,
    ) -> Self {
        let room = dispatcher.room();
        let changes = dispatcher.journal.changes();
        let jobs = VecDeque::new();
        Self { dispatcher, tree, launches, under_way, begun, room, changes, jobs, next: 0, broken }
    }

    /// The jobs as a stream. It ends when the tree drains, or with an error that it hands over beside.
    pub(super) fn stream(self) -> BoxStream<'static, Result<Job, AgentError>> {
        let jobs = stream::unfold(self, |mut claims| async move {
            loop {
                if let Some(job) = claims.jobs.pop_front() {
                    return Some((Ok(job), claims));
                }
                match claims.claim().await {
                    Ok(true) => {}
                    Ok(false) => return None,
                    Err(error) => {
                        // Whoever would hear it is gone only if the run is as well.
                        let _ = claims.broken.send(error);
                        return None;
                    }
                }
            }
        });
        jobs.boxed()
    }

    /// Claims what can start now, or waits until there may be something. `false` once the tree drains.
    async fn claim(&mut self) -> Result<bool, JournalError> {
        let Some(permits) = self.free_slots().await else { return Ok(false) };
        // What becomes ready from here on is news.
        let _ = self.changes.next().now_or_never();
        let mut patience = Patience::default();
        let Claimable { claims, next_due } = loop {
            match self.dispatcher.claim(&self.room.wants(), permits.len()).await {
                Ok(claimed) => break claimed,
                Err(error) if !is_transient(&error) => return Err(error),
                Err(_) => {
                    if !self.pause(Some(patience.next())).await {
                        return Ok(false);
                    }
                }
            }
        };
        if claims.is_empty() {
            drop(permits);
            return Ok(self.pause(next_due).await);
        }
        self.prepare(claims, permits);
        Ok(true)
    }

    /// Every free slot, and at least one; `None` once the tree drains.
    async fn free_slots(&mut self) -> Option<Vec<OwnedSemaphorePermit>> {
        match select(pin!(self.tree.gate.drain_begins()), pin!(self.room.free_slots())).await {
            Either::Left(_) => None,
            Either::Right((slots, _)) => slots,
        }
    }

    /// Waits for news, at most so long. `false` once the tree drains.
    async fn pause(&mut self, most: Option<Duration>) -> bool {
        let timer = async {
            match most {
                Some(most) => sleep(most).await,
                None => std::future::pending().await,
            }
        };
        let news = async {
            // Changes end when the journal is closed, and then there is nothing to claim.
            select(self.changes.next(), pin!(self.room.freed())).await;
        };
        let (news, timer) = (pin!(news), pin!(timer));
        let drained = pin!(self.tree.gate.drain_begins());
        matches!(select(drained, select(news, timer)).await, Either::Right(_))
    }

    /// Makes jobs of claims.
    fn prepare(&mut self, claims: Vec<Claim>, permits: Vec<OwnedSemaphorePermit>) {
        let mut in_flight = Vec::with_capacity(claims.len());
        for (mut claim, permit) in claims.into_iter().zip(permits) {
            let Some(agent) = self.dispatcher.agents.get(&claim.agent) else { continue };
            let input = std::mem::take(&mut claim.input);
            let timeout = claim.terms.timeout;
            let (leaves, gone) = oneshot::channel();
            let limited = timeout.map(|_| &self.dispatcher.limited);
            let permit = self.room.occupy(permit, &claim.agent);
            let begun = ((claim.id, claim.attempt), Arc::clone(&self.begun));
            let slot = Arc::new(Slot::new(permit, begun, leaves, self.dispatcher.bodies.enter(), limited));
            let held: Arc<dyn std::any::Any + Send + Sync> = slot.clone();
            let launched = Launched {
                id: claim.id,
                agent: agent.shared_name(),
                attempt: claim.attempt,
                slot: Arc::downgrade(&held),
            };
            self.launches.put(self.next, launched);
            let claim = Arc::new(claim);
            in_flight.push(InFlight::new(&claim, &self.begun, &slot));
            let claimed = Claimed { claim, gone, permit: slot.permit() };
            lock(&self.under_way).insert(self.next, claimed);
            let policy = Policy { timeout, restart: None };
            self.jobs.push_back(Job { agent: agent.clone(), input, policy, slot });
            self.next += 1;
        }
        self.dispatcher.in_flight.note(in_flight);
    }
}
