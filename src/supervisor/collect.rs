//! What a run leaves when it is over.

use std::time::Duration;

use tokio::task::yield_now;

use super::contain::{Contained, EachContained, contain, discard, lock};
use super::control::Stop;
use super::queue::Branches;
use super::run::Run;
use super::seat::Duty;
use super::work::Work;
use crate::outcome::{Cause, Failure, Outcome};

/// One outcome for each branch, in their order.
pub(crate) struct Collected<O> {
    pub(crate) outcomes: Vec<Outcome<O>>,
    /// The first final failure, where the goal made one count.
    pub(crate) first_failure: Option<Failure>,
    /// The branches that succeeded first, in this order, where so many were wanted.
    pub(crate) winners: Vec<usize>,
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
            rest.items.clear();
        }
        while let Some((index, outcome)) = rest.next(self) {
            outcomes.0.push(outcome);
            if index % COUNTED_AT_A_STRETCH == COUNTED_AT_A_STRETCH - 1 {
                yield_now().await;
            }
        }
        let progress = lock(&self.progress);
        let (first_failure, winners) = (progress.first_failure().cloned(), progress.winners().to_vec());
        Collected { outcomes: std::mem::take(&mut outcomes.0), first_failure, winners }
    }

    /// Ends the run for good. Hands over the outcomes that nobody has taken yet, with those of branches that were cut
    /// short or waited for another attempt. What remains are the branches that it has never come to.
    pub(super) fn leave(&self, mut found: impl FnMut(usize, Outcome<W::Output>)) -> Rest<W> {
        // A run that is complete has no order to stop; one that is neither has lost its supervisor. From here on nothing
        // is pulled, and contexts that have outlived their attempts show it.
        self.control().stop(Stop::Abandoned);
        let stop = self.control().stopped().unwrap_or(Stop::Abandoned);
        for place in lock(&self.places).iter() {
            let mut outcomes = lock(&place.outcomes);
            outcomes.drain(..).for_each(|(index, outcome)| found(index, outcome));
            for seat in &place.bench.seats {
                let Some(cut) = seat.occupant() else { continue };
                if seat.claim(cut.ticket) {
                    let ended = !seat.is(Duty::Working) && !seat.bodies.any_running();
                    let elapsed = self.control().since(cut.branch_started);
                    let failure = self.failure(cut.index, cut.attempts, elapsed, stop.cause(true, ended));
                    found(cut.index, Err(failure));
                }
            }
        }
        // After the seats: a child that is not stopped may have put a branch back meanwhile. If the iterator is being
        // executed and does not return, what it has not given yet is not to be had, and no reason to wait.
        let (waiting, items) =
            self.try_queue().map_or_else(|| (Vec::new(), Contained::empty()), |mut queue| queue.take());
        let rest = Rest { stop, items, index: self.pulled() };
        for branch in waiting {
            let elapsed = branch.started.map(|started| self.control().since(started)).unwrap_or_default();
            let failure = self.failure(branch.index, branch.attempt - 1, elapsed, stop.cause(false, true));
            found(branch.index, Err(failure));
            discard(branch.job);
        }
        rest
    }

    /// The failure of a branch that the run has not come to.
    fn missing(&self, index: usize, stop: Stop) -> Failure {
        self.failure(index, 0, Duration::ZERO, stop.cause(false, true))
    }
}

/// The branches that a stopped run has never come to.
pub(super) struct Rest<W: Work> {
    stop: Stop,
    items: Contained<Branches<W::Job>>,
    index: usize,
}

impl<W: Work> Rest<W> {
    /// The failure of the next of them. Each is pulled, because only so it is known that there is one; unless there is
    /// known to be no end of them.
    pub(super) fn next(&mut self, run: &Run<W>) -> Option<(usize, Outcome<W::Output>)> {
        let index = self.index;
        let items = self.items.get_mut()?;
        let pulled = contain(|| match items.size_hint() {
            (usize::MAX, _) => None,
            _ => items.next(),
        });
        let failure = match pulled {
            Ok(Some(job)) => {
                discard(job);
                run.missing(index, self.stop)
            }
            Ok(None) => {
                self.items.clear();
                return None;
            }
            Err(panic) => {
                self.items.clear();
                let cause = Cause::Panicked(format!("the iterator of the items: {panic}"));
                run.failure(index, 0, Duration::ZERO, cause)
            }
        };
        self.index += 1;
        Some((index, Err(failure)))
    }
}
