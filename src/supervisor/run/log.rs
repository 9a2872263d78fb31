//! What a run notes down for its recorder: a line for each attempt, in the place where it was made.

use super::bench::Bench;
use super::seat::{Moment, NEVER, Occupant, Seat};
use super::state::Place;
use crate::outcome::{Failure, Outcome};
use crate::sync::lock;
use crate::user_code::discard;

/// What is noted in one place, in the order in which its attempts were concluded.
///
/// It lies beside the outcomes of the place, under the lock that is taken for these anyway. Most branches succeed at
/// their first attempt, and a run may have millions: they have a form of their own, because half of what recording
/// costs is the memory that it fills.
#[derive(Default)]
pub(super) struct Log {
    successes: Vec<Success>,
    lines: Vec<Line>,
}

/// A branch that has succeeded at its first attempt.
struct Success {
    index: usize,
    started: Moment,
    /// [`NEVER`] while the next reading of the clock is to tell; only the last of a log can be so.
    ended: Moment,
}

/// What is noted about an attempt, or about a branch that ended without one.
#[derive(Clone)]
pub(super) struct Line {
    pub(super) index: usize,
    pub(super) started: Moment,
    /// [`NEVER`] while the attempt runs.
    pub(super) ended: Moment,
    pub(super) failure: Option<Failure>,
    /// The attempt's number, from 1; 0 if none was made.
    pub(super) number: u32,
    /// Whether this is the branch's outcome: no attempt follows.
    pub(super) last: bool,
}

const _: () = assert!(size_of::<Success>() <= 24 && size_of::<Line>() <= 40);

/// An attempt, as far as its log is concerned.
#[derive(Clone, Copy)]
pub(super) struct Span {
    /// From 1.
    pub(super) number: u32,
    pub(super) started: Moment,
    /// [`NEVER`] if its child's next reading of the clock is to tell: a first attempt that has succeeded without waiting.
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
        bench: &Bench,
        index: usize,
        span: Option<Span>,
        outcome: &Outcome<O>,
    ) {
        self.close(bench);
        match (span, outcome) {
            (Some(Span { number: 1, started, ended }), Ok(_)) => {
                if ended == NEVER {
                    bench.end_at_next_reading();
                }
                self.successes.push(Success { index, started, ended });
            }
            (span, outcome) => self.lines.push(Line::new(index, span, outcome.as_ref().err().cloned(), true)),
        }
    }

    /// A branch will have another attempt after this one.
    pub(super) fn retry(&mut self, bench: &Bench, index: usize, span: Span, failure: Failure) {
        self.close(bench);
        self.lines.push(Line::new(index, Some(span), Some(failure), false));
    }

    /// The clock was read since the last success; always, where its child has begun another attempt.
    #[inline]
    fn close(&mut self, bench: &Bench) {
        if let Some(last) = self.successes.last_mut().filter(|last| last.ended == NEVER) {
            last.ended = bench.ended();
        }
    }

    /// All that is noted, as lines. What has ended has done so by `now`.
    fn lines(&self, bench: &Bench, now: Moment) -> impl Iterator<Item = Line> {
        let successes = self.successes.iter().map(move |&Success { index, started, ended }| {
            let ended = if ended == NEVER { bench.ended().min(now) } else { ended };
            Line::new(index, Some(Span { number: 1, started, ended }), None, true)
        });
        successes.chain(self.lines.iter().cloned())
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        // A failure holds a value of the user's.
        self.lines.drain(..).filter_map(|line| line.failure).for_each(discard);
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
            lines.extend(log.lines(&self.bench, now));
        }
        // While the lock is held, nobody concludes them.
        for occupant in self.bench.seats.iter().filter_map(Seat::occupant) {
            let running =
                Span::of(&occupant, NEVER).map(|span| Line::new(occupant.index, Some(span), None, false));
            lines.extend(running);
        }
    }
}
