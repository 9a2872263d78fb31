//! The seats of one child.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Waker;

use futures::task::AtomicWaker;

use super::control::Control;
use super::seat::{Duty, Moment, NEVER, Role, Seat};
use crate::agent::Bodies;
use crate::sync::lock;

/// The seats of one child: as many as it has lanes, which is one unless the run is very wide.
///
/// A child with one seat is sent to work by a message. One with several is never done with that message: it waits for
/// its lanes, and is called when another one is wanted.
#[derive(Debug)]
pub(in crate::supervisor) struct Bench {
    pub(super) number: usize,
    pub(super) role: Role,
    pub(super) seats: Box<[Seat]>,
    /// When the last attempt of the only seat had ended at the latest; [`NEVER`] while the next reading of the clock is to
    /// tell.
    ended: AtomicU64,
    called: AtomicBool,
    child: AtomicWaker,
    /// Whether one of the lanes is being executed right now.
    busy: AtomicBool,
    /// Held by whoever vacates the seats for a child that has ended.
    ending: Mutex<()>,
}

impl Bench {
    pub(super) fn new(number: usize, lanes: usize, role: Role) -> Self {
        Self {
            number,
            role,
            seats: Bodies::of_lanes(lanes).map(Seat::new).collect(),
            ended: AtomicU64::new(0),
            called: AtomicBool::new(false),
            child: AtomicWaker::new(),
            busy: AtomicBool::new(false),
            ending: Mutex::new(()),
        }
    }

    /// How many attempts the child makes at once, at most.
    pub(super) fn lanes(&self) -> usize {
        self.seats.len()
    }

    /// Whether attempts share the child.
    pub(super) fn is_shared(&self) -> bool {
        self.seats.len() > 1
    }

    /// The child has ended; another one may take its place.
    pub(super) fn succeed(&self, control: &Control) {
        let _ending = lock(&self.ending);
        self.vacate(control);
        self.seats.first().inspect(|seat| seat.bodies.succeed());
    }

    /// The child that had so many predecessors has ended. If it was succeeded meanwhile, the seats are another one's.
    pub(super) fn vacate_after(&self, predecessors: usize, control: &Control) {
        let _ending = lock(&self.ending);
        if self.predecessors() == predecessors {
            self.vacate(control);
        }
    }

    fn vacate(&self, control: &Control) {
        self.seats.iter().for_each(|seat| control.vacate(seat));
    }

    /// How many children have had this place before.
    pub(super) fn predecessors(&self) -> usize {
        self.seats.first().map_or(0, |seat| seat.bodies.predecessors())
    }

    /// The clock was read. If the end of the last attempt is still to be told, it was before this.
    #[inline]
    pub(super) fn note_reading(&self, now: Moment) {
        if self.awaits_reading() {
            self.ended.store(now, Ordering::Relaxed);
        }
    }

    /// An attempt has ended, and the next reading of the clock is to tell when.
    #[inline]
    pub(super) fn end_at_next_reading(&self) {
        self.ended.store(NEVER, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn awaits_reading(&self) -> bool {
        self.ended() == NEVER
    }

    #[inline]
    pub(super) fn ended(&self) -> Moment {
        self.ended.load(Ordering::Relaxed)
    }

    /// Tells the child to look which of its seats have been sent to work.
    pub(super) fn call(&self) {
        self.called.store(true, Ordering::Release);
        self.child.wake();
    }

    /// From now on the child hears a call through this waker.
    pub(super) fn listen(&self, child: &Waker) {
        self.child.register(child);
    }

    /// Whether the child was called since it asked the last time.
    pub(super) fn was_called(&self) -> bool {
        self.called.swap(false, Ordering::AcqRel)
    }

    /// The child executes its lanes until the guard is dropped.
    pub(super) fn enter(&self) -> Busy<'_> {
        self.busy.store(true, Ordering::Relaxed);
        Busy(&self.busy)
    }

    /// Whether one of the lanes is being executed, so that another one would have to wait for it.
    pub(super) fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Relaxed)
    }

    /// Code of the user's is entered or left that is no attempt's.
    pub(super) fn set_polling(&self, polling: bool) {
        self.seats.iter().for_each(|seat| seat.set_polling(polling));
    }

    pub(super) fn is_polling(&self) -> bool {
        self.seats.iter().any(Seat::is_polling)
    }

    /// Whether an attempt that was given up keeps the child from all its lanes, because it does not yield.
    pub(super) fn is_blocked(&self) -> bool {
        self.seats.iter().any(|seat| seat.is_held() && seat.is_polling())
    }

    /// Whether nothing but bodies that do not stop is left of what the child does, or one of them keeps it from ending.
    pub(super) fn is_held(&self) -> bool {
        let only_held = || self.seats.iter().all(|seat| seat.is_held() || !seat.is(Duty::Working));
        self.is_blocked() || self.seats.iter().any(Seat::is_held) && only_held()
    }

    /// In how many seats a child, or a body that it has left behind, still runs. An usher makes no attempts: it runs while
    /// the stream does not return from being polled.
    pub(in crate::supervisor) fn running(&self) -> usize {
        let ushers = self.role == Role::Usher;
        self.seats.iter().filter(|seat| seat.is_running() || ushers && seat.is_polling()).count()
    }

    pub(super) fn any_bodies(&self) -> bool {
        self.seats.iter().any(|seat| seat.bodies.any_running())
    }
}

/// See [`Bench::enter`].
pub(super) struct Busy<'a>(&'a AtomicBool);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}
