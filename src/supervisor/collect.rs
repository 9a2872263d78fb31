//! What a run leaves when it is over.

use std::time::Duration;

use tokio::task::yield_now;

use super::contain::{contain, discard, lock};
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
        // A run that is complete has no order to stop; one that is neither has lost its supervisor. From here on nothing
        // is pulled, and contexts that have outlived their attempts show it.
        self.control().stop(Stop::Abandoned);
        let stop = self.control().stopped().unwrap_or(Stop::Abandoned);
        let mut places = Vec::new();
        let (waiting, mut cursor) = {
            let mut queue = lock(&self.queue);
            places.resize_with(queue.pulled(), || None);
            queue.take()
        };
        let mut put = |index: usize, outcome| match places.get_mut(index) {
            Some(place) => *place = Some(outcome),
            None => discard(outcome),
        };
        for place in lock(&self.seats).iter() {
            let mut outcomes = lock(&place.outcomes);
            if let Some(cut) = place.seat.occupant() {
                if place.seat.claim(cut.ticket) {
                    let ended = !place.seat.is(Duty::Working);
                    let cause = stop.cause(true, ended && !place.seat.bodies.any_running());
                    let elapsed = self.control().info.start.elapsed().saturating_sub(cut.branch_started);
                    put(cut.index, Err(self.failure(cut.index, cut.attempt, elapsed, cause)));
                }
            }
            outcomes.drain(..).for_each(|(index, outcome)| put(index, outcome));
        }
        for branch in waiting {
            let elapsed = branch.started.map(|started| started.elapsed()).unwrap_or_default();
            let failure = self.failure(branch.index, branch.attempt - 1, elapsed, stop.cause(false, true));
            put(branch.index, Err(failure));
            discard(branch.job);
        }
        let missing = |index: usize| Err(self.failure(index, 0, Duration::ZERO, stop.cause(false, true)));
        let mut outcomes: Vec<_> = places
            .into_iter()
            .enumerate()
            .map(|(index, outcome)| outcome.unwrap_or_else(|| missing(index)))
            .collect();
        // Items that are known to be endless are not counted: nobody could wait for it. Nor are those of which nobody
        // asks what became of them.
        let endless = |(least, _)| least == usize::MAX;
        let is_endless = |items: &Branches<W::Job>| contain(|| items.size_hint()).is_ok_and(endless);
        if lock(&self.progress).is_won() || cursor.get().is_some_and(is_endless) {
            cursor.clear();
        }
        while let Some(items) = cursor.get_mut() {
            let index = outcomes.len();
            match contain(|| items.next().map(discard)) {
                Ok(Some(())) => outcomes.push(missing(index)),
                Ok(None) => cursor.clear(),
                Err(message) => {
                    let cause = Cause::Panicked(format!("the iterator of the items: {message}"));
                    outcomes.push(Err(self.failure(index, 0, Duration::ZERO, cause)));
                    cursor.clear();
                }
            }
            if index % COUNTED_AT_A_STRETCH == COUNTED_AT_A_STRETCH - 1 {
                yield_now().await;
            }
        }
        let progress = lock(&self.progress);
        let (first_failure, winners) = (progress.first_failure().cloned(), progress.winners().to_vec());
        Collected { outcomes, first_failure, winners }
    }
}
