//! What a run leaves when it is over.

use std::time::Duration;

use tokio::task::yield_now;
use tokio::time::Instant;

use super::control::Stop;
use super::log::Span;
use super::seat::Duty;
use super::source::{Cursor, Next};
use super::state::Run;
use super::work::Work;
use crate::outcome::{Failure, Outcome, RunEnd};
use crate::sync::lock;
use crate::user_code::{EachContained, discard};

/// One outcome for each branch, in their order.
pub(crate) struct Collected<O> {
    pub(crate) outcomes: Vec<Outcome<O>>,
    /// The first final failure, where the goal made one count.
    pub(crate) first_failure: Option<Failure>,
    /// The branches that succeeded first, in this order, where so many were wanted.
    pub(crate) winners: Vec<usize>,
    /// What stands for the items that had not arrived, where a stream was cut short and its rest might have mattered.
    pub(crate) cut: Option<Failure>,
}

/// How many items of a stopped run are counted between two looks at the rest of the runtime.
const COUNTED_AT_A_STRETCH: usize = 1024;

impl<W: Work> Run<W> {
    /// Takes all outcomes, and gives those branches one that have none: what the run had not come to, and what was cut
    /// short when it stopped. Whatever is still running afterwards is refused.
    pub(super) async fn collect(&self) -> Collected<W::Output> {
        let mut places = Vec::new();
        places.resize_with(self.pulled(), || None);
        let mut rest = self.leave(|index, outcome| match places.get_mut(index) {
            Some(place) => *place = Some(outcome),
            None => discard(outcome),
        });
        let missing = |index| Err(self.missing(index, rest.stop));
        let outcomes: Vec<_> = places
            .into_iter()
            .enumerate()
            .map(|(index, outcome)| outcome.unwrap_or_else(|| missing(index)))
            .collect();
        // The caller may go away while the rest is counted.
        let mut outcomes = EachContained(outcomes);
        // What was pulled at the very last moment was not begun.
        outcomes.0.extend((outcomes.0.len()..rest.index).map(missing));
        if lock(&self.progress).is_won() {
            // Nobody asks what became of the rest.
            (rest.items, rest.is_cut) = (Cursor::empty(), false);
            self.record_open_branches();
        }
        while let Some((index, outcome)) = rest.next(self) {
            outcomes.0.push(outcome);
            if index % COUNTED_AT_A_STRETCH == COUNTED_AT_A_STRETCH - 1 {
                yield_now().await;
            }
        }
        let progress = lock(&self.progress);
        let (first_failure, winners) = (progress.first_failure().cloned(), progress.winners().to_vec());
        let cut = rest.is_cut.then(|| {
            let cause = rest.stop.cause(true, !self.has_usher());
            self.failure(rest.index, 0, Duration::ZERO, cause)
        });
        Collected { outcomes: std::mem::take(&mut outcomes.0), first_failure, winners, cut }
    }

    /// Ends the run for good. Hands over the outcomes that nobody has taken yet, with those of branches that were cut
    /// short or waited for another attempt. What remains are the branches that it has never come to.
    pub(super) fn leave(&self, mut found: impl FnMut(usize, Outcome<W::Output>)) -> Rest<W> {
        // A run that is complete has no order to stop; one that is neither has lost its supervisor. From here on nothing
        // is pulled, and contexts that have outlived their attempts show it.
        let ordered = self.control().stopped();
        self.control().stop(Stop::Abandoned);
        let stop = self.control().stopped().unwrap_or(Stop::Abandoned);
        let mut complete = true;
        for place in lock(&self.places).iter() {
            let mut kept = lock(&place.kept);
            kept.outcomes.drain(..).for_each(|(index, outcome)| found(index, outcome));
            for seat in &place.bench.seats {
                let Some(cut) = seat.occupant() else { continue };
                if seat.claim(cut.ticket) {
                    complete = false;
                    let ended = !seat.is(Duty::Working) && !seat.bodies.any_running();
                    let elapsed = self.control().since(cut.branch_started);
                    let failure = self.failure(cut.index, cut.attempts, elapsed, stop.cause(true, ended));
                    let outcome = Err(failure);
                    if let Some(log) = &mut kept.log {
                        let span = Span::of(&cut, self.control().now());
                        log.conclude(&place.bench, cut.index, span, &outcome);
                    }
                    found(cut.index, outcome);
                }
            }
        }
        // After the seats: a child that is not stopped may have put a branch back meanwhile. If the iterator is being
        // executed and does not return, what it has not given yet is not to be had, and no reason to wait.
        let (waiting, items) = match self.try_queue() {
            Some(mut queue) => {
                complete &= queue.backlog(Instant::now(), 0).done;
                queue.take()
            }
            None => {
                complete = false;
                (Vec::new(), Cursor::empty())
            }
        };
        if self.has_usher() {
            log_warn!("the stream of the items does not return from being polled, and is left to itself");
        }
        let is_cut = self.arrivals.as_ref().is_some_and(|arrivals| arrivals.close());
        let end = match ordered {
            Some(stop) => stop.into(),
            None if complete => RunEnd::Finished,
            None => RunEnd::Lost,
        };
        let was_stopped =
            matches!(end, RunEnd::Cancelled | RunEnd::ShutDown | RunEnd::DeadlineExceeded | RunEnd::Lost);
        if let Some((parent, _)) = self.parent.as_ref().filter(|_| was_stopped) {
            parent.note_nested_work_stopped();
        }
        self.record_end(end);
        let rest = Rest { stop, items, is_cut, index: self.pulled() };
        for branch in waiting {
            let elapsed = branch.started.map(|started| self.control().since(started)).unwrap_or_default();
            let failure = self.failure(branch.index, branch.attempt - 1, elapsed, stop.cause(false, true));
            self.record_other(&failure);
            found(branch.index, Err(failure));
            discard(branch.job);
        }
        rest
    }

    /// Whether the stream of the items was not given back.
    fn has_usher(&self) -> bool {
        self.arrivals.as_ref().is_some_and(|arrivals| arrivals.has_usher())
    }

    /// The failure of a branch that the run has not come to.
    pub(super) fn missing(&self, index: usize, stop: Stop) -> Failure {
        let failure = self.failure(index, 0, Duration::ZERO, stop.cause(false, true));
        self.record_other(&failure);
        failure
    }
}

/// The branches that a stopped run has never come to.
pub(super) struct Rest<W: Work> {
    stop: Stop,
    items: Cursor<W::Job>,
    /// Whether the items come from a stream that had not ended.
    is_cut: bool,
    index: usize,
}

impl<W: Work> Rest<W> {
    /// The failure of the next of them. Each is pulled, because only so it is known that there is one; unless there is
    /// known to be no end of them.
    pub(super) fn next(&mut self, run: &Run<W>) -> Option<(usize, Outcome<W::Output>)> {
        let index = self.index;
        let next = if self.items.is_endless() { Next::Nothing } else { self.items.next() };
        let failure = match next {
            Next::Job { job, .. } => {
                discard(job);
                run.missing(index, self.stop)
            }
            Next::Failed(cause) => {
                let failure = run.failure_without_attempt(index, *cause);
                run.record_other(&failure);
                failure
            }
            Next::Nothing => {
                self.items = Cursor::empty();
                return None;
            }
        };
        self.index += 1;
        Some((index, Err(failure)))
    }
}
