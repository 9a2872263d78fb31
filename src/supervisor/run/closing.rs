//! How a run ends.

use std::time::Duration;

use ractor::ActorRef;
use tokio::time::Instant;

use super::control::YIELD_GRACE;
use super::staff::Member;
use super::supervisor::{LOOK_AGAIN, State};
use crate::supervisor::message::Wake;
use crate::supervisor::tree::LAST_WORDS;

/// How much longer the last children of a stopped run are waited for if they only have to be scheduled to end.
const LONGEST_END: Duration = Duration::from_secs(1);

/// The end of a run: nothing is pulled any more, children end by themselves or are killed.
pub(super) struct Closing {
    pub(super) kill_at: Instant,
    pub(super) killed: bool,
    pub(super) leave_at: Instant,
}

impl State {
    /// Ends the run: waits for its children and what they have started, kills those that are left, and stops.
    pub(super) fn close(&mut self, now: Instant, myself: &ActorRef<Wake>) {
        let idle = self.closing.is_some() && self.is_idle(self.sent_in_vain());
        let Some(closing) = &mut self.closing else { return };
        if !closing.killed && (idle || closing.kill_at <= now) {
            closing.killed = true;
            closing.leave_at = now + YIELD_GRACE;
            closing.kill_at = now;
            for member in self.children.values() {
                member.actor.kill();
            }
        }
        if !closing.killed {
            return self.timer.set(closing.kill_at, now, myself);
        }
        let is_held = |member: &Member| member.bench.is_held();
        let bodies = self.vacant.iter().any(|bench| bench.any_bodies());
        if !bodies && self.children.values().all(is_held) {
            return self.leave(now, myself);
        }
        if closing.leave_at <= now {
            let ending = |member: &Member| !member.bench.is_polling();
            let patient = now < closing.kill_at + LONGEST_END;
            if patient && self.children.values().any(|member| !is_held(member) && ending(member)) {
                closing.leave_at = now + YIELD_GRACE;
            } else {
                return self.leave(now, myself);
            }
        }
        // The death of a child wakes the supervisor, the return of a body does not.
        let next = if bodies { closing.leave_at.min(now + LOOK_AGAIN) } else { closing.leave_at };
        self.timer.set(next, now, myself);
    }

    /// Ends the supervisor, which would kill the actors of the user's that are linked to it: they stop before.
    fn leave(&mut self, now: Instant, myself: &ActorRef<Wake>) {
        let guests = self.crew.control().guests(|actor| self.children.contains_key(&actor.get_id()));
        if self.guests_until.is_none() {
            guests.iter().for_each(|guest| guest.stop(None));
        }
        let until = *self.guests_until.get_or_insert(now + LAST_WORDS);
        if guests.is_empty() || until <= now {
            return myself.stop(None);
        }
        // One that has died is seen here until it is unlinked, a moment after its death is known.
        self.timer.set(until.min(now + LOOK_AGAIN), now, myself);
    }
}
