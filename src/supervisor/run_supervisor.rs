//! The run supervisor actor.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ractor::{Actor, ActorCell, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::child::{Child, Post};
use super::control::Stop;
use super::crew::Crew;
use super::message::{Resume, Wake};
use super::queue::Backlog;
use super::seat::{NEVER, Seat};
use super::timer::Timer;
use crate::outcome::Cause;

/// Supervises one run. It hosts no attempt and polls no code of the user's, so it always answers.
pub(super) struct RunSupervisor;

/// How long an attempt that was told to stop may take to reach an `.await` before it counts as not stopped.
const YIELD_GRACE: Duration = Duration::from_millis(50);

/// How much longer the last children of a stopped run are waited for if they only have to be scheduled to end.
const LONGEST_END: Duration = Duration::from_secs(1);

/// How long bodies that did not stop may hold every slot before the branches without one are given up.
const STUCK_AFTER: Duration = Duration::from_secs(1);

pub(super) struct State {
    crew: Arc<dyn Crew>,
    children: HashMap<ActorId, Member>,
    vacant: Vec<Arc<Seat>>,
    workers: usize,
    timer: Timer,
    /// When to look for attempts that do not yield.
    watch_at: Option<Instant>,
    /// When the run is stuck unless a slot comes free.
    stuck_at: Option<Instant>,
    closing: Option<Closing>,
}

struct Member {
    actor: ActorRef<Resume>,
    seat: Arc<Seat>,
}

/// The end of a run: nothing is pulled any more, children end by themselves or are killed.
struct Closing {
    kill_at: Instant,
    killed: bool,
    leave_at: Instant,
}

#[cfg_attr(feature = "async-trait", ractor::async_trait)]
impl Actor for RunSupervisor {
    type Msg = Wake;
    type State = State;
    type Arguments = Arc<dyn Crew>;

    async fn pre_start(
        &self,
        myself: ActorRef<Wake>,
        crew: Arc<dyn Crew>,
    ) -> Result<State, ActorProcessingErr> {
        crew.control().attend(myself);
        Ok(State {
            crew,
            children: HashMap::new(),
            vacant: Vec::new(),
            workers: Handle::current().metrics().num_workers(),
            timer: Timer::default(),
            watch_at: None,
            stuck_at: None,
            closing: None,
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
        if let (Some(limit), Some(deadline)) = (control.limits.deadline, control.deadline()) {
            if deadline <= now {
                control.stop(Stop::Deadline(limit));
            } else {
                self.timer.set(deadline, myself);
            }
        }
        if control.is_open() {
            self.watch(now, myself);
            // In this order: once no child makes an attempt, the backlog does not grow any more.
            let idle = control.is_idle();
            let backlog = crew.backlog(now);
            if self.is_stuck(&backlog, now, myself) {
                control.stop(Stop::Stuck);
            } else {
                self.staff(&backlog, myself).await;
            }
            if let Some(due) = backlog.next_due {
                self.timer.set(due, myself);
            }
            if backlog.done && idle {
                self.closing.get_or_insert(Closing { kill_at: now, killed: false, leave_at: now });
            }
        }
        if self.closing.is_none() && !control.is_open() {
            let kill_at = now.checked_add(control.limits.stop_grace).unwrap_or(now);
            self.closing = Some(Closing { kill_at, killed: false, leave_at: kill_at });
        }
        self.close(now, myself);
    }

    /// Sends as many children to work as there is work, threads to run them, and room under the cap.
    ///
    /// A child that computes needs a thread, one that waits does not. So there are as many children as wait, and one
    /// more for each thread; they double, so that a wide run of long waits is under way soon.
    async fn staff(&mut self, backlog: &Backlog, myself: &ActorRef<Wake>) {
        let crew = Arc::clone(&self.crew);
        let control = crew.control();
        let (driving, suspended) = (control.driving(), control.suspended());
        let wanted = (suspended + self.workers).max(2 * suspended).min(control.limits.concurrency);
        let mut missing = wanted.saturating_sub(driving).min(backlog.ready);
        control.may_grow.store(
            backlog.ready > missing && driving + missing < control.limits.concurrency,
            Ordering::Release,
        );
        if missing > 0 {
            for member in self.children.values() {
                if missing > 0 && control.resume(&member.seat) {
                    if member.actor.send_message(Resume).is_err() {
                        control.vacate(&member.seat);
                    } else {
                        missing -= 1;
                    }
                }
            }
        }
        while missing > 0 && self.children.len() < control.limits.concurrency {
            self.hire(myself).await;
            missing -= 1;
        }
    }

    async fn hire(&mut self, myself: &ActorRef<Wake>) {
        let seat = self.vacant.pop().unwrap_or_else(|| self.crew.new_seat());
        self.crew.control().occupy(&seat);
        let post = Post { crew: Arc::clone(&self.crew), seat: Arc::clone(&seat) };
        // No name: names of actors are global to the process.
        match Child::spawn_linked(None, Child, post, myself.get_cell()).await {
            Ok((actor, _)) => {
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
            let mut next = now.checked_add(shortest.saturating_add(grace));
            for member in self.children.values() {
                let Some(occupant) = member.seat.occupant().filter(|occupant| occupant.due != NEVER) else {
                    continue;
                };
                let control = self.crew.control();
                let Some(overdue) = control.moment(occupant.due).and_then(|due| due.checked_add(grace))
                else {
                    continue;
                };
                if overdue > now {
                    next = next.map_or(Some(overdue), |next| Some(next.min(overdue)));
                } else if occupant.polling {
                    let cause = Cause::TimedOut { limit: occupant.limit, stopped: false };
                    self.crew.give_up(&member.seat, &occupant, cause);
                    member.actor.kill();
                    control.hold(&member.seat);
                } else {
                    // Its own timer has rung, and it has only to be scheduled.
                    next = next.map(|next| next.min(now + YIELD_GRACE));
                }
            }
            self.watch_at = next;
        }
        if let Some(at) = self.watch_at {
            self.timer.set(at, myself);
        }
    }

    /// Whether bodies that do not stop have held every slot for too long while branches wait for one.
    fn is_stuck(&mut self, backlog: &Backlog, now: Instant, myself: &ActorRef<Wake>) -> bool {
        let control = self.crew.control();
        if backlog.done || control.held() < control.limits.concurrency {
            self.stuck_at = None;
            return false;
        }
        let at = *self.stuck_at.get_or_insert(now + STUCK_AFTER);
        self.timer.set(at, myself);
        at <= now
    }

    /// Ends the run: waits for its children, kills those that are left, and stops.
    fn close(&mut self, now: Instant, myself: &ActorRef<Wake>) {
        let Some(closing) = &mut self.closing else { return };
        let control = self.crew.control();
        if !closing.killed && (control.is_idle() || closing.kill_at <= now) {
            closing.killed = true;
            closing.leave_at = now + YIELD_GRACE;
            closing.kill_at = now;
            for member in self.children.values() {
                member.actor.kill();
            }
        }
        if !closing.killed {
            self.timer.set(closing.kill_at, myself);
            return;
        }
        let is_held = |member: &Member| member.seat.held.load(Ordering::Acquire);
        if self.children.values().all(is_held) {
            return myself.stop(None);
        }
        if closing.leave_at <= now {
            let ending = |member: &Member| member.seat.occupant().is_none_or(|occupant| !occupant.polling);
            let patient = now < closing.kill_at + LONGEST_END;
            if patient && self.children.values().any(|member| !is_held(member) && ending(member)) {
                closing.leave_at = now + YIELD_GRACE;
            } else {
                return myself.stop(None);
            }
        }
        self.timer.set(closing.leave_at, myself);
    }
}
