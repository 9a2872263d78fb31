//! What a child does: pull, attempt, conclude, breathe.

use std::time::Duration;

use tokio::task::yield_now;
use tokio::time::Instant;

use super::attempt::{Desk, Ended};
use super::contain::{Contained, contain, discard};
use super::log::Span;
use super::queue::{Branch, Pulled};
use super::run::{Place, Run};
use super::seat::{Entry, Moment, NEVER};
use super::usher::step_aside;
use super::work::Work;
use crate::outcome::{AgentError, Cause, Failure, Outcome, Reaction};
use crate::policy::{Decision, Trigger};

/// The work of a child from the moment it is sent to its seat until it leaves it.
pub(super) struct Shift<'a, W: Work> {
    run: &'a Run<W>,
    work: &'a W,
    place: &'a Place<W::Output>,
    desk: Desk<'a>,
    /// The last reading of the clock, when the last attempt started.
    now: Moment,
    stretch: Stretch,
    /// Whether it has called the usher, and not let it have the thread.
    has_called: bool,
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
    /// Somebody else concluded the attempt: this child is being killed.
    TooLate,
}

impl<'a, W: Work> Shift<'a, W> {
    pub(super) fn new(run: &'a Run<W>, work: &'a W, place: &'a Place<W::Output>) -> Self {
        let now = run.control().now();
        let desk = Desk::new(run.control(), &place.seat);
        Self { run, work, place, desk, now, stretch: Stretch::starting(now), has_called: false }
    }

    /// Makes attempts until there is nothing to pull, or the child shall not go on.
    pub(super) async fn work(mut self) -> Leave {
        loop {
            // The iterator is the user's as well.
            self.place.seat.set_polling(true);
            let pulled = self.run.pull();
            if self.run.call_usher() {
                self.stretch.end();
                self.has_called = true;
            }
            let branch = match pulled {
                Pulled::Branch(branch) => branch,
                Pulled::Failed { index, cause } => {
                    let turn = self.begin(index, 1, self.now);
                    self.fail(turn, 0, None, *cause);
                    continue;
                }
                Pulled::Nothing => {
                    self.place.seat.set_polling(false);
                    return Leave::Parked;
                }
            };
            let concluded = self.attempt(branch).await;
            if !matches!(concluded, Concluded::TooLate) && self.place.seat.bodies.any_running() {
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
                self.fail(turn, turn.attempt - 1, None, cause);
                return Concluded::Done;
            }
        };
        // The one reading of the clock: pulling and copying are not the attempt's fault.
        self.now = self.run.control().now();
        self.place.seat.note_reading(self.now);
        if self.stretch.is_over(self.now) {
            self.place.seat.set_polling(false);
            if std::mem::take(&mut self.has_called) {
                step_aside().await;
            } else {
                yield_now().await;
            }
            self.now = self.run.control().now();
            self.stretch = Stretch::starting(self.now);
        }
        if self.now >= branch.expires && branch.started.is_none() {
            discard(branch.job);
            self.fail(turn, 0, None, self.run.control().queue_timed_out());
            return Concluded::Done;
        }
        turn.started = branch.started.unwrap_or(self.now);
        let ended = self.desk.make_attempt(self.work, branch, kit.limit, self.now).await;
        if matches!(ended, Ended::Error(_) | Ended::Panicked(_)) && self.place.seat.bodies.any_running() {
            // There is no further attempt beside what this one has left behind.
            let _suspended = self.run.control().suspend();
            self.place.seat.set_polling(false);
            Box::pin(self.place.seat.bodies.returned()).await;
        }
        self.conclude(turn, ended, kit)
    }

    fn begin(&self, index: usize, attempt: u32, started: Moment) -> Turn {
        let entry = Entry { index, attempts: attempt - 1, branch_started: started };
        let ticket = self.place.seat.begin(&entry);
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
                let is_slow = self.desk.has_waited || turn.attempt > 1;
                let recorded = self.record(turn, Some(self.span(turn, is_slow)), Ok(output));
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
                let failed = self.keep(turn, cause);
                self.requeue(turn, job, due, due > now, failed)
            }
            (_, spare) => {
                discard(spare);
                self.fail(turn, turn.attempt, Some(self.span(turn, true)), cause)
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
    fn requeue(
        &mut self,
        turn: Turn,
        job: W::Job,
        due: Instant,
        waits: bool,
        failed: Option<(Span, Failure)>,
    ) -> bool {
        let Turn { ticket, index, attempt, started } = turn;
        let branch = Branch { index, attempt: attempt + 1, started: Some(started), expires: NEVER, job };
        if !self.run.requeue(self.place, ticket, branch, due, failed) {
            return false;
        }
        // The supervisor sets its alarm. It cannot do so while this child keeps the thread.
        if waits && self.run.control().wake() {
            self.stretch.end();
        }
        true
    }

    fn fail(&self, turn: Turn, attempts: u32, span: Option<Span>, cause: Cause) -> bool {
        let elapsed = if attempts == 0 { Duration::ZERO } else { self.run.control().since(turn.started) };
        self.record(turn, span, Err(self.run.failure(turn.index, attempts, elapsed, cause)))
    }

    /// The attempt that was just made. Its end is read off the clock where it was slow enough for that, and if somebody
    /// wants to know; else the next reading tells it.
    #[inline]
    fn span(&self, turn: Turn, is_slow: bool) -> Span {
        let reads = is_slow && self.run.recorded.is_some();
        let ended = if reads { self.run.control().now() } else { NEVER };
        Span { number: turn.attempt, started: self.now, ended }
    }

    /// The failure of an attempt that is followed by another one: for the recorder, if there is one.
    fn keep(&self, turn: Turn, cause: Cause) -> Option<(Span, Failure)> {
        if self.run.recorded.is_none() {
            discard(cause);
            return None;
        }
        let span = self.span(turn, true);
        let elapsed = self.run.control().since(turn.started);
        Some((span, self.run.failure(turn.index, turn.attempt, elapsed, cause)))
    }

    fn record(&self, turn: Turn, span: Option<Span>, outcome: Outcome<W::Output>) -> bool {
        self.run.record(self.place, turn.ticket, turn.index, span, outcome)
    }

    /// Keeps the seat until the bodies of a concluded attempt have returned.
    async fn wait_for_bodies(&self) {
        let (control, seat) = (self.run.control(), &self.place.seat);
        seat.set_polling(false);
        control.hold(seat);
        {
            let _suspended = control.suspend();
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

/// How long a child may go on without letting its siblings and its supervisor have the thread.
pub(super) struct Stretch {
    attempts: u32,
    started: Moment,
}

impl Stretch {
    const MOST_ATTEMPTS: u32 = 32;
    /// 100 µs.
    const LONGEST: Moment = 100_000;

    pub(super) fn starting(now: Moment) -> Self {
        Self { attempts: 0, started: now }
    }

    /// Lets go before the next attempt.
    fn end(&mut self) {
        self.attempts = Self::MOST_ATTEMPTS;
    }

    /// Whether the next attempt, which would start now, shall wait for the others.
    pub(super) fn is_over(&mut self, now: Moment) -> bool {
        self.attempts += 1;
        self.attempts > Self::MOST_ATTEMPTS || now.saturating_sub(self.started) >= Self::LONGEST
    }
}
