//! What a child does: pull, attempt, conclude, breathe.

use std::time::Duration;

use tokio::task::yield_now;
use tokio::time::Instant;

use super::attempt::{Desk, Ended, Report};
use super::contain::{Contained, contain};
use super::queue::{Branch, Pulled};
use super::run::{Place, Run};
use super::work::Work;
use crate::outcome::{AgentError, Cause, Outcome, Reaction};
use crate::policy::{Decision, Restart, Trigger};

/// The work of a child from the moment it is sent to its seat until it leaves it.
pub(super) struct Shift<'a, W: Work> {
    run: &'a Run<W>,
    work: &'a W,
    place: &'a Place<W::Output>,
    desk: Desk<'a>,
    /// The last reading of the clock: the end of one attempt is the start of the next.
    now: Instant,
    stretch: Stretch,
}

/// Why a child has stopped working.
pub(super) enum Leave {
    /// There is nothing to do for now.
    Parked,
    /// It has done what it was for.
    Spent,
    /// Its agent panicked.
    Panicked(String),
}

/// The part of a branch that is needed after its attempt has taken the rest.
#[derive(Clone, Copy)]
struct Turn {
    index: usize,
    attempt: u32,
    /// When the first attempt started.
    started: Instant,
}

/// What an attempt has to work with, besides its input.
struct Kit<J> {
    limit: Option<Duration>,
    restart: Option<Restart>,
    /// The branch's job once more, if there may be another attempt.
    spare: Contained<J>,
}

/// How a branch stands after an attempt.
enum Concluded {
    /// It has its outcome, or waits for another attempt.
    Done,
    /// The same, and its agent panicked.
    Panicked(String),
    /// It has its outcome, and a body of it is still running.
    NotStopped,
    /// Somebody else concluded the attempt: this child is being killed.
    TooLate,
}

impl<'a, W: Work> Shift<'a, W> {
    pub(super) fn new(run: &'a Run<W>, work: &'a W, place: &'a Place<W::Output>) -> Self {
        let now = Instant::now();
        let desk = Desk::new(run.control(), &place.seat);
        Self { run, work, place, desk, now, stretch: Stretch::starting(now) }
    }

    /// Makes attempts until there is nothing to pull, or the child shall not go on.
    pub(super) async fn work(mut self) -> Leave {
        loop {
            let branch = match self.run.pull(self.now) {
                Pulled::Branch(branch) => branch,
                Pulled::Panicked { index, message } => {
                    self.fail(None, index, 0, Duration::ZERO, Cause::Panicked(message));
                    continue;
                }
                Pulled::Nothing => return Leave::Parked,
            };
            match self.attempt(branch).await {
                Concluded::Done => {}
                Concluded::Panicked(message) => return Leave::Panicked(message),
                Concluded::NotStopped => self.wait_for_bodies().await,
                Concluded::TooLate => return Leave::Spent,
            }
            if self.run.control().limits.fresh_children {
                return Leave::Spent;
            }
            self.stretch.breathe(self.now).await;
        }
    }

    async fn attempt(&mut self, branch: Branch<W::Job>) -> Concluded {
        let turn = Turn {
            index: branch.index,
            attempt: branch.attempt,
            started: branch.started.unwrap_or(self.now),
        };
        let kit = match self.prepare(&branch) {
            Ok(kit) => kit,
            Err(panic) => {
                let cause = Cause::Panicked(format!("the clone of the input: {panic}"));
                self.fail(None, turn.index, turn.attempt - 1, self.now - turn.started, cause);
                return Concluded::Done;
            }
        };
        let report = self.desk.make_attempt(self.work, branch, kit.limit, self.now).await;
        self.now = Instant::now();
        self.conclude(turn, report, kit)
    }

    /// Copies the input while it is still there. Copying runs code of the user's.
    fn prepare(&self, branch: &Branch<W::Job>) -> Result<Kit<W::Job>, String> {
        let policy = self.work.policy(&branch.job);
        let spare = match &policy.restart {
            Some(restart) if restart.may_follow(branch.attempt) => contain(|| self.work.copy(&branch.job))?,
            _ => None,
        };
        Ok(Kit { limit: policy.timeout, restart: policy.restart.clone(), spare: Contained::from(spare) })
    }

    fn conclude(&mut self, turn: Turn, report: Report<W::Output>, mut kit: Kit<W::Job>) -> Concluded {
        let cause = match report.ended {
            Ended::Output(output) => {
                let recorded = self.record(Some(report.ticket), turn.index, Ok(output));
                return if recorded { Concluded::Done } else { Concluded::TooLate };
            }
            Ended::Error(error) => Cause::Failed(error),
            Ended::Panicked(message) => Cause::Panicked(message),
            Ended::TimedOut { limit, stopped } => Cause::TimedOut { limit, stopped },
        };
        let concluded = match &cause {
            Cause::Panicked(message) => Concluded::Panicked(message.clone()),
            cause if !cause.stopped() => Concluded::NotStopped,
            _ => Concluded::Done,
        };
        let wait = kit.restart.and_then(|restart| self.wait_before_next(&restart, turn, &cause));
        // A wait beyond what the clock can tell would never end: the branch does.
        let due = wait.and_then(|wait| self.now.checked_add(wait));
        let in_time = match (due, kit.spare.take()) {
            (Some(due), Some(job)) => self.requeue(turn, report.ticket, job, due),
            _ => {
                let elapsed = self.now - turn.started;
                self.fail(Some(report.ticket), turn.index, turn.attempt, elapsed, cause)
            }
        };
        if in_time { concluded } else { Concluded::TooLate }
    }

    /// The wait before the branch's next attempt; `None` if there is none.
    fn wait_before_next(&self, restart: &Restart, turn: Turn, cause: &Cause) -> Option<Duration> {
        let (trigger, floor) = match cause {
            Cause::Failed(error) => (Trigger::Error, floor(error)?),
            Cause::Panicked(_) => (Trigger::Panic, Duration::ZERO),
            Cause::TimedOut { stopped: true, .. } => (Trigger::Timeout, Duration::ZERO),
            // Never beside a body that still runs.
            _ => return None,
        };
        let roll = self.run.roll(restart, turn.index, turn.attempt);
        match restart.decide(turn.attempt, trigger, floor, roll) {
            Decision::Restart { after } => Some(after),
            Decision::GiveUp => None,
        }
    }

    /// Gives the branch back for another attempt. Whoever is free when the wait is over makes it.
    fn requeue(&mut self, turn: Turn, ticket: u64, job: W::Job, due: Instant) -> bool {
        let Turn { index, attempt, started } = turn;
        let branch = Branch { index, attempt: attempt + 1, started: Some(started), job };
        if !self.run.requeue(self.place, ticket, branch, due) {
            return false;
        }
        // The supervisor sets its alarm. It cannot do so while this child keeps the thread.
        if due > self.now && self.run.control().wake() {
            self.stretch.end();
        }
        true
    }

    fn fail(
        &self,
        ticket: Option<u64>,
        index: usize,
        attempts: u32,
        elapsed: Duration,
        cause: Cause,
    ) -> bool {
        self.record(ticket, index, Err(self.run.failure(index, attempts, elapsed, cause)))
    }

    fn record(&self, ticket: Option<u64>, index: usize, outcome: Outcome<W::Output>) -> bool {
        self.run.record(self.place, ticket, index, outcome)
    }

    /// Keeps the seat until the bodies that did not stop have returned.
    async fn wait_for_bodies(&mut self) {
        let (control, seat) = (self.run.control(), &self.place.seat);
        control.hold(seat);
        {
            let _suspended = control.suspend();
            seat.bodies.returned().await;
        }
        control.release(seat);
        self.now = Instant::now();
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

/// How long a child may go on without letting its siblings and its supervisor have the thread.
struct Stretch {
    attempts: u32,
    started: Instant,
}

impl Stretch {
    const MOST_ATTEMPTS: u32 = 32;
    const LONGEST: Duration = Duration::from_micros(100);

    fn starting(now: Instant) -> Self {
        Self { attempts: 0, started: now }
    }

    /// Lets go after the attempt that has just ended.
    fn end(&mut self) {
        self.attempts = Self::MOST_ATTEMPTS;
    }

    async fn breathe(&mut self, now: Instant) {
        self.attempts += 1;
        if self.attempts >= Self::MOST_ATTEMPTS || now - self.started >= Self::LONGEST {
            yield_now().await;
            *self = Self::starting(now);
        }
    }
}
