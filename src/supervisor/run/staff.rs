//! How many children a run has, and how many of their lanes are open.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use ractor::{Actor, ActorRef};
use tokio::time::Instant;

use super::bench::Bench;
use super::child::{Child, Post};
use super::control::{Control, Stop};
use super::queue::Backlog;
use super::seat::{Duty, Role, Seat};
use super::supervisor::State;
use crate::supervisor::message::{Resume, Wake};
use crate::user_code::printable;

/// With so many children or more, further ones have several lanes, unless something else is said.
const MOST_WITH_ONE_LANE: usize = 500;

/// How many lanes they have. More save little: by then what an attempt needs outweighs its part of the actor.
const LANES: usize = 64;

/// A child as its supervisor knows it.
pub(super) struct Member {
    pub(super) actor: ActorRef<Resume>,
    pub(super) bench: Arc<Bench>,
    /// How many of its lanes have been opened so far: those of the first seats.
    pub(super) opened: usize,
}

impl Member {
    /// Sends the child to work in up to `most` seats where it has found nothing to do before. Returns in how many.
    pub(super) fn resume(&self, control: &Control, most: usize) -> usize {
        let waiting = self.bench.seats[..self.opened].iter().filter(|seat| control.resume(seat));
        let resumed = waiting.take(most).count();
        if resumed > 0 {
            if self.bench.is_shared() {
                self.bench.call();
            } else if self.actor.send_message(Resume).is_err() {
                self.bench.seats.iter().for_each(|seat| control.vacate(seat));
                return 0;
            }
        }
        resumed
    }

    /// Whether it has lanes that have not been opened yet.
    fn has_room(&self) -> bool {
        self.opened < self.bench.lanes()
    }

    /// Opens up to `most` further lanes of a child. Returns how many.
    fn open(&mut self, control: &Control, most: usize) -> usize {
        let opened = most.min(self.bench.lanes() - self.opened);
        if opened > 0 {
            let further = &self.bench.seats[self.opened..self.opened + opened];
            further.iter().for_each(|seat| control.occupy(seat));
            self.opened += opened;
            self.bench.call();
        }
        opened
    }
}

impl State {
    /// Sends as many children to work as there is work, threads to run them, and room under the cap.
    ///
    /// A child that computes needs a thread, one that waits does not. So there are as many attempts as wait, and one
    /// more for each thread; they double, so that a wide run of long waits is under way soon. There are as many lanes
    /// as slots at most, so that the cap holds whatever they do.
    pub(super) async fn staff(&mut self, backlog: &Backlog, now: Instant, myself: &ActorRef<Wake>) {
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
        let driving = self.driving().saturating_sub(self.held_up(|seat| seat.is(Duty::Working)));
        let suspended = control.suspended();
        let wanted = (suspended + self.workers).max(2 * suspended).min(cap);
        let mut missing = wanted.saturating_sub(driving).min(backlog.ready);
        let may_grow = backlog.ready > missing && driving + missing < cap;
        control.may_grow.store(may_grow, Ordering::SeqCst);
        if may_grow && control.suspended() > suspended {
            // It was suspended before it could see that this matters.
            control.wake();
        }
        missing -= self.resume(missing, |bench| !bench.is_busy());
        missing -= self.resume(missing, |bench| !bench.is_blocked());
        if self.hands >= self.workers {
            missing -= self.open_lanes(missing, |bench| !bench.is_busy());
        }
        while missing > 0 && self.lanes < cap && control.is_open() {
            missing = missing.saturating_sub(self.hire(missing, myself).await);
        }
        // A lane of a child that computes begins late, but it begins.
        missing -= self.resume(missing, |_| true);
        self.open_lanes(missing, |_| true);
    }

    /// Sends children to work in up to `most` seats where they have found nothing to do before. Returns in how many.
    fn resume(&self, most: usize, suits: impl Fn(&Bench) -> bool) -> usize {
        let (control, mut resumed) = (self.crew.control(), 0);
        if most == 0 || control.parked() == 0 {
            return 0;
        }
        let suits = |member: &&Member| member.bench.role == Role::Worker && suits(&member.bench);
        for member in self.children.values().filter(suits) {
            resumed += member.resume(control, most - resumed);
            if resumed == most || control.parked() == 0 {
                break;
            }
        }
        resumed
    }

    /// Opens up to `most` lanes of children that there are. Returns how many.
    fn open_lanes(&mut self, most: usize, suits: impl Fn(&Bench) -> bool) -> usize {
        let mut opened = 0;
        let (crew, children) = (&self.crew, &mut self.children);
        self.roomy.retain(|child| {
            let Some(member) = children.get_mut(child) else { return false };
            if opened < most && suits(&member.bench) {
                opened += member.open(crew.control(), most - opened);
            }
            member.has_room()
        });
        opened
    }

    /// Makes one more child and sends it to up to `most` seats. Returns how many have been dealt with.
    async fn hire(&mut self, most: usize, myself: &ActorRef<Wake>) -> usize {
        let lanes = self.lanes_of_the_next();
        let bench = self.bench(lanes, Role::Worker);
        // Each thread shall have a child, before a child has several lanes.
        let opened = if self.hands < self.workers { 1 } else { most.min(lanes) };
        self.employ(bench, opened, myself).await;
        opened
    }

    /// A bench that is free, or a new one. Seats whose bodies have not returned are not free.
    pub(super) fn bench(&mut self, lanes: usize, role: Role) -> Arc<Bench> {
        let suits = |bench: &Arc<Bench>| bench.role == role && bench.lanes() == lanes && !bench.any_bodies();
        let free = self.vacant.iter().rposition(suits);
        free.map_or_else(|| self.crew.new_bench(lanes, role), |free| self.vacant.swap_remove(free))
    }

    /// Makes a child and sends it to the first seats of its bench.
    pub(super) async fn employ(&mut self, bench: Arc<Bench>, opened: usize, myself: &ActorRef<Wake>) {
        let control = self.crew.control();
        bench.seats[..opened].iter().for_each(|seat| control.occupy(seat));
        bench.call();
        let post = Post::new(&self.crew, &bench);
        // No name: names of actors are global to the process.
        match Child::spawn_linked(None, Child, post, myself.get_cell()).await {
            Ok((actor, _)) => {
                if bench.role == Role::Worker {
                    self.hands += 1;
                    self.lanes += bench.lanes();
                }
                let member = Member { bench, opened, actor };
                if member.has_room() {
                    self.roomy.push(member.actor.get_id());
                }
                self.children.insert(member.actor.get_id(), member);
            }
            Err(error) => {
                log_error!(error = %printable(&error), "a child could not be started");
                bench.seats.iter().for_each(|seat| self.crew.control().vacate(seat));
                self.vacant.push(bench);
            }
        }
    }

    /// How many lanes the next child has: no more than there are slots left, and no more than leave one for each thread.
    fn lanes_of_the_next(&self) -> usize {
        let limits = &self.crew.control().limits;
        let lanes = match limits.lanes {
            _ if limits.fresh_children => 1,
            // No more at once than there are already, so that a limit costs nothing that is not used.
            Some(lanes) => lanes.min(limits.concurrency.div_ceil(self.workers)).min(LANES.max(self.lanes)),
            None if self.hands < MOST_WITH_ONE_LANE => 1,
            None => LANES,
        };
        lanes.min(limits.concurrency - self.lanes)
    }

    /// How many such seats are not held themselves, but belong to a child that a body keeps from all its lanes.
    pub(super) fn held_up(&self, counts: impl Fn(&Seat) -> bool) -> usize {
        if self.crew.control().held() == 0 {
            return 0;
        }
        let is_blocked = |member: &&Member| member.bench.is_shared() && member.bench.is_blocked();
        let blocked = self.children.values().filter(is_blocked);
        let seats = blocked.flat_map(|member| &member.bench.seats);
        seats.filter(|seat| !seat.is_held() && counts(seat)).count()
    }

    /// How many seats a child was sent to that cannot come, because a body keeps it from all its lanes. It has taken nothing
    /// there.
    pub(super) fn sent_in_vain(&self) -> usize {
        self.held_up(Seat::is_awaited)
    }

    /// Whether no child makes an attempt that counts, where children were sent to so many seats in vain. Nothing is put
    /// back into the queue then, as long as they do not come.
    pub(super) fn is_idle(&self, sent_in_vain: usize) -> bool {
        let control = self.crew.control();
        control.driving() == control.held() + sent_in_vain
    }
}
