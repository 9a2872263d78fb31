//! What a child does: pull, attempt, conclude, breathe.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::task::yield_now;

use super::alarm::Alarm;
use super::attempt::{Desk, Ended, Running};
use super::conclude::Concluded;
use super::contain::{Contained, contain};
use super::control::nanos;
use super::queue::{Branch, Pulled};
use super::run::{Place, Run};
use super::seat::{Entry, Moment, NEVER, Seat};
use super::stretch::Stretch;
use super::work::Work;
use crate::agent::{AgentContext, Attempt};
use crate::outcome::Cause;

/// What the shifts of a child have in common.
pub(super) struct Floor<'a, W: Work> {
    pub(super) run: &'a Run<W>,
    pub(super) work: &'a W,
    pub(super) place: &'a Place<W::Output>,
    pub(super) desk: Desk<'a>,
}

/// The work of a child in one of its seats, from the moment it is sent there until it leaves.
pub(super) struct Shift<'a, W: Work> {
    pub(super) floor: &'a Floor<'a, W>,
    pub(super) seat: &'a Seat,
    /// The last attempt's context, for the next one.
    spare: Option<AgentContext>,
    /// The last reading of the clock, when the last attempt started.
    now: Moment,
}

/// Why a child has stopped working.
pub(super) enum Leave {
    /// There is nothing to do for now.
    Parked,
    /// It has done what it was for.
    Spent,
    /// Its agent panicked.
    Panicked(String),
}

/// A branch whose attempt is about to start.
struct Taken<J> {
    branch: Branch<J>,
    limit: Option<Duration>,
    /// The branch's job once more, if there may be another attempt.
    spare: Contained<J>,
}

/// What a child that looks for work finds.
enum Found<J> {
    Branch(Taken<J>),
    /// A branch that has failed before it could be attempted.
    Failed,
    Nothing,
}

/// Why the child does not go on after an attempt, if it does not: known now, or later.
enum Finished<'s> {
    Now(Option<Leave>),
    Later(BoxFuture<'s, Option<Leave>>),
}

impl<'a, W: Work> Floor<'a, W> {
    pub(super) fn new(run: &'a Run<W>, work: &'a W, place: &'a Place<W::Output>) -> Self {
        let control = run.control();
        let is_shared = place.bench.is_shared();
        let stretch = if is_shared { Stretch::shared() } else { Stretch::alone(control.now()) };
        Self { run, work, place, desk: Desk { control, stretch, alarm: Alarm::unset(), is_shared } }
    }
}

impl<'a, W: Work> Shift<'a, W> {
    /// A child has been sent to the seat.
    pub(super) fn new(floor: &'a Floor<'a, W>, seat: &'a Seat) -> Self {
        seat.open();
        Self { floor, seat, spare: None, now: floor.desk.control.now() }
    }

    /// Makes attempts until there is nothing to pull, or the child shall not go on here.
    ///
    /// The steps that need not wait are functions of their own, and what is rare is boxed, so that an attempt that waits
    /// keeps little besides itself.
    #[expect(clippy::manual_async_fn, reason = "an `async fn` would keep the shift twice")]
    pub(super) fn work(mut self) -> impl Future<Output = Leave> + Send + use<'a, W> {
        async move {
            loop {
                let mut taken = match self.take() {
                    Found::Branch(taken) => taken,
                    Found::Failed => continue,
                    Found::Nothing => return self.park(),
                };
                if self.is_out_of_breath() {
                    taken = Box::pin(self.breathe(taken)).await;
                }
                let finished = {
                    let (mut running, spare) = self.start(taken);
                    let ended = (&mut running).await;
                    self.finish(running, ended, spare)
                };
                let leave = match finished {
                    Finished::Now(leave) => leave,
                    Finished::Later(leave) => leave.await,
                };
                if let Some(leave) = leave {
                    return leave;
                }
            }
        }
    }

    /// Concludes an attempt, and says whether the child goes on; later, if the attempt has to be stopped, or has left
    /// bodies behind.
    #[inline]
    fn finish(
        &mut self,
        mut running: Running<'a, W::Output>,
        ended: Option<Ended<W::Output>>,
        spare: Contained<W::Job>,
    ) -> Finished<'_> {
        match ended {
            Some(ended) if !self.seat.bodies.any_running() => {
                self.spare = running.take_context();
                drop(running);
                let concluded = self.conclude(ended, spare);
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
        if matches!(ended, Ended::Error(_) | Ended::Panicked(_)) {
            // There is no further attempt beside what this one has left behind.
            let _suspended = self.floor.desk.control.suspend(&self.floor.desk.stretch);
            self.seat.set_polling(false);
            self.seat.bodies.returned().await;
        }
        let concluded = self.conclude(ended, spare);
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
    fn park(&mut self) -> Leave {
        let (control, run) = (self.floor.desk.control, self.floor.run);
        self.seat.close();
        control.park(self.seat);
        // What the child could not see, or what has become due since it looked, must not wait for somebody else to look.
        if run.was_turned_away() || run.try_queue().is_none_or(|queue| queue.has_waiting()) {
            control.wake();
        }
        Leave::Parked
    }

    /// Takes the next branch and prepares its attempt.
    fn take(&mut self) -> Found<W::Job> {
        // The iterator is the user's as well.
        self.seat.set_polling(true);
        let branch = match self.floor.run.pull() {
            Pulled::Branch(branch) => branch,
            Pulled::Panicked { index, message } => {
                self.begin(index, 1, self.now);
                self.fail(self.seat.turn(), 0, Cause::Panicked(message));
                return Found::Failed;
            }
            Pulled::Nothing => {
                self.seat.set_polling(false);
                return Found::Nothing;
            }
        };
        self.begin(branch.index, branch.attempt, branch.started.unwrap_or(self.now));
        match self.prepare(branch) {
            Ok(taken) => Found::Branch(taken),
            Err(panic) => {
                let cause = Cause::Panicked(format!("the clone of the input: {panic}"));
                let turn = self.seat.turn();
                self.fail(turn, turn.attempt, cause);
                Found::Failed
            }
        }
    }

    fn begin(&self, index: usize, attempt: u32, started: Moment) {
        self.seat.begin(&Entry { index, attempts: attempt - 1, branch_started: started });
    }

    /// Copies the input while it is still there. Copying runs code of the user's.
    fn prepare(&self, branch: Branch<W::Job>) -> Result<Taken<W::Job>, String> {
        let work = self.floor.work;
        let policy = work.policy(&branch.job);
        let spare = match &policy.restart {
            Some(restart) if restart.may_follow(branch.attempt) => contain(|| work.copy(&branch.job))?,
            _ => None,
        };
        Ok(Taken { limit: policy.timeout, spare: Contained::from(spare), branch })
    }

    /// Reads the clock, once: pulling and copying are not the attempt's fault. Says whether others shall have the thread
    /// before the attempt starts.
    fn is_out_of_breath(&mut self) -> bool {
        self.now = self.floor.desk.control.now();
        let over = self.floor.desk.stretch.is_over(self.now);
        if over {
            self.seat.set_polling(false);
        }
        over
    }

    /// Lets others have the thread, and gives back what was taken meanwhile.
    async fn breathe<J>(&mut self, taken: J) -> J {
        yield_now().await;
        self.now = self.floor.desk.control.now();
        self.floor.desk.stretch.renew(self.now);
        taken
    }

    /// Starts the attempt. What is kept for another attempt stays behind.
    fn start(&mut self, taken: Taken<W::Job>) -> (Running<'a, W::Output>, Contained<W::Job>) {
        let Taken { branch: Branch { index, attempt, started, job }, limit, spare } = taken;
        let Floor { work, desk, .. } = self.floor;
        let due = limit.map_or(NEVER, |limit| self.now.saturating_add(nanos(limit)));
        let context = self.spare.take().unwrap_or_else(|| self.fresh_context());
        context.begin(index, attempt, due.min(desk.control.deadline()));
        self.seat.start(attempt, started.unwrap_or(self.now), self.now, due);
        let cx = context.clone();
        (Running::start(desk, self.seat, context, || work.start(job, cx)), spare)
    }

    fn fresh_context(&self) -> AgentContext {
        let run = Arc::clone(&self.floor.desk.control.info);
        AgentContext::new(Attempt::new(run, self.seat.bodies.clone()))
    }
}

/// However the work ends (it is done, its agent panicked, it was killed and dropped), the seat shows it.
impl<W: Work> Drop for Shift<'_, W> {
    fn drop(&mut self) {
        if self.seat.close() {
            self.floor.desk.control.vacate(self.seat);
        }
    }
}
