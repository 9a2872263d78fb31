//! Who shows the branches out that have waited too long for their first attempt.
//!
//! When the queue timeout has passed, the branches that have not started are over, also if every slot is taken for long.
//! There is one only as far as the user's iterator gives it, and that is not executed by the supervisor. So the
//! supervisor sends the *usher*, a child beyond the cap that makes no attempt: it pulls what is left and records it.

use ractor::ActorRef;
use tokio::task::yield_now;
use tokio::time::Instant;

use super::message::{Resume, Wake};
use super::queue::{Backlog, Pulled};
use super::run::{Place, Run};
use super::run_supervisor::{Member, State};
use super::seat::{Duty, Entry, NEVER};
use super::shift::{Leave, Stretch};
use super::work::Work;
use crate::outcome::Cause;

impl State {
    /// Sends the usher to work, or sets the timer if it is not the time yet.
    pub(super) async fn usher_out(&mut self, backlog: &Backlog, now: Instant, myself: &ActorRef<Wake>) {
        let control = self.crew.control();
        let Some(due) = control.instant(control.queue_due()) else { return };
        if due > now {
            return self.timer.set(due, now, myself);
        }
        if backlog.expired == 0 {
            return;
        }
        match self.usher() {
            None => self.hire(true, myself).await,
            Some(usher) => {
                if control.resume(&usher.seat) && usher.actor.send_message(Resume).is_err() {
                    control.vacate(&usher.seat);
                }
            }
        }
    }

    /// How many children there are that make attempts.
    pub(super) fn hired(&self) -> usize {
        self.children.len() - usize::from(self.usher().is_some())
    }

    /// How many of them work.
    pub(super) fn driving(&self) -> usize {
        // In this order: should the usher park meanwhile, one child too many is sent rather than one too few.
        let usher = self.usher().is_some_and(|usher| usher.seat.is(Duty::Working));
        self.crew.control().driving().saturating_sub(usize::from(usher))
    }

    /// The usher, while there is one.
    fn usher(&self) -> Option<&Member> {
        match self.crew.control().queue_due() {
            NEVER => None,
            _ => self.children.values().find(|member| member.seat.usher),
        }
    }
}

/// What the usher does: pulls the branches that have not started, and gives each its outcome.
pub(super) async fn show_out<W: Work>(run: &Run<W>, place: &Place<W::Output>) -> Leave {
    let control = run.control();
    let mut stretch = Stretch::starting(control.now());
    loop {
        // The iterator is the user's.
        place.seat.set_polling(true);
        let (index, cause) = match run.pull_expired() {
            Pulled::Branch(branch) => {
                super::discard(branch.job);
                (branch.index, control.queue_timed_out())
            }
            Pulled::Panicked { index, message } => (index, Cause::Panicked(message)),
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
