//! The run supervisor actor.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ractor::{Actor, ActorCell, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::child::{Child, Post};
use super::closing::Closing;
use super::control::{Stop, YIELD_GRACE};
use super::crew::Crew;
use super::message::{Resume, Wake};
use super::queue::Backlog;
use super::seat::{NEVER, Role, Seat};
use super::timer::Timer;
use super::tree::Admission;
use super::usher;
use crate::outcome::Cause;

/// Supervises one run. It hosts no attempt and polls no code of the user's, so it always answers.
pub(super) struct RunSupervisor;

/// When to look again at what changes without a sign.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// A moment for what nothing asks for: a watch or a kill beyond what the clock can tell.
const FAR_AWAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long bodies that did not stop may hold every slot before the branches without one are given up.
const STUCK_AFTER: Duration = Duration::from_secs(1);

/// What a run supervisor is to supervise.
pub(super) struct Assignment {
    pub(super) crew: Arc<dyn Crew>,
    /// The run's place in a system, for as long as it is supervised.
    pub(super) admission: Option<Admission>,
}

pub(super) struct State {
    pub(super) crew: Arc<dyn Crew>,
    _admission: Option<Admission>,
    pub(super) children: HashMap<ActorId, Member>,
    /// How many of them make attempts.
    hired: usize,
    pub(super) vacant: Vec<Arc<Seat>>,
    workers: usize,
    pub(super) timer: Timer,
    /// When to look for attempts that do not yield.
    watch_at: Option<Instant>,
    /// When the run is stuck unless a slot comes free, and how many had when this was found.
    stuck: Option<(Instant, usize)>,
    pub(super) closing: Option<Closing>,
    /// How long the run's guests may take to stop, once they are told to.
    pub(super) guests_until: Option<Instant>,
}

pub(super) struct Member {
    pub(super) actor: ActorRef<Resume>,
    pub(super) seat: Arc<Seat>,
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
        let children = usher::hire(&crew, &myself).await;
        Ok(State {
            crew,
            _admission: admission,
            hired: 0,
            children,
            vacant: Vec::new(),
            workers: Handle::current().metrics().num_workers(),
            timer: Timer::default(),
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
        match event {
            SupervisionEvent::ActorTerminated(child, _, _) => state.bury(&child, None),
            SupervisionEvent::ActorFailed(child, error) => state.bury(&child, Some(error.to_string())),
            _ => return Ok(()),
        }
        state.look(&myself).await;
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
            let (releases, idle) = (control.releases(), control.is_idle());
            match crew.backlog(now) {
                None => self.timer.set(now + LOOK_AGAIN, now, myself),
                Some(backlog) => {
                    self.staff(&backlog, now, myself).await;
                    self.send_reaper(&backlog, now, myself).await;
                    if backlog.done && idle && control.releases() == releases {
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

    /// Sends as many children to work as there is work, threads to run them, and room under the cap.
    ///
    /// A child that computes needs a thread, one that waits does not. So there are as many children as wait, and one
    /// more for each thread; they double, so that a wide run of long waits is under way soon.
    async fn staff(&mut self, backlog: &Backlog, now: Instant, myself: &ActorRef<Wake>) {
        if self.is_stuck(backlog, now, myself) {
            self.crew.control().stop(Stop::Stuck);
            return;
        }
        if let Some(due) = backlog.next_due {
            self.timer.set(due, now, myself);
        }
        let crew = Arc::clone(&self.crew);
        let control = crew.control();
        let cap = control.limits.concurrency;
        let (driving, suspended) = (self.driving(), control.suspended());
        let wanted = (suspended + self.workers).max(2 * suspended).min(cap);
        let mut missing = wanted.saturating_sub(driving).min(backlog.ready);
        let may_grow = backlog.ready > missing && driving + missing < cap;
        control.may_grow.store(may_grow, Ordering::SeqCst);
        if may_grow && control.suspended() > suspended {
            // It was suspended before it could see that this matters.
            control.wake();
        }
        for member in self.children.values().filter(|member| member.seat.role == Role::Worker) {
            if missing == 0 || control.parked() == 0 {
                break;
            }
            if control.resume(&member.seat) {
                if member.actor.send_message(Resume).is_err() {
                    control.vacate(&member.seat);
                } else {
                    missing -= 1;
                }
            }
        }
        while missing > 0 && self.hired < cap && control.is_open() {
            self.hire(Role::Worker, myself).await;
            missing -= 1;
        }
    }

    pub(super) async fn hire(&mut self, role: Role, myself: &ActorRef<Wake>) {
        // A seat whose bodies have not returned is not free.
        let free = self.vacant.iter().rposition(|seat| seat.role == role && !seat.bodies.any_running());
        let seat = free.map_or_else(|| self.crew.new_seat(role), |free| self.vacant.swap_remove(free));
        self.crew.control().occupy(&seat);
        let post = Post { crew: Arc::clone(&self.crew), seat: Arc::clone(&seat) };
        // No name: names of actors are global to the process.
        match Child::spawn_linked(None, Child, post, myself.get_cell()).await {
            Ok((actor, _)) => {
                self.hired += usize::from(role == Role::Worker);
                self.children.insert(actor.get_id(), Member { actor, seat });
            }
            Err(error) => {
                tracing::error!(%error, "a child could not be started");
                self.crew.control().vacate(&seat);
                self.vacant.push(seat);
            }
        }
    }

    /// A child is dead. Its seat is free again.
    fn bury(&mut self, child: &ActorCell, error: Option<String>) {
        let Some(Member { seat, .. }) = self.children.remove(&child.get_id()) else { return };
        self.hired -= usize::from(seat.role == Role::Worker);
        let control = self.crew.control();
        if control.is_open() {
            // It had an attempt in hand, and nobody has told it to stop.
            if let Some(occupant) = seat.occupant() {
                let cause = error.map_or(Cause::Cancelled { stopped: true }, Cause::Panicked);
                self.crew.give_up(&seat, &occupant, cause);
            }
        }
        control.vacate(&seat);
        self.vacant.push(seat);
    }

    /// Gives up the attempts that have not yielded since their time was up.
    fn watch(&mut self, now: Instant, myself: &ActorRef<Wake>) {
        let Some(shortest) = self.crew.shortest_timeout() else { return };
        let grace = self.crew.control().limits.stop_grace.saturating_add(YIELD_GRACE);
        if self.watch_at.is_none_or(|at| at <= now) {
            // No attempt that starts from now on can be overdue before this.
            let mut next = now.checked_add(shortest.saturating_add(grace)).unwrap_or(now + FAR_AWAY);
            for member in self.children.values() {
                let Some(occupant) = member.seat.occupant().filter(|occupant| occupant.due != NEVER) else {
                    continue;
                };
                let control = self.crew.control();
                let Some(overdue) = control.instant(occupant.due).and_then(|due| due.checked_add(grace))
                else {
                    continue;
                };
                if overdue > now {
                    next = next.min(overdue);
                } else if occupant.polling {
                    let cause = Cause::TimedOut { limit: occupant.limit, stopped: false };
                    // Unless it has yielded at this very moment.
                    if self.crew.give_up(&member.seat, &occupant, cause) {
                        member.actor.kill();
                        control.hold(&member.seat);
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

    /// Whether bodies that do not stop have held every slot for too long while branches wait for one.
    fn is_stuck(&mut self, backlog: &Backlog, now: Instant, myself: &ActorRef<Wake>) -> bool {
        let control = self.crew.control();
        if backlog.exhausted || control.held() < control.limits.concurrency {
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
