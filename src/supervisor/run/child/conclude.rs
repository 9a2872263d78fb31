//! How an attempt ends for its branch: with an outcome, or with another attempt.

use std::time::Duration;

use tokio::time::Instant;

use super::attempt::Ended;
use super::shift::{Floor, Shift};
use crate::outcome::{AgentError, Cause, Failure, Outcome, Reaction};
use crate::policy::{Decision, Trigger};
use crate::supervisor::run::control::Stop;
use crate::supervisor::run::log::Span;
use crate::supervisor::run::queue::Branch;
use crate::supervisor::run::seat::{NEVER, Turn};
use crate::supervisor::run::work::Work;
use crate::user_code::{Contained, discard};

/// How a branch stands after an attempt.
pub(super) enum Concluded {
    /// It has its outcome, or waits for another attempt.
    Done,
    /// The same, and its agent panicked.
    Panicked(String),
    /// Somebody else concluded the attempt: this child is being killed, unless it has other lanes.
    TooLate,
}

impl<W: Work> Shift<'_, W> {
    /// Concludes an attempt. `waited` says whether it has waited at an `.await`.
    pub(super) fn conclude(
        &self,
        ended: Ended<W::Output>,
        mut spare: Contained<W::Job>,
        waited: bool,
    ) -> Concluded {
        let turn = self.seat.turn();
        let cause = match ended {
            Ended::Output(output) => {
                let is_slow = waited || turn.attempt > 1;
                let recorded = self.record(turn, Some(self.span(turn, is_slow)), Ok(output));
                return if recorded { Concluded::Done } else { Concluded::TooLate };
            }
            Ended::Error(error) => Cause::Failed(error),
            Ended::Panicked(message) => Cause::Panicked(message),
            Ended::CutShort(stop) => {
                discard(spare);
                return self.cut_short(turn, stop);
            }
            Ended::TimedOut { stopped } => Cause::TimedOut { limit: self.seat.limit(), stopped },
        };
        let concluded = match &cause {
            Cause::Panicked(message) => Concluded::Panicked(message.clone()),
            _ => Concluded::Done,
        };
        let now = Instant::now();
        let wait = spare.get().and_then(|job| self.wait_before_next(job, turn, &cause));
        // No wait is as long as that the clock could not tell its end.
        let due = wait.and_then(|wait| now.checked_add(wait));
        let in_time = match (due, spare.take()) {
            (Some(due), Some(job)) => {
                let failed = self.keep(turn, cause);
                self.requeue(turn, (job, due), due > now, failed)
            }
            (_, spare) => {
                discard(spare);
                self.fail(turn, turn.attempt, Some(self.span(turn, true)), cause)
            }
        };
        if in_time { concluded } else { Concluded::TooLate }
    }

    /// Records an attempt that an order to stop has ended.
    fn cut_short(&self, turn: Turn, stop: Stop) -> Concluded {
        let Floor { run, place, desk, .. } = self.floor;
        let elapsed = desk.control.since(turn.started);
        let failure = run.failure(turn.index, turn.attempt, elapsed, stop.cause(true, true));
        let span = Some(self.span(turn, true));
        let in_time = run.record_cut(place, self.seat, turn.ticket, span, failure);
        if in_time { Concluded::Done } else { Concluded::TooLate }
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
    fn requeue(
        &self,
        turn: Turn,
        (job, due): (W::Job, Instant),
        waits: bool,
        failed: Option<(Span, Failure)>,
    ) -> bool {
        let Turn { ticket, index, attempt, started } = turn;
        let branch = Branch { index, attempt: attempt + 1, started: Some(started), expires: NEVER, job };
        if !self.floor.run.requeue(self.floor.place, self.seat, ticket, (branch, due), failed) {
            return false;
        }
        // The supervisor sets its alarm. It cannot do so while this child keeps the thread.
        if waits && self.floor.desk.control.wake() {
            self.floor.desk.stretch.end();
        }
        true
    }

    pub(super) fn fail(&self, turn: Turn, attempts: u32, span: Option<Span>, cause: Cause) -> bool {
        let elapsed =
            if attempts == 0 { Duration::ZERO } else { self.floor.desk.control.since(turn.started) };
        self.record(turn, span, Err(self.floor.run.failure(turn.index, attempts, elapsed, cause)))
    }

    /// The attempt that was just made. Its end is read off the clock where it was slow enough for that, and if somebody
    /// wants to know; else the next reading in this seat tells it, where the child has no other.
    #[inline]
    fn span(&self, turn: Turn, is_slow: bool) -> Span {
        let reads = (is_slow || self.floor.desk.is_shared) && self.floor.run.recorded.is_some();
        let ended = if reads { self.floor.desk.control.now() } else { NEVER };
        Span { number: turn.attempt, started: self.now, ended }
    }

    /// The failure of an attempt that is followed by another one: for the recorder, if there is one.
    fn keep(&self, turn: Turn, cause: Cause) -> Option<(Span, Failure)> {
        let run = self.floor.run;
        if run.recorded.is_none() {
            discard(cause);
            return None;
        }
        let span = self.span(turn, true);
        let elapsed = self.floor.desk.control.since(turn.started);
        Some((span, run.failure(turn.index, turn.attempt, elapsed, cause)))
    }

    fn record(&self, turn: Turn, span: Option<Span>, outcome: Outcome<W::Output>) -> bool {
        self.floor.run.record(self.floor.place, self.seat, turn.ticket, span, (turn.index, outcome))
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
