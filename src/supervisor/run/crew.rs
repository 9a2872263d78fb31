//! A run as its actors see it.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::time::Instant;

use super::bench::Bench;
use super::child::usher::Ushering;
use super::child::{Floor, Leave, Shift, lanes};
use super::control::Control;
use super::log::Span;
use super::queue::Backlog;
use super::seat::{Occupant, Role, Seat};
use super::state::{Place, Run};
use super::work::Work;
use crate::outcome::Cause;
use crate::sync::lock;

/// A run as its actors see it, whatever its types.
pub(in crate::supervisor) trait Crew: Send + Sync + 'static {
    fn control(&self) -> &Control;

    fn shortest_timeout(&self) -> Option<Duration>;

    /// Whether a limit in time is set, for which the runtime's timer is needed.
    fn has_limits_in_time(&self) -> bool {
        let limits = &self.control().limits;
        limits.deadline.is_some() || limits.queue_timeout.is_some() || self.shortest_timeout().is_some()
    }

    /// The seats of one more child.
    fn new_bench(&self, lanes: usize, role: Role) -> Arc<Bench>;

    /// The benches where a child, or a body that it has left behind, still runs.
    fn running_benches(&self) -> Vec<Arc<Bench>>;

    /// Makes attempts in the seats of the bench with this number, in each one after the other; if it is the reaper's, ends
    /// branches.
    fn drive(self: Arc<Self>, bench: usize) -> BoxFuture<'static, Leave>;

    /// Where the items come from a stream: a bench for its usher, and what it does there.
    fn usher(self: Arc<Self>) -> Option<(Arc<Bench>, BoxFuture<'static, ()>)>;

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

    fn new_bench(&self, lanes: usize, role: Role) -> Arc<Bench> {
        let mut places = lock(&self.places);
        let bench = Arc::new(Bench::new(places.len(), lanes, role));
        let place = Arc::new(Place::new(Arc::clone(&bench), self.recorded.is_some()));
        if let Some(record) = &self.recorded {
            record.add_place(place.clone());
        }
        places.push(place);
        bench
    }

    fn running_benches(&self) -> Vec<Arc<Bench>> {
        let places = lock(&self.places);
        let benches = places.iter().map(|place| &place.bench).filter(|bench| bench.running() > 0);
        benches.map(Arc::clone).collect()
    }

    fn drive(self: Arc<Self>, bench: usize) -> BoxFuture<'static, Leave> {
        Box::pin(async move {
            let place = lock(&self.places).get(bench).map(Arc::clone);
            let (Some(place), Some(work)) = (place, self.work.get()) else { return Leave::Spent };
            let [seat] = &*place.bench.seats else {
                return Box::pin(lanes::drive_all(&self, work, &place)).await;
            };
            let floor = Floor::new(&self, work, &place);
            match place.bench.role {
                Role::Worker | Role::Usher => lanes::drive_one(&floor, seat).await,
                // Boxed: a run has one of them at most.
                Role::Reaper => Box::pin(Shift::new(&floor, seat).reap()).await,
            }
        })
    }

    fn usher(self: Arc<Self>) -> Option<(Arc<Bench>, BoxFuture<'static, ()>)> {
        let arrivals = Arc::clone(self.arrivals.as_ref()?);
        let bench = self.new_bench(1, Role::Usher);
        let ushering = Ushering::new(self, arrivals, Arc::clone(&bench));
        Some((bench, Box::pin(ushering.work())))
    }

    fn backlog(&self, now: Instant) -> Option<Backlog> {
        let mut backlog = self.try_queue()?.backlog(now, self.control.moment(now));
        if self.is_ahead() {
            (backlog.ready, backlog.expired) = (0, 0);
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
        let span = Span::of(occupant, self.control.now());
        let (index, outcome) = (occupant.index, Err(failure));
        let news = self.news(&outcome);
        let recorded = self.put(&place, seat, occupant.ticket, span, (index, outcome), hold);
        if recorded {
            // The supervisor executes no code of the user's.
            self.consider(index, news, false);
        }
        recorded
    }
}
