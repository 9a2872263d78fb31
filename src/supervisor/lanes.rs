//! Lanes: several attempts at once within one child.

use std::future::poll_fn;
use std::task::Poll;

use futures::stream::{FuturesUnordered, StreamExt};

use super::crew::OnDuty;
use super::run::{Place, Run};
use super::seat::Duty;
use super::shift::{Leave, Shift};
use super::stretch::Stretch;
use super::work::Work;

/// Drives the lanes of one child: an attempt at a time in each of its seats. It never ends by itself, but opens a lane
/// for every seat that is sent to work, whenever it is called.
pub(super) async fn drive<W: Work>(run: &Run<W>, work: &W, place: &Place<W::Output>) -> Leave {
    let bench = &*place.bench;
    let stretch = Stretch::shared();
    let mut is_open = vec![false; bench.lanes()];
    // Bounded by the number of lanes, which is small.
    let mut lanes = FuturesUnordered::new();
    poll_fn(|cx| {
        let _busy = bench.enter();
        bench.listen(cx.waker());
        stretch.next_turn();
        loop {
            if bench.was_called() {
                for (lane, is_open) in is_open.iter_mut().enumerate() {
                    if !*is_open && bench.seats[lane].is(Duty::Working) {
                        *is_open = true;
                        lanes.push(attend(run, work, place, lane, &stretch));
                    }
                }
            }
            match lanes.poll_next_unpin(cx) {
                Poll::Ready(Some(lane)) => is_open[lane] = false,
                Poll::Ready(None) | Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await
}

/// Works in the seat of one lane until there is nothing to do. Gives the number of the lane.
async fn attend<W: Work>(
    run: &Run<W>,
    work: &W,
    place: &Place<W::Output>,
    lane: usize,
    stretch: &Stretch,
) -> usize {
    let seat = &place.bench.seats[lane];
    let on_duty = OnDuty::at(run.control(), seat);
    loop {
        match Shift::new(run, work, place, seat, stretch).work().await {
            Leave::Parked => break,
            // Where a child with one lane dies, a lane begins anew: attempts beside it are not to die of it.
            Leave::Panicked(_) => {}
            // The supervisor gave the attempt up, and it has ended after all.
            Leave::Spent => run.control().release(seat),
        }
    }
    on_duty.park();
    run.look_back();
    lane
}
