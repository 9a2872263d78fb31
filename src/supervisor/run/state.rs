//! The state of a run.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;

use super::arrivals::Arrivals;
use super::bench::Bench;
use super::control::{Control, Stop, nanos};
use super::delivery::Delivery;
use super::execute::{Lodging, Order};
use super::goal::{Goal, GoalState, Progress};
use super::log::{Log, Span};
use super::queue::{Branch, Pulled, Queue};
use super::record::Record;
use super::seat::{Moment, NEVER, Seat};
use super::work::Work;
use crate::agent::{AgentContext, Body, Home, RunInfo};
use crate::outcome::{Cause, Failure, Outcome, Parts};
use crate::policy::{Restart, jitter};
use crate::sync::{lock, try_lock};
use crate::user_code::{Contained, EachContained, discard};

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
    /// What has arrived, where the items come from a stream.
    pub(super) arrivals: Option<Arc<Arrivals<W::Job>>>,
    pulled: AtomicUsize,
    /// Whether a child has found the queue taken and has left.
    turned_away: AtomicBool,
    pub(super) places: Mutex<Vec<Arc<Place<W::Output>>>>,
    pub(super) progress: Mutex<Progress>,
    /// Where outcomes are taken while the run is under way.
    delivery: Option<Delivery>,
    pub(super) recorded: Option<Arc<Record>>,
    /// The attempt in which the run is nested. To it the run is a body: while anybody works at the run, the attempt is not
    /// over.
    pub(super) parent: Option<(AgentContext, Body)>,
}

/// What is known of an outcome that may decide its run.
pub(super) type News = Option<Result<(), Failure>>;

/// Outcomes, each with the position of its branch.
pub(super) type Found<O> = Vec<(usize, Outcome<O>)>;

/// The seats of a child, and the outcomes that have been left there. Each has its own lock: children do not meet.
pub(super) struct Place<O> {
    pub(super) bench: Arc<Bench>,
    pub(super) kept: Mutex<Kept<O>>,
}

/// What the child of a place has left there.
pub(super) struct Kept<O> {
    pub(super) outcomes: Found<O>,
    /// If the run is recorded.
    pub(super) log: Option<Log>,
}

impl<O> Place<O> {
    pub(super) fn new(bench: Arc<Bench>, recorded: bool) -> Self {
        Self { bench, kept: Mutex::new(Kept { outcomes: Vec::new(), log: recorded.then(Log::default) }) }
    }
}

impl<O> Drop for Place<O> {
    fn drop(&mut self) {
        lock(&self.kept).outcomes.drain(..).for_each(discard);
    }
}

impl<W: Work> Run<W> {
    pub(super) fn new(order: Order<W>, parent: Option<&AgentContext>, lodging: Option<&Lodging>) -> Self {
        let Order { work, source, roster, limits, goal, recorder, .. } = order;
        let patience = limits.queue_timeout.map_or(NEVER, nanos);
        let queue = Queue::new(source, limits.concurrency, patience);
        let enclosing = parent.map(|parent| (parent.clone(), parent.enter_body()));
        let home = lodging.map(|lodging| Arc::clone(&lodging.tree) as Home);
        let control = Control::new(RunInfo::new(roster, parent, home), limits, parent.is_some());
        Self {
            work: Contained::new(work),
            goal,
            seed: fastrand::u64(..),
            arrivals: queue.arrivals().cloned(),
            queue: Mutex::new(queue),
            pulled: AtomicUsize::new(0),
            turned_away: AtomicBool::new(false),
            places: Mutex::default(),
            progress: Mutex::new(Progress::towards(goal)),
            delivery: (goal == Goal::Each).then(|| Delivery::new(control.limits.concurrency)),
            recorded: recorder.map(|recorder| recorder.begin(&control.info, parent)),
            control,
            parent: enclosing,
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

    /// A failure of the branch at `index`, for which no attempt was made.
    pub(super) fn failure_without_attempt(&self, index: usize, cause: Cause) -> Failure {
        self.failure(index, 0, Duration::ZERO, cause)
    }

    /// The label or key of the branch at `index`.
    pub(super) fn name(&self, index: usize) -> Option<Arc<str>> {
        self.control.info.roster.name(index)
    }

    /// The same, for whoever gets the outcome of this branch out of the run: nobody asks for the name again, unless for a
    /// report.
    pub(super) fn take_name(&self, index: usize) -> Option<Arc<str>> {
        let name = self.name(index);
        if self.recorded.is_none() {
            self.control.info.roster.forget(index);
        }
        name
    }

    /// Takes the next branch that may start now. A run that shall stop, or whose consumer is behind, gives none.
    pub(super) fn pull(&self) -> Pulled<W::Job> {
        self.pull_by(Queue::pull)
    }

    /// Takes the next branch that has not started in time.
    pub(super) fn pull_expired(&self, now: Moment) -> Pulled<W::Job> {
        self.pull_by(|queue| queue.pull_expired(now))
    }

    #[inline]
    fn pull_by(&self, take: impl FnOnce(&mut Queue<W::Job>) -> Pulled<W::Job>) -> Pulled<W::Job> {
        if !self.control.is_open() || self.is_ahead() {
            return Pulled::Nothing;
        }
        let Some(mut queue) = self.try_queue().or_else(|| self.try_queue_once_more()) else {
            return Pulled::Nothing;
        };
        let pulled = take(&mut queue);
        self.pulled.store(queue.pulled(), Ordering::Release);
        let was_hint_wrong = queue.was_hint_wrong();
        drop(queue);
        if was_hint_wrong {
            // The supervisor has believed it, and looks again.
            self.control.wake();
        }
        if self.was_turned_away() && self.turned_away.swap(false, Ordering::SeqCst) {
            self.control.wake();
        }
        pulled
    }

    /// Calls the usher if it waits for room and there is. Whoever goes on computing after a `true` yields first.
    #[inline]
    pub(super) fn call_usher(&self) -> bool {
        self.arrivals.as_ref().is_some_and(|arrivals| arrivals.call())
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
            taken.append(&mut lock(&place.kept).outcomes);
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

    /// Takes a branch back for another attempt. `false` if the last one was concluded by somebody else. `failed` is
    /// the last attempt and its failure, if the run is recorded.
    pub(super) fn requeue(
        &self,
        place: &Place<W::Output>,
        seat: &Seat,
        ticket: u64,
        (branch, due): (Branch<W::Job>, Instant),
        failed: Option<(Span, Failure)>,
    ) -> bool {
        let mut kept = lock(&place.kept);
        if !seat.claim(ticket) {
            drop(kept);
            discard((branch.job, failed));
            return false;
        }
        if let (Some(log), Some((span, failure))) = (&mut kept.log, failed) {
            log.retry(&place.bench, branch.index, span, failure);
        }
        lock(&self.queue).wait(branch, due);
        true
    }

    /// The dice for the wait after an attempt.
    pub(super) fn roll(&self, restart: &Restart, index: usize, attempt: u32) -> f64 {
        jitter(restart.fixed_seed().unwrap_or(self.seed), index, attempt)
    }

    /// Puts an outcome where the caller finds it. `false` if the attempt with this ticket was concluded by somebody
    /// else; the outcome then comes too late. `span` is the attempt, if one was made. Only children call this: the iterator
    /// of the items may be executed.
    pub(super) fn record(
        &self,
        place: &Place<W::Output>,
        seat: &Seat,
        ticket: u64,
        span: Option<Span>,
        (index, outcome): (usize, Outcome<W::Output>),
    ) -> bool {
        let news = self.news(&outcome);
        let recorded = self.put(place, seat, ticket, span, (index, outcome), || {});
        if recorded {
            self.consider(index, news, true);
        }
        recorded
    }

    /// What is known of an outcome once it is handed over; a settled run asks for nothing.
    pub(super) fn news(&self, outcome: &Outcome<W::Output>) -> News {
        self.goal.is_decided_by_outcomes().then(|| outcome.as_ref().map(drop).map_err(Failure::clone))
    }

    /// Stops the run if an outcome has decided it. `may_look` says whether the iterator of the items may be executed for that.
    pub(super) fn consider(&self, index: usize, news: News, may_look: bool) {
        let standing = match news {
            None => return,
            Some(Ok(())) => lock(&self.progress).succeeded(index),
            Some(Err(failure)) => lock(&self.progress).failed(failure),
        };
        self.stop_if_decided(standing, may_look);
    }

    fn stop_if_decided(&self, standing: GoalState, may_look: bool) {
        let decided = match standing {
            GoalState::Open => false,
            GoalState::Decided => true,
            // While the iterator is being executed nobody knows; a later failure, or the end, decides then.
            GoalState::LostBelow(count) => {
                self.try_queue().is_some_and(|mut queue| queue.has_fewer_than(count, may_look))
            }
        };
        if decided {
            self.control.stop(Stop::Unwanted);
        }
    }

    /// The same for an attempt that an order to stop has cut short: that is no news, and decides nothing.
    pub(super) fn record_cut(
        &self,
        place: &Place<W::Output>,
        seat: &Seat,
        ticket: u64,
        span: Option<Span>,
        failure: Failure,
    ) -> bool {
        self.put(place, seat, ticket, span, (failure.index(), Err(failure)), || {})
    }

    /// Puts an outcome where the caller finds it, and nothing else. `also` is done before anybody can learn that it does not
    /// come too late.
    pub(super) fn put(
        &self,
        place: &Place<W::Output>,
        seat: &Seat,
        ticket: u64,
        span: Option<Span>,
        (index, outcome): (usize, Outcome<W::Output>),
        also: impl FnOnce(),
    ) -> bool {
        {
            let mut kept = lock(&place.kept);
            if !seat.claim(ticket) {
                drop(kept);
                discard(outcome);
                return false;
            }
            also();
            if let Some(log) = &mut kept.log {
                log.conclude(&place.bench, index, span, &outcome);
            }
            kept.outcomes.push((index, outcome));
        }
        if let Some(delivery) = &self.delivery {
            delivery.arrive();
        }
        true
    }

    /// The stream of the items has ended: what is wanted may be out of reach.
    pub(super) fn reconsider(&self) {
        let standing = lock(&self.progress).standing();
        self.stop_if_decided(standing, false);
    }
}

impl<W: Work> Drop for Run<W> {
    fn drop(&mut self) {
        if self.recorded.is_some() {
            // Its caller is gone. The record stays, and shows what became of the rest.
            let mut left = EachContained(Vec::new());
            drop(self.leave(|index, outcome| left.0.push((index, outcome))));
            self.record_open_branches();
        }
    }
}
