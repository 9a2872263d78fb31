//! The state of a run, and what its children do with it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::task::yield_now;
use tokio::time::Instant;

use super::attempt::{Desk, Ended};
use super::child::{Crew, Leave};
use super::contain::{Contained, contain, discard, lock};
use super::control::{Control, Stop};
use super::queue::{Backlog, Branch, Pulled, Queue};
use super::seat::{Occupant, Seat};
use super::work::{Goal, Work};
use crate::agent::{Roster, RunId, RunInfo};
use crate::outcome::{AgentError, Cause, Failure, Outcome, Parts, Reaction};
use crate::policy::{Decision, Limits, Restart, Trigger, jitter};
use tokio_util::sync::CancellationToken;

/// A run: its work, what is left of it, and every outcome so far.
///
/// Shared by the supervisor, its children and the caller, and owned by none of them, so that none of them can take
/// outcomes along when it dies.
pub(super) struct Run<W: Work> {
    work: Contained<W>,
    control: Control,
    goal: Goal,
    seed: u64,
    pub(super) queue: Mutex<Queue<W::Job>>,
    pub(super) seats: Mutex<Vec<Arc<Place<W::Output>>>>,
    first_failure: Mutex<Option<Failure>>,
}

/// A seat, and the outcomes that its children have left there. Each has its own lock: children do not meet.
pub(super) struct Place<O> {
    pub(super) seat: Arc<Seat>,
    pub(super) outcomes: Mutex<Vec<(usize, Outcome<O>)>>,
}

impl<O> Drop for Place<O> {
    fn drop(&mut self) {
        lock(&self.outcomes).drain(..).for_each(discard);
    }
}

/// A child that computes lets go of its thread at least this often, or its siblings and supervisor would wait for it.
const MOST_AT_A_STRETCH: u32 = 32;
const LONGEST_STRETCH: Duration = Duration::from_micros(100);

impl<W: Work> Run<W> {
    pub(super) fn new(
        work: W,
        branches: Box<dyn Iterator<Item = W::Job> + Send>,
        roster: Roster,
        limits: Limits,
        goal: Goal,
    ) -> Self {
        let queue = Queue::new(branches, limits.concurrency);
        let info = RunInfo { id: RunId::new(), roster, cancelled: CancellationToken::new() };
        Self {
            work: Contained::new(work),
            control: Control::new(info, limits),
            goal,
            seed: fastrand::u64(..),
            queue: Mutex::new(queue),
            seats: Mutex::default(),
            first_failure: Mutex::default(),
        }
    }

    pub(super) fn control(&self) -> &Control {
        &self.control
    }

    pub(super) fn first_failure(&self) -> Option<Failure> {
        lock(&self.first_failure).clone()
    }

    /// A failure of the branch at `index`.
    pub(super) fn failure(&self, index: usize, attempts: u32, elapsed: Duration, cause: Cause) -> Failure {
        let roster = &self.control.info.roster;
        let label = roster.label(index).or_else(|| roster.key(index)).cloned();
        Failure::new(Parts { index, label, agent: roster.agent(index), attempts, elapsed, cause })
    }

    fn pull(&self, now: Instant) -> Pulled<W::Job> {
        if self.control.is_open() { lock(&self.queue).pull(now) } else { Pulled::Nothing }
    }

    /// Puts an outcome where the caller finds it, unless the attempt was concluded by somebody else.
    fn record(
        &self,
        place: &Place<W::Output>,
        ticket: Option<u64>,
        index: usize,
        outcome: Outcome<W::Output>,
    ) -> bool {
        let failure = outcome.as_ref().err().cloned();
        {
            let mut outcomes = lock(&place.outcomes);
            if ticket.is_some_and(|ticket| !place.seat.claim(ticket)) {
                drop(outcomes);
                discard(outcome);
                return false;
            }
            outcomes.push((index, outcome));
        }
        if let (Goal::All, Some(failure)) = (self.goal, failure) {
            lock(&self.first_failure).get_or_insert(failure);
            self.control.stop(Stop::Unwanted);
        }
        true
    }

    /// Works until there is nothing to pull, or the child shall not go on.
    async fn work(&self, work: &W, place: &Place<W::Output>) -> Leave {
        let mut desk = Desk::new(&self.control, &place.seat);
        let mut now = Instant::now();
        let (mut stretch, mut stretch_started) = (0, now);
        loop {
            let branch = match self.pull(now) {
                Pulled::Branch(branch) => branch,
                Pulled::Panicked { index, message } => {
                    let failure = self.failure(index, 0, Duration::ZERO, Cause::Panicked(message));
                    self.record(place, None, index, Err(failure));
                    continue;
                }
                Pulled::Nothing => return Leave::Parked,
            };
            let (index, attempt) = (branch.index, branch.attempt);
            let started = branch.started.unwrap_or(now);
            let policy = work.policy(&branch.job);
            let (limit, restart) = (policy.timeout, policy.restart.clone());
            // The copy is made before the attempt takes the input. Copying is code of the user's.
            let spare = match &restart {
                Some(restart) if restart.may_follow(attempt) => contain(|| work.copy(&branch.job)),
                _ => Ok(None),
            };
            let mut spare = match spare {
                Ok(spare) => Contained::new(spare),
                Err(panic) => {
                    let cause = Cause::Panicked(format!("the clone of the input: {panic}"));
                    let failure = self.failure(index, attempt - 1, now - started, cause);
                    self.record(place, None, index, Err(failure));
                    continue;
                }
            };
            let report = desk.make_attempt(work, branch, limit, now).await;
            now = Instant::now();
            let conclusion = match report.ended {
                Ended::Output(output) => Ok(output),
                Ended::Error(error) => Err(Cause::Failed(error)),
                Ended::Panicked(message) => Err(Cause::Panicked(message)),
                Ended::TimedOut { limit, stopped } => Err(Cause::TimedOut { limit, stopped }),
            };
            let cause = match conclusion {
                Ok(output) => {
                    self.record(place, Some(report.ticket), index, Ok(output));
                    None
                }
                Err(cause) => Some(cause),
            };
            let mut panic = None;
            let mut unstopped = false;
            if let Some(cause) = cause {
                if let Cause::Panicked(message) = &cause {
                    panic = Some(message.clone());
                }
                unstopped = !cause.stopped();
                let after =
                    restart.and_then(|restart| self.wait_before_next(&restart, index, attempt, &cause));
                match (after.and_then(|after| now.checked_add(after)), spare.take().flatten()) {
                    (Some(due), Some(job)) => {
                        if place.seat.claim(report.ticket) {
                            let branch = Branch { index, attempt: attempt + 1, started: Some(started), job };
                            lock(&self.queue).wait(branch, due);
                            // Whoever is free when the wait is over makes the attempt; the supervisor sets the alarm.
                            if due > now {
                                self.control.wake();
                            }
                        }
                    }
                    _ => {
                        let failure = self.failure(index, attempt, now - started, cause);
                        self.record(place, Some(report.ticket), index, Err(failure));
                    }
                }
            }
            drop(spare);
            if let Some(message) = panic {
                return Leave::Panicked(message);
            }
            if unstopped {
                self.control.hold(&place.seat);
                let _suspended = self.control.suspend();
                place.seat.bodies.returned().await;
                self.control.release(&place.seat);
                now = Instant::now();
            }
            if self.control.limits.fresh_children {
                return Leave::Spent;
            }
            stretch += 1;
            if stretch >= MOST_AT_A_STRETCH || now - stretch_started >= LONGEST_STRETCH {
                yield_now().await;
                (stretch, stretch_started) = (0, now);
            }
        }
    }

    /// The wait before the branch's next attempt; `None` if there is none.
    fn wait_before_next(
        &self,
        restart: &Restart,
        index: usize,
        attempt: u32,
        cause: &Cause,
    ) -> Option<Duration> {
        let (trigger, floor) = match cause {
            Cause::Failed(error) => (Trigger::Error, floor(error)?),
            Cause::Panicked(_) => (Trigger::Panic, Duration::ZERO),
            Cause::TimedOut { stopped: true, .. } => (Trigger::Timeout, Duration::ZERO),
            // Never beside a body that still runs.
            _ => return None,
        };
        let roll = jitter(restart.fixed_seed().unwrap_or(self.seed), index, attempt);
        match restart.decide(attempt, trigger, floor, roll) {
            Decision::Restart { after } => Some(after),
            Decision::GiveUp => None,
        }
    }
}

/// The wait that an error asks for; `None` if it rules another attempt out.
fn floor(error: &AgentError) -> Option<Duration> {
    match error.reaction() {
        Reaction::Retry => Some(Duration::ZERO),
        Reaction::RetryAfter(delay) => Some(delay),
        Reaction::Fatal => None,
    }
}

impl<W: Work> Crew for Run<W> {
    fn control(&self) -> &Control {
        &self.control
    }

    fn shortest_timeout(&self) -> Option<Duration> {
        self.work.get()?.shortest_timeout()
    }

    fn new_seat(&self) -> Arc<Seat> {
        let mut seats = lock(&self.seats);
        let seat = Arc::new(Seat::new(seats.len()));
        seats.push(Arc::new(Place { seat: Arc::clone(&seat), outcomes: Mutex::default() }));
        seat
    }

    fn drive(self: Arc<Self>, seat: usize) -> BoxFuture<'static, Leave> {
        Box::pin(async move {
            let place = lock(&self.seats).get(seat).map(Arc::clone);
            let (Some(place), Some(work)) = (place, self.work.get()) else { return Leave::Spent };
            let _vacate = Vacate(&self.control, &place.seat);
            let leave = self.work(work, &place).await;
            if matches!(leave, Leave::Parked) {
                place.seat.parked.store(true, std::sync::atomic::Ordering::Release);
            }
            leave
        })
    }

    fn backlog(&self, now: Instant) -> Backlog {
        lock(&self.queue).backlog(now)
    }

    fn give_up(&self, seat: &Seat, occupant: &Occupant, cause: Cause) {
        let Some(place) = lock(&self.seats).get(seat.number).map(Arc::clone) else { return };
        let elapsed = self.control.start.elapsed().saturating_sub(occupant.branch_started);
        let failure = self.failure(occupant.index, occupant.attempt, elapsed, cause);
        self.record(&place, Some(occupant.ticket), occupant.index, Err(failure));
    }
}

/// Leaves the seat however the child's work ends: it found nothing more, it panicked, or it was killed and dropped.
struct Vacate<'a>(&'a Control, &'a Seat);

impl Drop for Vacate<'_> {
    fn drop(&mut self) {
        self.0.vacate(self.1);
    }
}
