//! A run as its actors see it.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::time::Instant;

use super::contain::lock;
use super::control::Control;
use super::log::Span;
use super::queue::Backlog;
use super::reaper::reap;
use super::run::{Place, Run};
use super::seat::{Occupant, Role, Seat};
use super::shift::{Leave, Shift};
use super::usher::Ushering;
use super::work::Work;
use crate::outcome::Cause;

/// A run as its actors see it, whatever its types.
pub(super) trait Crew: Send + Sync + 'static {
    fn control(&self) -> &Control;

    fn shortest_timeout(&self) -> Option<Duration>;

    /// One more place for a child.
    fn new_seat(&self, role: Role) -> Arc<Seat>;

    /// The seats where a child, or a body that it has left behind, still runs.
    fn running_seats(&self) -> Vec<Arc<Seat>>;

    /// Makes attempts in the seat with this number, one after the other; if it is the reaper's, ends branches.
    fn drive(self: Arc<Self>, seat: usize) -> BoxFuture<'static, Leave>;

    /// Where the items come from a stream: a seat for its usher, and what it does there.
    fn usher(self: Arc<Self>) -> Option<(Arc<Seat>, BoxFuture<'static, ()>)>;

    /// What there is to do; `None` if the iterator of the items is being executed, for how long nobody knows.
    fn backlog(&self, now: Instant) -> Option<Backlog>;

    /// Concludes the attempt of a child that cannot do so itself. `false` if it has.
    fn give_up(&self, seat: &Seat, occupant: &Occupant, cause: Cause) -> bool;
}

impl<W: Work> Crew for Run<W> {
    fn control(&self) -> &Control {
        &self.control
    }

    fn shortest_timeout(&self) -> Option<Duration> {
        self.work.get()?.shortest_timeout()
    }

    fn new_seat(&self, role: Role) -> Arc<Seat> {
        let mut seats = lock(&self.seats);
        let seat = Arc::new(Seat::new(seats.len(), role));
        let place = Arc::new(Place::new(Arc::clone(&seat), self.recorded.is_some()));
        if let Some(record) = &self.recorded {
            record.add_place(place.clone());
        }
        seats.push(place);
        seat
    }

    fn running_seats(&self) -> Vec<Arc<Seat>> {
        let seats = lock(&self.seats);
        seats.iter().filter(|place| place.seat.is_running()).map(|place| Arc::clone(&place.seat)).collect()
    }

    fn drive(self: Arc<Self>, seat: usize) -> BoxFuture<'static, Leave> {
        Box::pin(async move {
            let place = lock(&self.seats).get(seat).map(Arc::clone);
            let (Some(place), Some(work)) = (place, self.work.get()) else { return Leave::Spent };
            let on_duty = OnDuty(Some((&self.control, &place.seat)));
            let leave = match place.seat.role {
                Role::Worker | Role::Usher => Shift::new(&self, work, &place).work().await,
                // Boxed: a run has one of them at most.
                Role::Reaper => Box::pin(reap(&self, &place)).await,
            };
            if matches!(leave, Leave::Parked) {
                on_duty.park();
                // What the child could not see, or what has become due since it looked, must not wait for somebody else
                // to look.
                if self.was_turned_away() || self.try_queue().is_none_or(|queue| queue.has_waiting()) {
                    self.control.wake();
                }
            }
            leave
        })
    }

    fn usher(self: Arc<Self>) -> Option<(Arc<Seat>, BoxFuture<'static, ()>)> {
        let arrivals = Arc::clone(self.arrivals.as_ref()?);
        let seat = self.new_seat(Role::Usher);
        let ushering = Ushering::new(self, arrivals, Arc::clone(&seat));
        Some((seat, Box::pin(ushering.work())))
    }

    fn backlog(&self, now: Instant) -> Option<Backlog> {
        let mut backlog = self.try_queue()?.backlog(now, self.control.moment(now));
        if self.is_ahead() {
            (backlog.ready, backlog.expired) = (0, 0);
        }
        Some(backlog)
    }

    fn give_up(&self, seat: &Seat, occupant: &Occupant, cause: Cause) -> bool {
        let Some(place) = lock(&self.seats).get(seat.number).map(Arc::clone) else { return false };
        let elapsed = self.control.since(occupant.branch_started);
        let failure = self.failure(occupant.index, occupant.attempts, elapsed, cause);
        let span = Span::of(occupant, self.control.now());
        self.record(&place, occupant.ticket, occupant.index, span, Err(failure))
    }
}

/// A child at work. However its work ends (it is done, its agent panicked, it was killed and dropped), the seat shows it.
struct OnDuty<'a>(Option<(&'a Control, &'a Seat)>);

impl OnDuty<'_> {
    /// The child waits. From here on the supervisor may send it to work again at any time.
    fn park(mut self) {
        if let Some((control, seat)) = self.0.take() {
            tell_end(control, seat);
            control.park(seat);
        }
    }
}

impl Drop for OnDuty<'_> {
    fn drop(&mut self) {
        if let Some((control, seat)) = self.0.take() {
            tell_end(control, seat);
            control.vacate(seat);
        }
    }
}

/// Reads the clock if the child's last attempt waits for that: there is no other one that would.
fn tell_end(control: &Control, seat: &Seat) {
    if seat.awaits_reading() {
        seat.note_reading(control.now());
    }
}
