//! The run supervisor actor.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ractor::{Actor, ActorCell, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::bench::Bench;
use super::child::usher;
use super::closing::Closing;
use super::control::{Stop, YIELD_GRACE};
use super::crew::Crew;
use super::queue::Backlog;
use super::seat::{NEVER, Role};
use super::staff::Member;
use crate::outcome::Cause;
use crate::supervisor::death::Death;
use crate::supervisor::message::Wake;
use crate::supervisor::timer::Timer;
use crate::supervisor::tree::Admission;

/// Supervises one run. It hosts no attempt and polls no code of the user's, so it always answers.
pub(super) struct RunSupervisor;

/// When to look again at what changes without a sign.
pub(in crate::supervisor) const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// A moment for what nothing asks for, such as a watch or a kill beyond what the clock can tell: a hundred years.
const FAR_AWAY: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// How long bodies that did not stop may hold every slot before the branches without one are given up.
const STUCK_AFTER: Duration = Duration::from_secs(1);

pub(super) struct State {
    pub(super) crew: Arc<dyn Crew>,
    admission: Option<Admission>,
    pub(super) children: HashMap<ActorId, Member>,
    /// How many of them make attempts.
    pub(super) hands: usize,
    /// The lanes of all children that make attempts.
    pub(super) lanes: usize,
    /// The children that have lanes which have not been opened yet.
    pub(super) roomy: Vec<ActorId>,
    pub(super) vacant: Vec<Arc<Bench>>,
    pub(super) workers: usize,
    pub(super) timer: Timer,
    /// When to look for attempts that do not yield.
    watch_at: Option<Instant>,
    /// When the run is stuck unless a slot comes free, and how many had when this was found.
    stuck: Option<(Instant, usize)>,
    pub(super) closing: Option<Closing>,
    /// How long the run's guests may take to stop, once they are told to.
    pub(super) guests_until: Option<Instant>,
}

/// What a run supervisor is to supervise.
pub(super) struct Assignment {
    pub(super) crew: Arc<dyn Crew>,
    /// The run's place in a system, for as long as it is supervised.
    pub(super) admission: Option<Admission>,
}

#[cfg_attr(feature = "async-trait", ractor::async_trait)]
impl Actor for RunSupervisor {
    type Msg = Wake;
    type State = State;
    type Arguments = Assignment;

    async fn pre_start(
        &self,
        myself: ActorRef<Wake>,
        Assignment { crew, admission }: Assignment,
    ) -> Result<State, ActorProcessingErr> {
        crew.control().attend(myself.clone());
        let timer = Timer::new(crew.has_limits_in_time());
        let children = usher::hire(&crew, &myself).await;
        Ok(State {
            crew,
            admission,
            children,
            hands: 0,
            lanes: 0,
            roomy: Vec::new(),
            vacant: Vec::new(),
            workers: Handle::current().metrics().num_workers(),
            timer,
            watch_at: None,
            stuck: None,
            closing: None,
            guests_until: None,
        })
    }

    async fn post_start(&self, myself: ActorRef<Wake>, state: &mut State) -> Result<(), ActorProcessingErr> {
        state.look(&myself).await;
        Ok(())
    }

    async fn handle(
        &self,
        myself: ActorRef<Wake>,
        _: Wake,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        state.look(&myself).await;
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<Wake>,
        event: SupervisionEvent,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        let Some(Death { actor, has_failed, reason }) = Death::of(event) else { return Ok(()) };
        state.bury(&actor, has_failed.then_some(reason));
        state.look(&myself).await;
        Ok(())
    }

    async fn post_stop(&self, _: ActorRef<Wake>, state: &mut State) -> Result<(), ActorProcessingErr> {
        // The state itself goes to the actor above, which drops it when it comes to it.
        state.admission = None;
        Ok(())
    }
}

impl State {
    /// Looks at the run and does what is to be done, in the order of urgency.
    async fn look(&mut self, myself: &ActorRef<Wake>) {
        let crew = Arc::clone(&self.crew);
        let control = crew.control();
        control.answer();
        let now = Instant::now();
        if let (Some(limit), Some(deadline)) = (control.limits.deadline, control.instant(control.deadline()))
        {
            if deadline <= now {
                control.stop(Stop::Deadline(limit));
            } else {
                self.timer.set(deadline, now, myself);
            }
        }
        if control.is_open() {
            self.watch(now, myself);
            // In this order: while no child makes an attempt that counts, the backlog does not change.
            let (releases, in_vain) = (control.releases(), self.sent_in_vain());
            let idle = self.is_idle(in_vain);
            match crew.backlog(now) {
                None => self.timer.set(now + LOOK_AGAIN, now, myself),
                Some(backlog) => {
                    self.staff(&backlog, now, myself).await;
                    self.send_reaper(&backlog, now, myself).await;
                    let is_still = control.releases() == releases && self.sent_in_vain() == in_vain;
                    if backlog.done && idle && is_still {
                        self.closing.get_or_insert(Closing { kill_at: now, killed: false, leave_at: now });
                    }
                }
            }
        }
        if self.closing.is_none() && !control.is_open() {
            let kill_at = now.checked_add(control.limits.stop_grace).unwrap_or(now + FAR_AWAY);
            self.closing = Some(Closing { kill_at, killed: false, leave_at: kill_at });
        }
        self.close(now, myself);
    }

    /// A child is dead. Its seats are free again.
    fn bury(&mut self, child: &ActorCell, error: Option<String>) {
        let Some(Member { bench, .. }) = self.children.remove(&child.get_id()) else { return };
        let control = self.crew.control();
        for seat in &bench.seats {
            // If it had an attempt in hand, nobody had told it to stop.
            if let Some(occupant) = seat.occupant().filter(|_| control.is_open()) {
                let cause = error.clone().map_or(Cause::Cancelled { stopped: true }, Cause::Panicked);
                self.crew.give_up(&bench, seat, &occupant, cause);
            }
        }
        bench.succeed(control);
        if bench.role == Role::Worker {
            self.hands -= 1;
            self.lanes -= bench.lanes();
        }
        self.vacant.push(bench);
    }

    /// Gives up the attempts that have not yielded since their time was up.
    fn watch(&mut self, now: Instant, myself: &ActorRef<Wake>) {
        let Some(shortest) = self.crew.shortest_timeout() else { return };
        let grace = self.crew.control().limits.stop_grace.saturating_add(YIELD_GRACE);
        if self.watch_at.is_none_or(|at| at <= now) {
            // No attempt that starts from now on can be overdue before this.
            let mut next = now.checked_add(shortest.saturating_add(grace)).unwrap_or(now + FAR_AWAY);
            let seats = self.children.values().flat_map(|member| {
                member.bench.seats[..member.opened].iter().map(move |seat| (member, seat))
            });
            for (Member { actor, bench, .. }, seat) in seats {
                let Some(occupant) = seat.occupant().filter(|occupant| occupant.due != NEVER) else {
                    continue;
                };
                let control = self.crew.control();
                let Some(overdue) = control.instant(occupant.due).and_then(|due| due.checked_add(grace))
                else {
                    continue;
                };
                if overdue > now {
                    next = next.min(overdue);
                } else if occupant.polling || bench.is_blocked() {
                    let cause = Cause::TimedOut { limit: occupant.limit, stopped: false };
                    // Unless it has yielded at this very moment. Other lanes are not to die of it.
                    if self.crew.give_up(bench, seat, &occupant, cause) && !bench.is_shared() {
                        actor.kill();
                    }
                } else {
                    // Its own timer has rung, and it has only to be scheduled.
                    next = next.min(now + YIELD_GRACE);
                }
            }
            self.watch_at = Some(next);
        }
        if let Some(at) = self.watch_at {
            self.timer.set(at, now, myself);
        }
    }

    /// Whether bodies that do not stop have held every slot, or held it up, for too long while branches wait for one.
    pub(super) fn is_stuck(&mut self, backlog: &Backlog, now: Instant, myself: &ActorRef<Wake>) -> bool {
        let control = self.crew.control();
        if backlog.exhausted || control.held() + self.held_up(|_| true) < control.limits.concurrency {
            self.stuck = None;
            return false;
        }
        // Each time that one returns, the others have another chance.
        let releases = control.releases();
        let at = match self.stuck {
            Some((at, before)) if before == releases => at,
            _ => now + STUCK_AFTER,
        };
        self.stuck = Some((at, releases));
        self.timer.set(at, now, myself);
        at <= now
    }
}
