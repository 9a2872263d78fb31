//! What a run notes down for its recorder: a line for each attempt, in the place where it was made.

use super::contain::{discard, lock};
use super::run::Place;
use super::seat::{Moment, NEVER, Occupant, Seat};
use crate::outcome::{Failure, Outcome};

/// The lines of one place, in the order in which its attempts were concluded.
///
/// It lies beside the outcomes of the place, under the lock that is taken for these anyway.
#[derive(Default)]
pub(super) struct Log(Vec<Line>);

/// What is noted about an attempt, or about a branch that ended without one.
#[derive(Clone)]
pub(super) struct Line {
    pub(super) index: usize,
    pub(super) started: Moment,
    /// [`NEVER`] while the attempt runs; also, in a log, while the next reading of the clock is to tell.
    pub(super) ended: Moment,
    pub(super) failure: Option<Failure>,
    /// The attempt's number, from 1; 0 if none was made.
    pub(super) number: u32,
    /// Whether this is the branch's outcome: no attempt follows.
    pub(super) last: bool,
}

/// An attempt, as far as its log is concerned.
#[derive(Clone, Copy)]
pub(super) struct Span {
    /// From 1.
    pub(super) number: u32,
    pub(super) started: Moment,
    /// [`NEVER`] if its child's next reading of the clock is to tell: one that has just succeeded does not read it.
    pub(super) ended: Moment,
}

impl Span {
    /// The attempt of an occupant that is concluded by somebody else; `None` if its clock did not run yet.
    pub(super) fn of(occupant: &Occupant, ended: Moment) -> Option<Self> {
        let Occupant { attempts: number, started, .. } = *occupant;
        (started != NEVER).then_some(Self { number, started, ended })
    }
}

impl Line {
    fn new(index: usize, span: Option<Span>, failure: Option<Failure>, last: bool) -> Self {
        let (number, started, ended) = span.map_or((0, 0, 0), |span| (span.number, span.started, span.ended));
        Self { index, started, ended, failure, number, last }
    }

    /// A branch that ended without a further attempt.
    pub(super) fn without_attempt(failure: Failure) -> Self {
        Self::new(failure.index(), None, Some(failure), true)
    }
}

impl Log {
    /// A branch has got its outcome.
    #[inline]
    pub(super) fn conclude<O>(
        &mut self,
        seat: &Seat,
        index: usize,
        span: Option<Span>,
        outcome: &Outcome<O>,
    ) {
        self.add(seat, Line::new(index, span, outcome.as_ref().err().cloned(), true));
    }

    /// A branch will have another attempt after this one.
    pub(super) fn retry(&mut self, seat: &Seat, index: usize, span: Span, failure: Failure) {
        self.add(seat, Line::new(index, Some(span), Some(failure), false));
    }

    #[inline]
    fn add(&mut self, seat: &Seat, line: Line) {
        if let Some(last) = self.0.last_mut().filter(|last| last.ended == NEVER) {
            // The reading after it, at the latest that of the attempt that is noted now.
            last.ended = seat.ended().min(if line.number > 0 { line.started } else { NEVER });
        }
        if line.ended == NEVER {
            seat.end_at_next_reading();
        }
        self.0.push(line);
    }

    /// A copy of the lines. What has ended has done so by `now`.
    fn lines(&self, seat: &Seat, now: Moment) -> impl Iterator<Item = Line> {
        self.0.iter().cloned().map(move |mut line| {
            if line.ended == NEVER {
                line.ended = seat.ended().min(now);
            }
            line
        })
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        // A failure holds a value of the user's.
        self.0.drain(..).filter_map(|line| line.failure).for_each(discard);
    }
}

/// A place as its run's recorder sees it, whatever its type.
pub(super) trait Logged: Send + Sync {
    /// Adds the attempts that were made here, and the one that is being made.
    fn read(&self, now: Moment, lines: &mut Vec<Line>);
}

impl<O: Send> Logged for Place<O> {
    fn read(&self, now: Moment, lines: &mut Vec<Line>) {
        let kept = lock(&self.kept);
        if let Some(log) = &kept.log {
            lines.extend(log.lines(&self.seat, now));
        }
        // While the lock is held, nobody concludes it.
        if let Some(occupant) = self.seat.occupant() {
            let running =
                Span::of(&occupant, NEVER).map(|span| Line::new(occupant.index, Some(span), None, false));
            lines.extend(running);
        }
    }
}
