//! What a child does: pull, attempt, conclude, breathe.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::yield_now;
use tokio::time::Instant;

use super::alarm::Alarm;
use super::attempt::{Desk, Ended, Running};
use super::contain::{Contained, contain, discard};
use super::control::nanos;
use super::queue::{Branch, Pulled};
use super::run::{Place, Run};
use super::seat::{Entry, Moment, NEVER, Seat, Turn};
use super::stretch::Stretch;
use super::work::Work;
use crate::agent::{AgentContext, Attempt};
use crate::outcome::{AgentError, Cause, Outcome, Reaction};
use crate::policy::{Decision, Trigger};

/// What the shifts of a child have in common.
pub(super) struct Floor<'a, W: Work> {
    pub(super) run: &'a Run<W>,
    pub(super) work: &'a W,
    pub(super) place: &'a Place<W::Output>,
    pub(super) desk: Desk<'a>,
}

/// The work of a child in one of its seats, from the moment it is sent there until it leaves.
pub(super) struct Shift<'a, W: Work> {
    floor: &'a Floor<'a, W>,
    seat: &'a Seat,
    /// The last attempt's context, for the next one.
    spare: Option<AgentContext>,
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

/// A branch whose attempt is about to start.
struct Taken<J> {
    branch: Branch<J>,
    limit: Option<Duration>,
    /// The branch's job once more, if there may be another attempt.
    spare: Contained<J>,
}

/// What a child that looks for work finds.
enum Found<J> {
    Branch(Taken<J>),
    /// A branch that has failed before it could be attempted.
    Failed,
    Nothing,
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

impl<'a, W: Work> Floor<'a, W> {
    pub(super) fn new(run: &'a Run<W>, work: &'a W, place: &'a Place<W::Output>) -> Self {
        let control = run.control();
        let is_shared = place.bench.is_shared();
        let stretch = if is_shared { Stretch::shared() } else { Stretch::alone(control.now()) };
        Self { run, work, place, desk: Desk { control, stretch, alarm: Alarm::unset(), is_shared } }
    }
}

impl<'a, W: Work> Shift<'a, W> {
    pub(super) fn new(floor: &'a Floor<'a, W>, seat: &'a Seat) -> Self {
        Self { floor, seat, spare: None, now: floor.desk.control.now() }
    }

    /// Makes attempts until there is nothing to pull, or the child shall not go on here.
    ///
    /// The steps that need not wait are functions of their own, and what is rare is boxed, so that an attempt that waits
    /// keeps little besides itself.
    pub(super) async fn work(&mut self) -> Leave {
        loop {
            let taken = match self.take() {
                Found::Branch(taken) => taken,
                Found::Failed => continue,
                Found::Nothing => return Leave::Parked,
            };
            if self.is_out_of_breath() {
                yield_now().await;
                self.go_on();
            }
            let (started, spare) = self.start(taken);
            let ended = match started {
                Err(panic) => Ended::Panicked(panic),
                Ok(mut running) => match (&mut running).await {
                    Some(ended) => {
                        self.spare = running.take_context();
                        ended
                    }
                    None => Ended::TimedOut { stopped: Box::pin(running.stop()).await },
                },
            };
            if matches!(ended, Ended::Error(_) | Ended::Panicked(_)) && self.seat.bodies.any_running() {
                // There is no further attempt beside what this one has left behind.
                Box::pin(self.bodies_return()).await;
            }
            let concluded = self.conclude(ended, spare);
            let dies = matches!(concluded, Concluded::TooLate) && !self.floor.desk.is_shared;
            if !dies && self.seat.bodies.any_running() {
                Box::pin(self.wait_for_bodies()).await;
            }
            match concluded {
                Concluded::Done if self.floor.desk.control.limits.fresh_children => return Leave::Spent,
                Concluded::Done => {}
                Concluded::Panicked(message) => return Leave::Panicked(message),
                Concluded::TooLate => return Leave::Spent,
            }
        }
    }

    /// Takes the next branch and prepares its attempt.
    fn take(&mut self) -> Found<W::Job> {
        // The iterator is the user's as well.
        self.seat.set_polling(true);
        let branch = match self.floor.run.pull() {
            Pulled::Branch(branch) => branch,
            Pulled::Panicked { index, message } => {
                self.begin(index, 1, self.now);
                self.fail(self.seat.turn(), 0, Cause::Panicked(message));
                return Found::Failed;
            }
            Pulled::Nothing => {
                self.seat.set_polling(false);
                return Found::Nothing;
            }
        };
        self.begin(branch.index, branch.attempt, branch.started.unwrap_or(self.now));
        match self.prepare(branch) {
            Ok(taken) => Found::Branch(taken),
            Err(panic) => {
                let cause = Cause::Panicked(format!("the clone of the input: {panic}"));
                let turn = self.seat.turn();
                self.fail(turn, turn.attempt, cause);
                Found::Failed
            }
        }
    }

    fn begin(&self, index: usize, attempt: u32, started: Moment) {
        self.seat.begin(&Entry { index, attempts: attempt - 1, branch_started: started });
    }

    /// Copies the input while it is still there. Copying runs code of the user's.
    fn prepare(&self, branch: Branch<W::Job>) -> Result<Taken<W::Job>, String> {
        let work = self.floor.work;
        let policy = work.policy(&branch.job);
        let spare = match &policy.restart {
            Some(restart) if restart.may_follow(branch.attempt) => contain(|| work.copy(&branch.job))?,
            _ => None,
        };
        Ok(Taken { limit: policy.timeout, spare: Contained::from(spare), branch })
    }

    /// Reads the clock, once: pulling and copying are not the attempt's fault. Says whether others shall have the thread
    /// before the attempt starts.
    fn is_out_of_breath(&mut self) -> bool {
        self.now = self.floor.desk.control.now();
        let over = self.floor.desk.stretch.is_over(self.now);
        if over {
            self.seat.set_polling(false);
        }
        over
    }

    /// The others have had the thread.
    fn go_on(&mut self) {
        self.now = self.floor.desk.control.now();
        self.floor.desk.stretch.renew(self.now);
    }

    /// Starts the attempt; the error is a panic. What is kept for another attempt stays behind.
    fn start(&mut self, taken: Taken<W::Job>) -> (Result<Running<'a, W::Output>, String>, Contained<W::Job>) {
        let Taken { branch: Branch { index, attempt, started, job }, limit, spare } = taken;
        let Floor { work, desk, .. } = self.floor;
        let due = limit.map_or(NEVER, |limit| self.now.saturating_add(nanos(limit)));
        let context = self.spare.take().unwrap_or_else(|| self.fresh_context());
        context.begin(index, attempt, due.min(desk.control.deadline()));
        self.seat.start(attempt, started.unwrap_or(self.now), self.now, due);
        let cx = context.clone();
        (Running::start(desk, self.seat, context, || work.start(job, cx)), spare)
    }

    fn fresh_context(&self) -> AgentContext {
        let run = Arc::clone(&self.floor.desk.control.info);
        AgentContext::new(Attempt::new(run, self.seat.bodies.clone()))
    }

    async fn bodies_return(&self) {
        let _suspended = self.floor.desk.control.suspend(&self.floor.desk.stretch);
        self.seat.set_polling(false);
        self.seat.bodies.returned().await;
    }

    fn conclude(&mut self, ended: Ended<W::Output>, mut spare: Contained<W::Job>) -> Concluded {
        let turn = self.seat.turn();
        let cause = match ended {
            Ended::Output(output) => {
                let recorded = self.record(turn, Ok(output));
                return if recorded { Concluded::Done } else { Concluded::TooLate };
            }
            Ended::Error(error) => Cause::Failed(error),
            Ended::Panicked(message) => Cause::Panicked(message),
            Ended::TimedOut { stopped } => Cause::TimedOut { limit: self.seat.limit(), stopped },
        };
        let concluded = match &cause {
            Cause::Panicked(message) => Concluded::Panicked(message.clone()),
            _ => Concluded::Done,
        };
        let now = Instant::now();
        let wait = spare.get().and_then(|job| self.wait_before_next(job, turn, &cause));
        // A wait beyond what the clock can tell would never end: the branch does.
        let due = wait.and_then(|wait| now.checked_add(wait));
        let in_time = match (due, spare.take()) {
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
        let restart = self.floor.work.policy(job).restart.as_ref()?;
        let (trigger, floor) = match cause {
            Cause::Failed(error) => (Trigger::Error, floor(error)?),
            Cause::Panicked(_) => (Trigger::Panic, Duration::ZERO),
            Cause::TimedOut { stopped: true, .. } => (Trigger::Timeout, Duration::ZERO),
            // Never beside a body that still runs.
            _ => return None,
        };
        let roll = self.floor.run.roll(restart, turn.index, turn.attempt);
        match restart.decide(turn.attempt, trigger, floor, roll) {
            Decision::Restart { after } => Some(after),
            Decision::GiveUp => None,
        }
    }

    /// Gives the branch back for another attempt. Whoever is free when the wait is over makes it.
    fn requeue(&mut self, turn: Turn, job: W::Job, due: Instant, waits: bool) -> bool {
        let Turn { ticket, index, attempt, started } = turn;
        let branch = Branch { index, attempt: attempt + 1, started: Some(started), job };
        if !self.floor.run.requeue(self.floor.place, self.seat, ticket, branch, due) {
            return false;
        }
        // The supervisor sets its alarm. It cannot do so while this child keeps the thread.
        if waits && self.floor.desk.control.wake() {
            self.floor.desk.stretch.end();
        }
        true
    }

    fn fail(&self, turn: Turn, attempts: u32, cause: Cause) -> bool {
        let elapsed =
            if attempts == 0 { Duration::ZERO } else { self.floor.desk.control.since(turn.started) };
        self.record(turn, Err(self.floor.run.failure(turn.index, attempts, elapsed, cause)))
    }

    fn record(&self, turn: Turn, outcome: Outcome<W::Output>) -> bool {
        self.floor.run.record(self.floor.place, self.seat, turn.ticket, (turn.index, outcome), || {})
    }

    /// Keeps the seat until the bodies of a concluded attempt have returned.
    async fn wait_for_bodies(&self) {
        let (desk, seat) = (&self.floor.desk, self.seat);
        seat.set_polling(false);
        desk.control.hold(seat);
        {
            let _suspended = desk.control.suspend(&desk.stretch);
            seat.bodies.returned().await;
        }
        desk.control.release(seat);
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
