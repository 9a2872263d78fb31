//! Lanes: how a child makes its attempts, one at a time or several at once.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use futures::stream::{FuturesUnordered, StreamExt};

use super::alarm::Clockwork;
use super::crew::OnDuty;
use super::run::{Place, Run};
use super::seat::{Duty, Seat};
use super::shift::{Floor, Leave, Shift};
use super::work::Work;

/// Works in the only seat of a child.
pub(super) async fn drive_one<W: Work>(floor: &Floor<'_, W>, seat: &Seat) -> Leave {
    let mut clockwork = Clockwork::new(floor.desk.control, &floor.desk.alarm, std::slice::from_ref(seat));
    let mut shift = Shift::new(floor, seat);
    let mut work = pin!(shift.work());
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
pub(super) async fn drive_all<W: Work>(run: &Run<W>, work: &W, place: &Place<W::Output>) -> Leave {
    let (bench, floor) = (&*place.bench, Floor::new(run, work, place));
    let mut clockwork = Clockwork::new(floor.desk.control, &floor.desk.alarm, &bench.seats);
    let mut is_open = vec![false; bench.lanes()];
    // Bounded by the number of lanes, which is small.
    let mut lanes = FuturesUnordered::new();
    poll_fn(|cx| {
        let _busy = bench.enter();
        bench.listen(cx.waker());
        floor.desk.stretch.next_turn();
        clockwork.look();
        loop {
            if bench.was_called() {
                for (lane, is_open) in is_open.iter_mut().enumerate() {
                    if !*is_open && bench.seats[lane].is(Duty::Working) {
                        *is_open = true;
                        lanes.push(attend(&floor, lane));
                    }
                }
            }
            match lanes.poll_next_unpin(cx) {
                Poll::Ready(Some(lane)) => is_open[lane] = false,
                Poll::Ready(None) | Poll::Pending => {
                    clockwork.wind(cx);
                    return Poll::Pending;
                }
            }
        }
    })
    .await
}

/// Works in the seat of one lane until there is nothing to do. Gives the number of the lane.
async fn attend<W: Work>(floor: &Floor<'_, W>, lane: usize) -> usize {
    let (control, seat) = (floor.desk.control, &floor.place.bench.seats[lane]);
    let on_duty = OnDuty::at(control, seat);
    loop {
        match Shift::new(floor, seat).work().await {
            Leave::Parked => break,
            // Where a child with one lane dies, a lane begins anew: attempts beside it are not to die of it.
            Leave::Panicked(_) => {}
            // The supervisor gave the attempt up, and it has ended after all.
            Leave::Spent => control.release(seat),
        }
    }
    on_duty.park();
    floor.run.look_back();
    lane
}
