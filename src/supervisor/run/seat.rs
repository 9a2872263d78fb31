//! A seat: where a child makes its attempts, one after the other.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::task::Waker;
use std::time::Duration;

use futures::task::AtomicWaker;

use crate::agent::Bodies;

/// A seat of a child, for one attempt at a time: which attempt runs there, since when, until when.
///
/// The child writes at every attempt, with plain stores; the supervisor reads when it looks for attempts that do not
/// yield, and the caller when the run is over. Who reads and then acts must win [`claim`](Seat::claim): each attempt
/// is concluded once, by its child or by whoever gave it up.
#[derive(Debug)]
pub(in crate::supervisor) struct Seat {
    /// The ticket of the attempt that runs here; with [`RUNS`] taken away once it is concluded. Each is greater than the
    /// one before.
    ticket: AtomicU64,
    index: AtomicUsize,
    attempts: AtomicU32,
    /// The other times are [`Moment`]s.
    branch_started: AtomicU64,
    started: AtomicU64,
    due: AtomicU64,
    /// Whether code of the user's is being executed right now, as opposed to waiting at an `.await`.
    polling: AtomicBool,
    /// [`Duty`] of the child here.
    duty: AtomicU8,
    /// Whether a body that did not stop holds the seat.
    pub(super) held: AtomicBool,
    /// Whether the child is here: on its way to a branch, or with one.
    open: AtomicBool,
    /// How the attempt stands with its [`Alarm`](super::child).
    alarm: AtomicU8,
    /// Wakes the lane of the seat, where the child has several.
    lane: AtomicWaker,
    pub(super) bodies: Bodies,
}

/// What a ticket has and a concluded one has not.
const RUNS: u64 = 1;

/// The attempt does not wait, or not for the alarm.
const SILENT: u8 = 0;
/// It is to be woken when it is due.
const SET: u8 = 1;
/// Its time is up.
const RUNG: u8 = 2;

/// A moment of a run: nanoseconds since its start. It fits an atomic, and is cheaper to work with than an `Instant`.
pub(super) type Moment = u64;

/// The moment that never comes.
pub(super) const NEVER: Moment = Moment::MAX;

/// What a child is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::supervisor) enum Role {
    /// To make attempts.
    Worker,
    /// To poll the stream of the items.
    Usher,
    /// To end branches that have waited for too long.
    Reaper,
}

/// What the child is doing in a seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Duty {
    /// There is none, or it will make no further attempt.
    Gone,
    Working,
    /// It waits for more work.
    Parked,
}

/// An attempt as it stands in its seat.
#[derive(Debug, Clone, Copy)]
pub(in crate::supervisor) struct Occupant {
    pub(super) ticket: u64,
    pub(super) index: usize,
    /// How many attempts were started, this one included once its clock runs.
    pub(super) attempts: u32,
    pub(super) branch_started: Moment,
    /// When the attempt started; [`NEVER`] while it is prepared.
    pub(super) started: Moment,
    pub(super) limit: Duration,
    pub(super) due: Moment,
    pub(super) polling: bool,
}

/// The part of a branch that is needed after its attempt has taken the rest.
#[derive(Clone, Copy)]
pub(super) struct Turn {
    pub(super) ticket: u64,
    pub(super) index: usize,
    pub(super) attempt: u32,
    /// When the first attempt started.
    pub(super) started: Moment,
}

/// What a child notes down when it takes a branch.
pub(super) struct Entry {
    pub(super) index: usize,
    /// How many attempts were started before.
    pub(super) attempts: u32,
    pub(super) branch_started: Moment,
}

impl Seat {
    pub(super) fn new(bodies: Bodies) -> Self {
        Self {
            ticket: AtomicU64::new(0),
            index: AtomicUsize::new(0),
            attempts: AtomicU32::new(0),
            branch_started: AtomicU64::new(0),
            started: AtomicU64::new(NEVER),
            due: AtomicU64::new(NEVER),
            polling: AtomicBool::new(false),
            duty: AtomicU8::new(Duty::Gone as u8),
            held: AtomicBool::new(false),
            open: AtomicBool::new(false),
            alarm: AtomicU8::new(SILENT),
            lane: AtomicWaker::new(),
            bodies,
        }
    }

    pub(super) fn is_held(&self) -> bool {
        self.held.load(Ordering::Acquire)
    }

    pub(super) fn is(&self, duty: Duty) -> bool {
        self.duty.load(Ordering::Acquire) == duty as u8
    }

    /// Whether anything runs here: a child, or a body that it has left behind.
    pub(super) fn is_running(&self) -> bool {
        self.is(Duty::Working) || self.bodies.any_running()
    }

    /// Whether a lane is to be opened here, because the child has been sent to the seat and is not there yet.
    pub(super) fn is_awaited(&self) -> bool {
        self.is(Duty::Working) && !self.open.load(Ordering::Relaxed)
    }

    /// The child comes to the seat. Only the child does, and leaves.
    pub(super) fn open(&self) {
        self.open.store(true, Ordering::Relaxed);
    }

    /// The child leaves the seat. `false` if it had before.
    pub(super) fn close(&self) -> bool {
        let open = self.open.load(Ordering::Relaxed);
        self.open.store(false, Ordering::Relaxed);
        open
    }

    /// Changes the duty, and says whether it was `from` before. Only then it changes.
    pub(super) fn change(&self, from: Duty, to: Duty) -> bool {
        self.duty.compare_exchange(from as u8, to as u8, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// The child has taken a branch, and prepares an attempt. It has a ticket from now on.
    #[inline]
    pub(super) fn begin(&self, entry: &Entry) {
        // Only the child of this seat draws tickets, so this need not be one atomic step.
        let ticket = (self.ticket.load(Ordering::Relaxed) | RUNS) + 2;
        self.index.store(entry.index, Ordering::Relaxed);
        self.attempts.store(entry.attempts, Ordering::Relaxed);
        self.branch_started.store(entry.branch_started, Ordering::Relaxed);
        self.started.store(NEVER, Ordering::Relaxed);
        self.due.store(NEVER, Ordering::Relaxed);
        self.polling.store(true, Ordering::Relaxed);
        self.ticket.store(ticket, Ordering::Release);
    }

    /// The attempt with this number starts, and its clock.
    #[inline]
    pub(super) fn start(&self, attempt: u32, branch_started: Moment, started: Moment, due: Moment) {
        self.attempts.store(attempt, Ordering::Relaxed);
        self.branch_started.store(branch_started, Ordering::Relaxed);
        self.alarm.store(SILENT, Ordering::Relaxed);
        // Who sees that it has started sees its number.
        self.started.store(started, Ordering::Release);
        self.due.store(due, Ordering::Relaxed);
        self.set_polling(true);
    }

    /// What the child has noted of the attempt that it makes, or that was given up.
    pub(super) fn turn(&self) -> Turn {
        Turn {
            ticket: self.ticket.load(Ordering::Relaxed) | RUNS,
            index: self.index.load(Ordering::Relaxed),
            attempt: self.attempts.load(Ordering::Relaxed),
            started: self.branch_started.load(Ordering::Relaxed),
        }
    }

    /// How long the attempt may take; a very long time if there is no limit.
    pub(super) fn limit(&self) -> Duration {
        let (started, due) = (self.started.load(Ordering::Relaxed), self.due.load(Ordering::Relaxed));
        Duration::from_nanos(due.saturating_sub(started))
    }

    /// The attempt waits, and is to be woken when it is due. Gives when that is; `None` if it never is.
    pub(super) fn set_alarm(&self, lane: Option<&Waker>) -> Option<Moment> {
        let due = Some(self.due.load(Ordering::Relaxed)).filter(|due| *due != NEVER)?;
        if let Some(lane) = lane {
            self.lane.register(lane);
        }
        self.alarm.store(SET, Ordering::Relaxed);
        Some(due)
    }

    /// Wakes the attempt if it waits and is due. Gives when it is due, if that is later.
    pub(super) fn ring_if_due(&self, now: Moment) -> Option<Moment> {
        if self.alarm.load(Ordering::Relaxed) != SET {
            return None;
        }
        let due = self.due.load(Ordering::Relaxed);
        if due > now {
            return Some(due);
        }
        self.alarm.store(RUNG, Ordering::Relaxed);
        self.lane.wake();
        None
    }

    /// Whether the time of the attempt is up. The clock is read only if the attempt has a limit.
    pub(super) fn is_overdue(&self, now: impl FnOnce() -> Moment) -> bool {
        let due = self.due.load(Ordering::Relaxed);
        due != NEVER && due <= now()
    }

    /// Whether the alarm has rung for the attempt.
    pub(super) fn has_rung(&self) -> bool {
        self.alarm.load(Ordering::Relaxed) == RUNG
    }

    /// The agent's code is entered or left at an `.await`.
    #[inline]
    pub(super) fn set_polling(&self, polling: bool) {
        self.polling.store(polling, Ordering::Relaxed);
    }

    pub(super) fn is_polling(&self) -> bool {
        self.polling.load(Ordering::Relaxed)
    }

    /// Concludes the attempt with this ticket. `false` if somebody else has done so.
    ///
    /// Whoever calls this holds the lock of the place's outcomes: so whoever collects finds either the attempt or what
    /// became of it, and this need not be one atomic step.
    #[inline]
    pub(super) fn claim(&self, ticket: u64) -> bool {
        let mine = self.ticket.load(Ordering::Acquire) == ticket;
        if mine {
            self.ticket.store(ticket & !RUNS, Ordering::Release);
        }
        mine
    }

    /// The attempt that runs here.
    pub(super) fn occupant(&self) -> Option<Occupant> {
        let ticket = self.ticket.load(Ordering::Acquire);
        if ticket & RUNS == 0 {
            return None;
        }
        // If the child moves on while this is read, the ticket no longer claims anything.
        let started = self.started.load(Ordering::Acquire);
        Some(Occupant {
            ticket,
            index: self.index.load(Ordering::Relaxed),
            attempts: self.attempts.load(Ordering::Relaxed),
            branch_started: self.branch_started.load(Ordering::Relaxed),
            started,
            limit: self.limit(),
            due: self.due.load(Ordering::Relaxed),
            polling: self.polling.load(Ordering::Relaxed),
        })
    }
}
