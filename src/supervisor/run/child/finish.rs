//! Whether a child goes on in its seat after an attempt, and how it leaves.

use futures::future::BoxFuture;

use super::attempt::{Desk, Ended, Running};
use super::conclude::Concluded;
use super::shift::Shift;
use crate::supervisor::run::work::Work;
use crate::user_code::Contained;

/// Why a child has stopped working.
pub(in crate::supervisor) enum Leave {
    /// There is nothing to do for now.
    Parked,
    /// It has done what it was for.
    Spent,
    /// Its agent panicked.
    Panicked(String),
}

/// Why the child does not go on after an attempt, if it does not: known now, or later.
pub(super) enum Finished<'s> {
    Now(Option<Leave>),
    Later(BoxFuture<'s, Option<Leave>>),
}

impl<'a, W: Work> Shift<'a, W> {
    /// Concludes an attempt, and says whether the child goes on; later, if the attempt has to be stopped, or has left
    /// bodies behind.
    #[inline]
    pub(super) fn finish(
        &mut self,
        mut running: Running<'a, W::Output>,
        ended: Option<Ended<W::Output>>,
        spare: Contained<W::Job>,
    ) -> Finished<'_> {
        match ended {
            Some(ended) if !self.seat.bodies.any_running() => {
                let waited = running.has_waited();
                self.spare = running.take_context();
                drop(running);
                let concluded = self.conclude(ended, spare, waited);
                if self.seat.bodies.any_running() {
                    return Finished::Later(Box::pin(self.leave_late(concluded)));
                }
                Finished::Now(self.leave(concluded))
            }
            ended => Finished::Later(Box::pin(self.finish_late(running, ended, spare))),
        }
    }

    async fn finish_late(
        &mut self,
        mut running: Running<'a, W::Output>,
        ended: Option<Ended<W::Output>>,
        spare: Contained<W::Job>,
    ) -> Option<Leave> {
        let ended = match ended {
            Some(ended) => {
                self.spare = running.take_context();
                drop(running);
                ended
            }
            None => Ended::TimedOut { stopped: running.stop().await },
        };
        if matches!(ended, Ended::Error(_) | Ended::Panicked(_) | Ended::CutShort(_)) {
            // There is no further attempt beside what this one has left behind.
            let _suspended = self.floor.desk.control.suspend(&self.floor.desk.stretch);
            self.seat.set_polling(false);
            self.seat.bodies.returned().await;
        }
        let concluded = self.conclude(ended, spare, true);
        self.leave_late(concluded).await
    }

    /// Keeps the seat until the bodies of a concluded attempt have returned.
    async fn leave_late(&mut self, concluded: Concluded) -> Option<Leave> {
        let (desk, seat) = (&self.floor.desk, self.seat);
        let dies = matches!(concluded, Concluded::TooLate) && !desk.is_shared;
        if !dies && seat.bodies.any_running() {
            seat.set_polling(false);
            desk.control.hold(seat);
            {
                let _suspended = desk.control.suspend(&desk.stretch);
                seat.bodies.returned().await;
            }
            desk.control.release(seat);
        }
        self.leave(concluded)
    }

    /// Why the child does not go on in this seat; `None` if it does.
    ///
    /// A child that makes several attempts at once outlives what a child with one lane dies of: the others are not to die
    /// of it. The lane begins anew.
    fn leave(&mut self, concluded: Concluded) -> Option<Leave> {
        let Desk { control, is_shared, .. } = &self.floor.desk;
        match concluded {
            Concluded::Done if control.limits.fresh_children => Some(Leave::Spent),
            Concluded::Done => None,
            Concluded::Panicked(message) if !is_shared => Some(Leave::Panicked(message)),
            Concluded::TooLate if !is_shared => Some(Leave::Spent),
            Concluded::Panicked(_) | Concluded::TooLate => {
                // The supervisor has held the seat if it gave the attempt up, and the attempt has ended after all.
                control.release(self.seat);
                self.spare = None;
                None
            }
        }
    }

    /// The child waits. From here on the supervisor may send it to work again at any time.
    pub(super) fn park(&mut self) -> Leave {
        let (control, run) = (self.floor.desk.control, self.floor.run);
        self.tell_end();
        self.seat.close();
        control.park(self.seat);
        // What the child could not see, or what has become due since it looked, must not wait for somebody else to look.
        if run.was_turned_away() || run.try_queue().is_none_or(|queue| queue.has_waiting()) {
            control.wake();
        }
        Leave::Parked
    }

    /// Reads the clock if the last attempt waits for that: there is no other one that would.
    fn tell_end(&self) {
        let bench = &self.floor.place.bench;
        if bench.awaits_reading() {
            bench.note_reading(self.floor.desk.control.now());
        }
    }
}

/// However the work ends (it is done, its agent panicked, it was killed and dropped), the seat shows it.
impl<W: Work> Drop for Shift<'_, W> {
    fn drop(&mut self) {
        if self.seat.close() {
            self.tell_end();
            self.floor.desk.control.vacate(self.seat);
        }
    }
}
