//! Lanes: how a child makes its attempts, one at a time or several at once.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use futures::stream::{FuturesUnordered, StreamExt};

use super::alarm::Clockwork;
use super::finish::Leave;
use super::shift::{Floor, Shift};
use crate::supervisor::run::seat::Seat;
use crate::supervisor::run::state::{Place, Run};
use crate::supervisor::run::work::Work;

/// Works in the only seat of a child.
pub(in crate::supervisor::run) async fn drive_one<W: Work>(floor: &Floor<'_, W>, seat: &Seat) -> Leave {
    let mut clockwork = Clockwork::new(floor.desk.control, &floor.desk.alarm, std::slice::from_ref(seat));
    let mut work = pin!(Shift::new(floor, seat).work());
    poll_fn(|cx| {
        clockwork.look();
        let leave = work.as_mut().poll(cx);
        clockwork.wind(cx);
        leave
    })
    .await
}

/// Works in all seats of a child with several lanes. It never ends by itself, but opens a lane for every seat that is
/// sent to work, whenever it is called.
pub(in crate::supervisor::run) async fn drive_all<W: Work>(
    run: &Run<W>,
    work: &W,
    place: &Place<W::Output>,
) -> Leave {
    let (bench, floor) = (&*place.bench, Floor::new(run, work, place));
    let mut clockwork = Clockwork::new(floor.desk.control, &floor.desk.alarm, &bench.seats);
    // Bounded by the number of lanes, which is small.
    let mut lanes = FuturesUnordered::new();
    poll_fn(|cx| {
        let _busy = bench.enter();
        bench.listen(cx.waker());
        floor.desk.stretch.next_turn();
        clockwork.look();
        loop {
            if bench.was_called() {
                let sent_to = bench.seats.iter().filter(|seat| seat.is_awaited());
                lanes.extend(sent_to.map(|seat| Shift::new(&floor, seat).work()));
            }
            match lanes.poll_next_unpin(cx) {
                Poll::Ready(Some(_parked)) => {}
                Poll::Ready(None) | Poll::Pending => {
                    clockwork.wind(cx);
                    return Poll::Pending;
                }
            }
        }
    })
    .await
}
