//! Claims as the items of a run.

use std::collections::{HashMap, VecDeque};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::{Either, FutureExt, select};
use futures::stream::{self, BoxStream, StreamExt};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::begun::Begun;
use super::dispatcher::Dispatcher;
use super::in_flight::InFlight;
use super::patience::{Patience, is_transient};
use super::slots::{LaunchSlots, Reservation};
use super::suspects::{Asked, SuspectSlots};
use super::work::{Job, Permit, Slot};
use crate::agent::{Launched, Launches, Leased, SlotLease, SlotPool};
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
    pub(super) permit: Permit,
}

/// Claims launches, as many as there are free slots, until the system shuts down.
pub(super) struct Claims {
    dispatcher: Arc<Dispatcher>,
    tree: Arc<Tree>,
    launches: Arc<Launches>,
    under_way: Arc<UnderWay>,
    begun: Arc<Begun>,
    slots: Arc<LaunchSlots>,
    suspects: UnboundedSender<Asked>,
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
        suspects: UnboundedSender<Asked>,
        broken: oneshot::Sender<JournalError>,
    ) -> Self {
        let slots = Arc::clone(dispatcher.slots());
        let changes = dispatcher.journal.changes();
        let jobs = VecDeque::new();
        Self { dispatcher, tree, launches, under_way, begun, slots, suspects, changes, jobs, next: 0, broken }
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
        let mut patience = Patience::default();
        loop {
            let Some(reserved) = self.reserve().await else { return Ok(false) };
            // What becomes ready from here on is news.
            let _ = self.changes.next().now_or_never();
            let next = match self.dispatcher.claim(&reserved.wants(), reserved.len()).await {
                Ok(Claimable { claims, next_due }) if claims.is_empty() => next_due,
                Ok(Claimable { claims, .. }) => {
                    self.prepare(claims, reserved);
                    return Ok(true);
                }
                Err(error) if !is_transient(&error) => return Err(error),
                Err(_) => Some(patience.next()),
            };
            // Others may have the slots for as long as nothing is to be started.
            drop(reserved);
            if !self.pause(next).await {
                return Ok(false);
            }
        }
    }

    /// The free slots, and at least one; `None` once the tree drains.
    async fn reserve(&mut self) -> Option<Reservation> {
        match select(pin!(self.tree.gate.drain_begins()), pin!(self.slots.reserve())).await {
            Either::Left(_) => None,
            Either::Right((reserved, _)) => Some(reserved),
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
            select(self.changes.next(), pin!(self.slots.freed())).await;
        };
        let (news, timer) = (pin!(news), pin!(timer));
        let drained = pin!(self.tree.gate.drain_begins());
        matches!(select(drained, select(news, timer)).await, Either::Right(_))
    }

    /// Makes jobs of claims.
    fn prepare(&mut self, claims: Vec<Claim>, mut reserved: Reservation) {
        let mut in_flight = Vec::with_capacity(claims.len());
        for mut claim in claims {
            let Some(agent) = self.dispatcher.agents.get(&claim.agent) else { continue };
            let Some(limited) = reserved.take(&claim.agent) else { continue };
            let input = std::mem::take(&mut claim.input);
            let timeout = claim.terms.timeout;
            let (leaves, gone) = oneshot::channel();
            let permit = Permit::new(self.lease(&claim, limited));
            let limited = timeout.map(|_| &self.dispatcher.limited);
            let begun = ((claim.id, claim.attempt), Arc::clone(&self.begun));
            let slot =
                Arc::new(Slot::new(permit.clone(), begun, leaves, self.dispatcher.bodies.enter(), limited));
            let held: Arc<dyn std::any::Any + Send + Sync> = slot.clone();
            let launched = Launched {
                id: claim.id,
                agent: agent.shared_name(),
                attempt: claim.attempt,
                slot: Arc::downgrade(&held),
                lease: Leased::new(Arc::clone(permit.lease())),
            };
            self.launches.put(self.next, launched);
            let claim = Arc::new(claim);
            in_flight.push(InFlight::new(&claim, &self.begun, &slot));
            let claimed = Claimed { claim, gone, permit };
            lock(&self.under_way).insert(self.next, claimed);
            let policy = Policy { timeout, restart: None };
            self.jobs.push_back(Job { agent: agent.clone(), input, policy, slot });
            self.next += 1;
        }
        self.dispatcher.in_flight.note(in_flight);
    }

    /// The lease of the slot of an attempt.
    fn lease(&self, claim: &Claim, limited: Option<usize>) -> Arc<SlotLease> {
        let slots = || Arc::clone(&self.slots);
        let pool: Arc<dyn SlotPool> = match claim.suspect {
            false => slots(),
            true => Arc::new(SuspectSlots::new(slots(), claim, self.suspects.clone())),
        };
        let lane = claim.terms.lane.as_deref().map(Into::into);
        SlotLease::new(pool, claim.id, limited, claim.suspect, lane)
    }
}
