//! The state of a run.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::contain::{Contained, discard, lock};
use super::control::{Control, Stop};
use super::goal::{Goal, Progress};
use super::queue::{Branch, Branches, Pulled, Queue};
use super::seat::Seat;
use super::work::Work;
use crate::agent::{AgentContext, Roster, RunId, RunInfo};
use crate::outcome::{Cause, Failure, Outcome, Parts};
use crate::policy::{Limits, Restart, jitter};

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
    pub(super) seats: Mutex<Vec<Arc<Place<W::Output>>>>,
    pub(super) progress: Mutex<Progress>,
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

impl<W: Work> Run<W> {
    pub(super) fn new(
        work: W,
        branches: Branches<W::Job>,
        roster: Roster,
        limits: Limits,
        goal: Goal,
        parent: Option<&AgentContext>,
    ) -> Self {
        let queue = Queue::new(branches, limits.concurrency);
        let cancelled = parent.map_or_else(CancellationToken::new, AgentContext::child_token);
        let info = RunInfo { id: RunId::new(), start: Instant::now(), roster, cancelled };
        Self {
            work: Contained::new(work),
            control: Control::new(info, limits),
            goal,
            seed: fastrand::u64(..),
            queue: Mutex::new(queue),
            seats: Mutex::default(),
            progress: Mutex::new(Progress::towards(goal)),
        }
    }

    pub(super) fn control(&self) -> &Control {
        &self.control
    }

    /// A failure of the branch at `index`.
    pub(super) fn failure(&self, index: usize, attempts: u32, elapsed: Duration, cause: Cause) -> Failure {
        let roster = &self.control.info.roster;
        let label = roster.label(index).or_else(|| roster.key(index)).cloned();
        Failure::new(Parts { index, label, agent: roster.agent(index), attempts, elapsed, cause })
    }

    /// Takes the next branch that may start now. A run that shall stop gives none.
    pub(super) fn pull(&self, now: Instant) -> Pulled<W::Job> {
        if self.control.is_open() { lock(&self.queue).pull(now) } else { Pulled::Nothing }
    }

    /// Takes a branch back for another attempt. `false` if the last one was concluded by somebody else.
    pub(super) fn requeue(
        &self,
        place: &Place<W::Output>,
        ticket: u64,
        branch: Branch<W::Job>,
        due: Instant,
    ) -> bool {
        let outcomes = lock(&place.outcomes);
        if !place.seat.claim(ticket) {
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
    /// else; the outcome then comes too late.
    pub(super) fn record(
        &self,
        place: &Place<W::Output>,
        ticket: Option<u64>,
        index: usize,
        outcome: Outcome<W::Output>,
    ) -> bool {
        // What is known of the outcome once it is handed over; a settled run asks for nothing.
        let news = (self.goal != Goal::Settled).then(|| outcome.as_ref().map(drop).map_err(Failure::clone));
        {
            let mut outcomes = lock(&place.outcomes);
            if ticket.is_some_and(|ticket| !place.seat.claim(ticket)) {
                drop(outcomes);
                discard(outcome);
                return false;
            }
            outcomes.push((index, outcome));
        }
        let decided = match news {
            None => false,
            Some(Ok(())) => lock(&self.progress).succeeded(index),
            Some(Err(failure)) => {
                let most = lock(&self.queue).most();
                lock(&self.progress).failed(failure, most)
            }
        };
        if decided {
            self.control.stop(Stop::Unwanted);
        }
        true
    }
}
