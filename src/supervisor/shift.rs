//! What a child does: pull, attempt, conclude, breathe.

use std::time::Duration;

use tokio::task::yield_now;
use tokio::time::Instant;

use super::attempt::{Desk, Ended};
use super::contain::{Contained, contain, discard};
use super::queue::{Branch, Pulled};
use super::run::{Place, Run};
use super::seat::{Entry, Moment, Seat};
use super::stretch::Stretch;
use super::work::Work;
use crate::outcome::{AgentError, Cause, Outcome, Reaction};
use crate::policy::{Decision, Trigger};

/// The work of a child in one of its seats, from the moment it is sent there until it leaves.
pub(super) struct Shift<'a, W: Work> {
    run: &'a Run<W>,
    work: &'a W,
    place: &'a Place<W::Output>,
    seat: &'a Seat,
    stretch: &'a Stretch,
    desk: Desk<'a>,
    /// The last reading of the clock, when the last attempt started.
    now: Moment,
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
    ticket: u64,
    index: usize,
    attempt: u32,
    /// When the first attempt started.
    started: Moment,
}

/// What an attempt has to work with, besides its input.
struct Kit<J> {
    limit: Option<Duration>,
    /// The branch's job once more, if there may be another attempt.
    spare: Contained<J>,
}

/// How a branch stands after an attempt.
enum Concluded {
    /// It has its outcome, or waits for another attempt.
    Done,
    /// The same, and its agent panicked.
    Panicked(String),
    /// Somebody else concluded the attempt: this child is being killed, unless it has other lanes.
    TooLate,
}

impl<'a, W: Work> Shift<'a, W> {
    pub(super) fn new(
        run: &'a Run<W>,
        work: &'a W,
        place: &'a Place<W::Output>,
        seat: &'a Seat,
        stretch: &'a Stretch,
    ) -> Self {
        let desk = Desk::new(run.control(), seat, stretch);
        Self { run, work, place, seat, stretch, desk, now: run.control().now() }
    }

    /// Makes attempts until there is nothing to pull, or the child shall not go on.
    pub(super) async fn work(mut self) -> Leave {
        loop {
            // The iterator is the user's as well.
            self.seat.set_polling(true);
            let branch = match self.run.pull() {
                Pulled::Branch(branch) => branch,
                Pulled::Panicked { index, message } => {
                    let turn = self.begin(index, 1, self.now);
                    self.fail(turn, 0, Cause::Panicked(message));
                    continue;
                }
                Pulled::Nothing => {
                    self.seat.set_polling(false);
                    return Leave::Parked;
                }
            };
            let concluded = self.attempt(branch).await;
            let dies = matches!(concluded, Concluded::TooLate) && !self.place.bench.is_shared();
            if !dies && self.seat.bodies.any_running() {
                Box::pin(self.wait_for_bodies()).await;
            }
            match concluded {
                Concluded::Done if self.run.control().limits.fresh_children => return Leave::Spent,
                Concluded::Done => {}
                Concluded::Panicked(message) => return Leave::Panicked(message),
                Concluded::TooLate => return Leave::Spent,
            }
        }
    }

    async fn attempt(&mut self, branch: Branch<W::Job>) -> Concluded {
        let mut turn = self.begin(branch.index, branch.attempt, branch.started.unwrap_or(self.now));
        let kit = match self.prepare(&branch) {
            Ok(kit) => kit,
            Err(panic) => {
                let cause = Cause::Panicked(format!("the clone of the input: {panic}"));
                self.fail(turn, turn.attempt - 1, cause);
                return Concluded::Done;
            }
        };
        // The one reading of the clock: pulling and copying are not the attempt's fault.
        self.now = self.run.control().now();
        if self.stretch.is_over(self.now) {
            self.seat.set_polling(false);
            yield_now().await;
            self.now = self.run.control().now();
            self.stretch.renew(self.now);
        }
        turn.started = branch.started.unwrap_or(self.now);
        let ended = self.desk.make_attempt(self.work, branch, kit.limit, self.now).await;
        if matches!(ended, Ended::Error(_) | Ended::Panicked(_)) && self.seat.bodies.any_running() {
            // There is no further attempt beside what this one has left behind.
            let _suspended = self.run.control().suspend(self.stretch);
            self.seat.set_polling(false);
            Box::pin(self.seat.bodies.returned()).await;
        }
        self.conclude(turn, ended, kit)
    }

    fn begin(&self, index: usize, attempt: u32, started: Moment) -> Turn {
        let entry = Entry { index, attempts: attempt - 1, branch_started: started };
        let ticket = self.seat.begin(&entry);
        Turn { ticket, index, attempt, started }
    }

    /// Copies the input while it is still there. Copying runs code of the user's.
    fn prepare(&self, branch: &Branch<W::Job>) -> Result<Kit<W::Job>, String> {
        let policy = self.work.policy(&branch.job);
        let spare = match &policy.restart {
            Some(restart) if restart.may_follow(branch.attempt) => contain(|| self.work.copy(&branch.job))?,
            _ => None,
        };
        Ok(Kit { limit: policy.timeout, spare: Contained::from(spare) })
    }

    fn conclude(&mut self, turn: Turn, ended: Ended<W::Output>, mut kit: Kit<W::Job>) -> Concluded {
        let cause = match ended {
            Ended::Output(output) => {
                let recorded = self.record(turn, Ok(output));
                return if recorded { Concluded::Done } else { Concluded::TooLate };
            }
            Ended::Error(error) => Cause::Failed(error),
            Ended::Panicked(message) => Cause::Panicked(message),
            Ended::TimedOut { limit, stopped } => Cause::TimedOut { limit, stopped },
        };
        let concluded = match &cause {
            Cause::Panicked(message) => Concluded::Panicked(message.clone()),
            _ => Concluded::Done,
        };
        let now = Instant::now();
        let wait = kit.spare.get().and_then(|job| self.wait_before_next(job, turn, &cause));
        // A wait beyond what the clock can tell would never end: the branch does.
        let due = wait.and_then(|wait| now.checked_add(wait));
        let in_time = match (due, kit.spare.take()) {
            (Some(due), Some(job)) => {
                discard(cause);
                self.requeue(turn, job, due, due > now)
            }
            (_, spare) => {
                discard(spare);
                self.fail(turn, turn.attempt, cause)
            }
        };
        if in_time { concluded } else { Concluded::TooLate }
    }

    /// The wait before the branch's next attempt; `None` if there is none.
    fn wait_before_next(&self, job: &W::Job, turn: Turn, cause: &Cause) -> Option<Duration> {
        let restart = self.work.policy(job).restart.as_ref()?;
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
    fn requeue(&mut self, turn: Turn, job: W::Job, due: Instant, waits: bool) -> bool {
        let Turn { ticket, index, attempt, started } = turn;
        let branch = Branch { index, attempt: attempt + 1, started: Some(started), job };
        if !self.run.requeue(self.place, self.seat, ticket, branch, due) {
            return false;
        }
        // The supervisor sets its alarm. It cannot do so while this child keeps the thread.
        if waits && self.run.control().wake() {
            self.stretch.end();
        }
        true
    }

    fn fail(&self, turn: Turn, attempts: u32, cause: Cause) -> bool {
        let elapsed = if attempts == 0 { Duration::ZERO } else { self.run.control().since(turn.started) };
        self.record(turn, Err(self.run.failure(turn.index, attempts, elapsed, cause)))
    }

    fn record(&self, turn: Turn, outcome: Outcome<W::Output>) -> bool {
        self.run.record(self.place, self.seat, turn.ticket, (turn.index, outcome), || {})
    }

    /// Keeps the seat until the bodies of a concluded attempt have returned.
    async fn wait_for_bodies(&self) {
        let (control, seat) = (self.run.control(), self.seat);
        seat.set_polling(false);
        control.hold(seat);
        {
            let _suspended = control.suspend(self.stretch);
            seat.bodies.returned().await;
        }
        control.release(seat);
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
