//! The state of a run.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Order;
use super::bench::Bench;
use super::contain::{Contained, discard, lock, try_lock};
use super::control::{Control, Stop};
use super::delivery::Delivery;
use super::goal::{Goal, Progress};
use super::queue::{Branch, Pulled, Queue};
use super::seat::Seat;
use super::work::Work;
use crate::agent::{AgentContext, Body, RunId, RunInfo};
use crate::outcome::{Cause, Failure, Outcome, Parts};
use crate::policy::{Restart, jitter};

/// A run: its work, what is left of it, and every outcome so far.
///
/// Shared by the supervisor, its children and the caller, and owned by none of them, so that none of them can take
/// outcomes along when it dies.
pub(super) struct Run<W: Work> {
    pub(super) work: Contained<W>,
    pub(super) control: Control,
    goal: Goal,
    seed: u64,
    pub(super) queue: Mutex<Queue<W::Job>>,
    pulled: AtomicUsize,
    /// Whether a child has found the queue taken and has left.
    turned_away: AtomicBool,
    pub(super) places: Mutex<Vec<Arc<Place<W::Output>>>>,
    pub(super) progress: Mutex<Progress>,
    /// Where outcomes are taken while the run is under way.
    delivery: Option<Delivery>,
    /// To the attempt in which the run is nested, it is a body: while anybody works at the run, the attempt is not over.
    _body: Option<Body>,
}

/// Outcomes, each with the position of its branch.
pub(super) type Found<O> = Vec<(usize, Outcome<O>)>;

/// The seats of a child, and the outcomes that have been left there. Each has its own lock: children do not meet.
pub(super) struct Place<O> {
    pub(super) bench: Arc<Bench>,
    pub(super) outcomes: Mutex<Found<O>>,
}

impl<O> Drop for Place<O> {
    fn drop(&mut self) {
        lock(&self.outcomes).drain(..).for_each(discard);
    }
}

impl<W: Work> Run<W> {
    pub(super) fn new(order: Order<W>, parent: Option<&AgentContext>) -> Self {
        let Order { work, branches, roster, limits, goal, .. } = order;
        let queue = Queue::new(branches, limits.concurrency);
        let cancelled = parent.map_or_else(CancellationToken::new, AgentContext::child_token);
        let body = parent.map(AgentContext::enter_body);
        let info = RunInfo { id: RunId::new(), start: Instant::now(), roster, cancelled };
        Self {
            work: Contained::new(work),
            goal,
            seed: fastrand::u64(..),
            queue: Mutex::new(queue),
            pulled: AtomicUsize::new(0),
            turned_away: AtomicBool::new(false),
            places: Mutex::default(),
            progress: Mutex::new(Progress::towards(goal)),
            delivery: (goal == Goal::Each).then(|| Delivery::new(limits.concurrency)),
            control: Control::new(info, limits),
            _body: body,
        }
    }

    pub(super) fn control(&self) -> &Control {
        &self.control
    }

    /// A failure of the branch at `index`.
    pub(super) fn failure(&self, index: usize, attempts: u32, elapsed: Duration, cause: Cause) -> Failure {
        let (label, agent) = (self.name(index), self.control.info.roster.agent(index));
        Failure::new(Parts { index, label, agent, attempts, elapsed, cause })
    }

    /// The label or key of the branch at `index`.
    pub(super) fn name(&self, index: usize) -> Option<Arc<str>> {
        let roster = &self.control.info.roster;
        roster.label(index).or_else(|| roster.key(index)).cloned()
    }

    /// Takes the next branch that may start now. A run that shall stop, or whose consumer is behind, gives none.
    pub(super) fn pull(&self) -> Pulled<W::Job> {
        if !self.control.is_open() || self.is_ahead() {
            return Pulled::Nothing;
        }
        let Some(mut queue) = self.try_queue().or_else(|| self.try_queue_once_more()) else {
            return Pulled::Nothing;
        };
        let pulled = queue.pull();
        self.pulled.store(queue.pulled(), Ordering::Release);
        drop(queue);
        if self.was_turned_away() && self.turned_away.swap(false, Ordering::SeqCst) {
            self.control.wake();
        }
        pulled
    }

    /// A child that was turned away says so, and tries again: either it gets the queue now, or whoever has it will see
    /// what it said.
    fn try_queue_once_more(&self) -> Option<MutexGuard<'_, Queue<W::Job>>> {
        self.turned_away.store(true, Ordering::SeqCst);
        try_lock(&self.queue)
    }

    /// Whether a child has found the queue taken, and nobody has looked since.
    pub(super) fn was_turned_away(&self) -> bool {
        self.turned_away.load(Ordering::SeqCst)
    }

    /// How many branches have been pulled for the first time.
    pub(super) fn pulled(&self) -> usize {
        self.pulled.load(Ordering::Acquire)
    }

    /// The queue. The user's iterator is executed under its lock, and nobody's thread shall wait for that: `None` if it
    /// takes longer than an iterator should.
    pub(super) fn try_queue(&self) -> Option<MutexGuard<'_, Queue<W::Job>>> {
        const LOOKS: u32 = 1_000;
        (0..LOOKS).find_map(|_| {
            let queue = try_lock(&self.queue);
            if queue.is_none() {
                std::hint::spin_loop();
            }
            queue
        })
    }

    /// Whether the consumer has to catch up before anything more is started.
    pub(super) fn is_ahead(&self) -> bool {
        self.delivery.as_ref().is_some_and(Delivery::is_full)
    }

    /// Takes the outcomes that have come since the last time. They count as waiting until the consumer has them.
    pub(super) fn delivered(&self) -> Found<W::Output> {
        let mut taken = Vec::new();
        for place in lock(&self.places).iter() {
            taken.append(&mut lock(&place.outcomes));
        }
        taken
    }

    /// The consumer has got one.
    pub(super) fn take_delivered(&self) {
        if self.delivery.as_ref().is_some_and(Delivery::take) {
            self.control.wake();
        }
    }

    /// Waits until an outcome has come since the last wait.
    pub(super) async fn arrived(&self) {
        match &self.delivery {
            Some(delivery) => delivery.arrived().await,
            None => std::future::pending().await,
        }
    }

    /// Takes a branch back for another attempt. `false` if the last one was concluded by somebody else.
    pub(super) fn requeue(
        &self,
        place: &Place<W::Output>,
        seat: &Seat,
        ticket: u64,
        branch: Branch<W::Job>,
        due: Instant,
    ) -> bool {
        let outcomes = lock(&place.outcomes);
        if !seat.claim(ticket) {
            drop(outcomes);
            discard(branch.job);
            return false;
        }
        lock(&self.queue).wait(branch, due);
        true
    }

    /// The dice for the wait after an attempt.
    pub(super) fn roll(&self, restart: &Restart, index: usize, attempt: u32) -> f64 {
        jitter(restart.fixed_seed().unwrap_or(self.seed), index, attempt)
    }

    /// Puts an outcome where the caller finds it. `false` if the attempt with this ticket was concluded by somebody
    /// else; the outcome then comes too late. `also` is done before anybody can learn that it is not.
    pub(super) fn record(
        &self,
        place: &Place<W::Output>,
        seat: &Seat,
        ticket: u64,
        (index, outcome): (usize, Outcome<W::Output>),
        also: impl FnOnce(),
    ) -> bool {
        // What is known of the outcome once it is handed over; a settled run asks for nothing.
        let news =
            self.goal.is_decided_by_outcomes().then(|| outcome.as_ref().map(drop).map_err(Failure::clone));
        {
            let mut outcomes = lock(&place.outcomes);
            if !seat.claim(ticket) {
                drop(outcomes);
                discard(outcome);
                return false;
            }
            also();
            outcomes.push((index, outcome));
        }
        if let Some(delivery) = &self.delivery {
            delivery.arrive();
        }
        let decided = match news {
            None => false,
            Some(Ok(())) => lock(&self.progress).succeeded(index),
            Some(Err(failure)) => {
                // While the iterator is being executed nobody knows; a later failure, or the end, decides then.
                let most = self.try_queue().map_or(usize::MAX, |queue| queue.most());
                lock(&self.progress).failed(failure, most)
            }
        };
        if decided {
            self.control.stop(Stop::Unwanted);
        }
        true
    }
}
