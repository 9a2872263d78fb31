//! The reaper of a run: the child that ends the branches which have waited too long for their first attempt.
//!
//! When the queue timeout has passed, the branches that have not started are over, also if every slot is taken for long.
//! There is one only as far as the user's iterator gives it, and that is not executed by the supervisor. So the
//! supervisor sends the *reaper*, a child beyond the cap that makes no attempt: it pulls what is left and records it.

use ractor::ActorRef;
use tokio::task::yield_now;
use tokio::time::Instant;

use super::message::{Resume, Wake};
use super::queue::{Backlog, Pulled};
use super::run::{Place, Run};
use super::run_supervisor::{Member, State};
use super::seat::{Duty, Entry, Role};
use super::shift::{Leave, Stretch};
use super::work::Work;

impl State {
    /// Sends the reaper to work, or sets the timer if it is not the time yet.
    pub(super) async fn send_reaper(&mut self, backlog: &Backlog, now: Instant, myself: &ActorRef<Wake>) {
        let control = self.crew.control();
        if let Some(next) = backlog.next_expiry.and_then(|next| control.instant(next)) {
            self.timer.set(next, now, myself);
        }
        if backlog.expired == 0 {
            return;
        }
        match self.reaper() {
            None => self.hire(Role::Reaper, myself).await,
            Some(reaper) => {
                if control.resume(&reaper.seat) && reaper.actor.send_message(Resume).is_err() {
                    control.vacate(&reaper.seat);
                }
            }
        }
    }

    /// How many children are at work that make attempts.
    pub(super) fn driving(&self) -> usize {
        // In this order: should the reaper park meanwhile, one child too many is sent rather than one too few.
        let reaper = self.reaper().is_some_and(|reaper| reaper.seat.is(Duty::Working));
        self.crew.control().driving().saturating_sub(usize::from(reaper))
    }

    /// The reaper, while there is one.
    fn reaper(&self) -> Option<&Member> {
        match self.crew.control().limits.queue_timeout {
            None => None,
            Some(_) => self.children.values().find(|member| member.seat.role == Role::Reaper),
        }
    }
}

/// What the reaper does: pulls the branches that have not started, and gives each its outcome.
pub(super) async fn reap<W: Work>(run: &Run<W>, place: &Place<W::Output>) -> Leave {
    let control = run.control();
    let mut stretch = Stretch::starting(control.now());
    loop {
        // The iterator is the user's.
        place.seat.set_polling(true);
        let (index, cause) = match run.pull_expired(control.now()) {
            Pulled::Branch(branch) => {
                super::discard(branch.job);
                (branch.index, control.queue_timed_out())
            }
            Pulled::Failed { index, cause } => (index, *cause),
            Pulled::Nothing => {
                place.seat.set_polling(false);
                return Leave::Parked;
            }
        };
        let now = control.now();
        let ticket = place.seat.begin(&Entry { index, attempts: 0, branch_started: now });
        run.record(place, ticket, index, None, Err(run.failure_without_attempt(index, cause)));
        if stretch.is_over(now) {
            place.seat.set_polling(false);
            yield_now().await;
            stretch = Stretch::starting(control.now());
        }
    }
}
