//! The reaper of a run: the child that ends the branches which have waited too long for their first attempt.
//!
//! When the queue timeout has passed, the branches that have not started are over, also if every slot is taken for long.
//! There is one only as far as the user's iterator gives it, and that is not executed by the supervisor. So the
//! supervisor sends the *reaper*, a child beyond the cap that makes no attempt: it pulls what is left and records it.

use ractor::ActorRef;
use tokio::time::Instant;

use super::finish::Leave;
use super::shift::Shift;
use crate::supervisor::message::Wake;
use crate::supervisor::run::queue::{Backlog, Pulled};
use crate::supervisor::run::seat::{Duty, Role};
use crate::supervisor::run::staff::Member;
use crate::supervisor::run::supervisor::State;
use crate::supervisor::run::work::Work;
use crate::user_code::discard;

impl State {
    /// Sends the reaper to work, or sets the timer if it is not the time yet.
    pub(in crate::supervisor::run) async fn send_reaper(
        &mut self,
        backlog: &Backlog,
        now: Instant,
        myself: &ActorRef<Wake>,
    ) {
        let control = self.crew.control();
        if let Some(next) = backlog.next_expiry.and_then(|next| control.instant(next)) {
            self.timer.set(next, now, myself);
        }
        if backlog.expired == 0 {
            return;
        }
        match self.reaper() {
            None => {
                let bench = self.bench(1, Role::Reaper);
                self.employ(bench, 1, myself).await;
            }
            Some(reaper) => drop(reaper.resume(control, 1)),
        }
    }

    /// How many children are at work that make attempts.
    pub(in crate::supervisor::run) fn driving(&self) -> usize {
        // In this order: should the reaper park meanwhile, one child too many is sent rather than one too few.
        let reaper =
            self.reaper().is_some_and(|reaper| reaper.bench.seats.iter().any(|seat| seat.is(Duty::Working)));
        self.crew.control().driving().saturating_sub(usize::from(reaper))
    }

    /// The reaper, while there is one.
    fn reaper(&self) -> Option<&Member> {
        match self.crew.control().limits.queue_timeout {
            None => None,
            Some(_) => self.children.values().find(|member| member.bench.role == Role::Reaper),
        }
    }
}

impl<W: Work> Shift<'_, W> {
    /// What the reaper does: pulls the branches that have not started, and gives each its outcome.
    pub(in crate::supervisor::run) async fn reap(mut self) -> Leave {
        let (run, control) = (self.floor.run, self.floor.desk.control);
        loop {
            // The iterator is the user's.
            self.seat.set_polling(true);
            let pulled = run.pull_expired(control.now());
            self.call_usher();
            let (index, cause) = match pulled {
                Pulled::Branch(branch) => {
                    discard(branch.job);
                    (branch.index, control.queue_timed_out())
                }
                Pulled::Failed { index, cause } => (index, *cause),
                Pulled::Nothing => {
                    self.seat.set_polling(false);
                    return self.park();
                }
            };
            self.begin(index, 1, self.now);
            self.fail(self.seat.turn(), 0, None, cause);
            if self.is_out_of_breath() {
                self.breathe(()).await;
            }
        }
    }
}
