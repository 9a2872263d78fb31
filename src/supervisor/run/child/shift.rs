//! What a child does: pull, attempt, conclude, breathe.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::yield_now;

use super::alarm::Alarm;
use super::attempt::{Desk, Running};
use super::finish::{Finished, Leave};
use super::stretch::Stretch;
use super::usher::step_aside;
use crate::agent::{AgentContext, Attempt, Gated};
use crate::outcome::Cause;
use crate::supervisor::run::control::nanos;
use crate::supervisor::run::queue::{Branch, Pulled};
use crate::supervisor::run::seat::{Entry, Moment, NEVER, Seat};
use crate::supervisor::run::state::{Place, Run};
use crate::supervisor::run::work::Work;
use crate::user_code::{Contained, contain, discard};

/// What the shifts of a child have in common.
pub(in crate::supervisor::run) struct Floor<'a, W: Work> {
    pub(super) run: &'a Run<W>,
    pub(super) work: &'a W,
    pub(super) place: &'a Place<W::Output>,
    pub(super) desk: Desk<'a>,
}

/// The work of a child in one of its seats, from the moment it is sent there until it leaves.
pub(in crate::supervisor::run) struct Shift<'a, W: Work> {
    pub(super) floor: &'a Floor<'a, W>,
    pub(super) seat: &'a Seat,
    /// The last attempt's context, for the next one.
    pub(super) spare: Option<AgentContext>,
    /// The last reading of the clock, when the last attempt started.
    pub(super) now: Moment,
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

/// An attempt that has started, and the branch's job once more, if there may be another.
type Started<'a, W> = (Running<'a, <W as Work>::Output>, Contained<<W as Work>::Job>);

impl<'a, W: Work> Floor<'a, W> {
    pub(in crate::supervisor::run) fn new(run: &'a Run<W>, work: &'a W, place: &'a Place<W::Output>) -> Self {
        let control = run.control();
        let is_shared = place.bench.is_shared();
        let stretch = if is_shared { Stretch::shared() } else { Stretch::alone(control.now()) };
        Self {
            run,
            work,
            place,
            desk: Desk {
                control,
                stretch,
                alarm: Alarm::unset(),
                is_shared,
                has_called: AtomicBool::new(false),
            },
        }
    }
}

impl<'a, W: Work> Shift<'a, W> {
    /// A child has been sent to the seat.
    pub(in crate::supervisor::run) fn new(floor: &'a Floor<'a, W>, seat: &'a Seat) -> Self {
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
                    let Some((mut running, spare)) = self.start(taken) else { continue };
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

    /// Takes the next branch and prepares its attempt.
    fn take(&mut self) -> Found<W::Job> {
        // The iterator is the user's as well.
        self.seat.set_polling(true);
        let pulled = self.floor.run.pull();
        self.call_usher();
        let branch = match pulled {
            Pulled::Branch(branch) => branch,
            Pulled::Failed { index, cause } => {
                self.begin(index, 1, self.now);
                self.fail(self.seat.turn(), 0, None, *cause);
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
                self.fail(turn, turn.attempt, None, cause);
                Found::Failed
            }
        }
    }

    /// Calls the usher if there is room for what it has. The child then breathes before it goes on.
    #[inline]
    pub(super) fn call_usher(&mut self) {
        if self.floor.run.call_usher() {
            self.floor.desk.stretch.end();
            self.floor.desk.has_called.store(true, Ordering::Relaxed);
        }
    }

    pub(super) fn begin(&self, index: usize, attempt: u32, started: Moment) {
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
    pub(super) fn is_out_of_breath(&mut self) -> bool {
        self.now = self.floor.desk.control.now();
        self.floor.place.bench.note_reading(self.now);
        let over = self.floor.desk.stretch.is_over(self.now);
        if over {
            self.seat.set_polling(false);
        }
        over
    }

    /// Lets others have the thread, and gives back what was taken meanwhile.
    pub(super) async fn breathe<J>(&mut self, taken: J) -> J {
        if self.floor.desk.has_called.swap(false, Ordering::Relaxed) {
            step_aside().await;
        } else {
            yield_now().await;
        }
        self.now = self.floor.desk.control.now();
        self.floor.desk.stretch.renew(self.now);
        taken
    }

    /// Starts the attempt, unless its branch has waited for too long. What is kept for another attempt stays behind.
    fn start(&mut self, taken: Taken<W::Job>) -> Option<Started<'a, W>> {
        if self.now >= taken.branch.expires && taken.branch.started.is_none() {
            discard(taken.branch.job);
            self.fail(self.seat.turn(), 0, None, self.floor.desk.control.queue_timed_out());
            return None;
        }
        let Taken { branch: Branch { index, attempt, started, job, .. }, limit, spare } = taken;
        let Floor { work, desk, .. } = self.floor;
        let due = limit.map_or(NEVER, |limit| self.now.saturating_add(nanos(limit)));
        let context = self.spare.take().unwrap_or_else(|| self.fresh_context(index));
        context.begin(index, attempt, due.min(desk.control.deadline()));
        self.seat.start(attempt, started.unwrap_or(self.now), self.now, due);
        let cx = context.clone();
        let make = || work.start(job, cx);
        let running = match &desk.control.info.lease {
            None => Running::start(desk, self.seat, context, make),
            // Nested in a launch: its code runs while that has its slot.
            Some(leased) => {
                let gated = Gated::nested(Arc::clone(&leased.lease), make);
                Running::start(desk, self.seat, context, || Box::pin(gated))
            }
        };
        Some((running, spare))
    }

    fn fresh_context(&self, index: usize) -> AgentContext {
        let run = Arc::clone(&self.floor.desk.control.info);
        let arrived = run.roster.arrived(index);
        AgentContext::new(Attempt::new(run, self.seat.bodies.clone(), arrived))
    }
}
