//! What can be said of a launch, beside its key.

use std::fmt::Display;
use std::time::{Duration, SystemTime};

use super::request::Launch;
use crate::journal::{Delivery, Due};
use crate::policy::{Restart, positive};
use crate::user_code::name_of;

impl<O> Launch<O> {
    /// Starts it no earlier than this span after it is recorded; as soon as there is a slot unless set.
    ///
    /// The wait goes on where it was when the system is started anew, with the time that has passed meanwhile: on a machine
    /// whose clock was set back it takes no longer than `delay` from then on. Of `delay` and [`at`](Launch::at), the last
    /// one counts.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.due = Due::After(delay);
        self
    }

    /// Starts it no earlier than this time of the wall clock, and within 2 s of it if the clock is set forward meanwhile.
    /// At once if that time is over.
    ///
    /// If the clock is set back, the launch waits for that time all the same; for a wait that does not depend on it there
    /// is [`delay`](Launch::delay). Of the two, the last one counts.
    pub fn at(mut self, time: SystemTime) -> Self {
        self.due = Due::At(time);
        self
    }

    /// Which of its agent's launches starts first when there are more than slots: the highest; 0 unless set, and it may be
    /// negative. Of equal ones it is the one that was due first. Agents take turns whatever their launches' priorities
    /// are, and every eighth start of an agent is that of its oldest launch, so that none waits for ever.
    pub fn priority(mut self, priority: i32) -> Self {
        self.terms.priority = priority;
        self
    }

    /// Puts it in a lane, whose name has 1 to 256 bytes: launches of one lane run one at a time, in the order in which they
    /// were recorded. Those that are launched at the same time are recorded in any order.
    ///
    /// A lane waits for the first of its launches that is not done, dead or cancelled: while that is delayed, waits for
    /// another attempt, is parked or ambiguous, the others wait as well, whatever their priorities are. A dead one that is
    /// requeued goes back to its place, which is before all that were recorded after it. Lanes belong to the journal:
    /// launches of different agents may share one, and then wait for each other. An agent should not wait for the outcome of
    /// a launch that it has put behind its own in the same lane: that does not start before it has ended. The log says so if it
    /// does.
    ///
    /// # Panics
    /// If the `Display` of the name panics or fails.
    pub fn lane(mut self, name: impl Display) -> Self {
        self.terms.lane = Some(name_of(&name));
        self
    }

    /// Allows as many attempts, with such waits between them, instead of what the agent's reference says.
    pub fn restart(mut self, policy: Restart) -> Self {
        self.terms.restart = policy;
        self.has_restart = true;
        self
    }

    /// Limits each attempt, instead of what the agent's reference says.
    ///
    /// # Panics
    /// If `limit` is zero.
    #[track_caller]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.terms.timeout =
            Some(positive(limit, "a timeout", "leave it out for no other limit than the agent's"));
        self
    }

    /// Runs its body at most once, also where its agent may run more often; see
    /// [`AgentRef::at_most_once`](crate::AgentRef::at_most_once). What the agent's reference says of restarts does not count
    /// then. There is no way back: a launch of an agent that runs at most once does so, too.
    pub fn at_most_once(mut self) -> Self {
        self.terms.delivery = Delivery::AtMostOnce;
        if !self.has_restart {
            self.terms.restart = Restart::attempts(1);
        }
        self
    }

    /// How long the launch is kept after it is done or cancelled, with its outcome and its key; a day unless set.
    ///
    /// Then it is removed, within about a minute: its ticket says [`Unknown`](crate::TicketError::Unknown), and launching
    /// again under its key is a new launch. A launch that is not over, or that is dead or ambiguous, is kept until somebody
    /// decides. With `Duration::ZERO` it may be gone before anybody has read the outcome: for launches of which nobody
    /// wants one. `Duration::MAX` keeps it for ever.
    ///
    /// It is recorded with the launch: launching again under its key does not change it.
    pub fn retain(mut self, time: Duration) -> Self {
        self.terms.retention = time;
        self
    }

    /// How many deaths of its process the launch survives while it is the only suspect that runs; after the last of them it is
    /// a dead letter. The default is 3, and `u32::MAX` means that there is no such limit.
    ///
    /// What runs when a process dies becomes a suspect, which does not count yet: suspects run again one at a time, and from
    /// then on each death is that of one launch. An attempt that ends by itself takes the suspicion away, but not the count.
    ///
    /// # Panics
    /// If `deaths` is zero.
    #[track_caller]
    pub fn max_crashes(mut self, deaths: u32) -> Self {
        assert!(
            deaths > 0,
            "`max_crashes` needs at least one death: with none, a launch would be dead before any"
        );
        self.terms.max_crashes = deaths;
        self
    }
}
