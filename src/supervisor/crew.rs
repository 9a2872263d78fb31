//! A run as its actors see it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::time::Instant;

use super::bench::Bench;
use super::contain::lock;
use super::control::Control;
use super::lanes;
use super::queue::Backlog;
use super::run::{Place, Run};
use super::seat::{Occupant, Seat};
use super::shift::{Floor, Leave};
use super::work::Work;
use crate::outcome::Cause;

/// A run as its actors see it, whatever its types.
pub(super) trait Crew: Send + Sync + 'static {
    fn control(&self) -> &Control;

    fn shortest_timeout(&self) -> Option<Duration>;

    /// The seats of one more child.
    fn new_bench(&self, lanes: usize) -> Arc<Bench>;

    /// Makes attempts in the seats of the bench with this number, in each one after the other.
    fn drive(self: Arc<Self>, bench: usize) -> BoxFuture<'static, Leave>;

    /// What there is to do; `None` if the iterator of the items is being executed, for how long nobody knows.
    fn backlog(&self, now: Instant) -> Option<Backlog>;

    /// Concludes the attempt of a child that cannot do so itself. `false` if it has. What is not stopped holds the seat.
    fn give_up(&self, bench: &Bench, seat: &Seat, occupant: &Occupant, cause: Cause) -> bool;
}

impl<W: Work> Crew for Run<W> {
    fn control(&self) -> &Control {
        &self.control
    }

    fn shortest_timeout(&self) -> Option<Duration> {
        self.work.get()?.shortest_timeout()
    }

    fn new_bench(&self, lanes: usize) -> Arc<Bench> {
        let mut places = lock(&self.places);
        let bench = Arc::new(Bench::new(places.len(), lanes));
        places.push(Arc::new(Place { bench: Arc::clone(&bench), outcomes: Mutex::default() }));
        bench
    }

    fn drive(self: Arc<Self>, bench: usize) -> BoxFuture<'static, Leave> {
        Box::pin(async move {
            let place = lock(&self.places).get(bench).map(Arc::clone);
            let (Some(place), Some(work)) = (place, self.work.get()) else { return Leave::Spent };
            let [seat] = &*place.bench.seats else {
                return Box::pin(lanes::drive_all(&self, work, &place)).await;
            };
            lanes::drive_one(&Floor::new(&self, work, &place), seat).await
        })
    }

    fn backlog(&self, now: Instant) -> Option<Backlog> {
        let mut backlog = self.try_queue()?.backlog(now);
        if self.is_ahead() {
            backlog.ready = 0;
        }
        Some(backlog)
    }

    fn give_up(&self, bench: &Bench, seat: &Seat, occupant: &Occupant, cause: Cause) -> bool {
        let Some(place) = lock(&self.places).get(bench.number).map(Arc::clone) else { return false };
        let elapsed = self.control.since(occupant.branch_started);
        let failure = self.failure(occupant.index, occupant.attempts, elapsed, cause);
        let stopped = failure.stopped();
        // The seat is held before its lane can learn that the attempt was given up: it is the lane that frees it.
        let hold = || {
            if !stopped {
                self.control.hold(seat);
            }
        };
        self.record(&place, seat, occupant.ticket, (occupant.index, Err(failure)), hold)
    }
}
