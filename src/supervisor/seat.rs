//! The place of one child.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use crate::agent::Bodies;

/// The place of one child in its run: which attempt runs there, since when, until when.
///
/// The child writes at every attempt, with plain stores; the supervisor reads when it looks for attempts that do not
/// yield, and the caller when the run is over. Who reads and then acts must win [`claim`](Seat::claim): each attempt
/// is concluded once, by its child or by whoever gave it up.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) number: usize,
    pub(super) role: Role,
    /// [`IDLE`], or the ticket of the attempt that runs here.
    current: AtomicU64,
    tickets: AtomicU64,
    index: AtomicUsize,
    attempts: AtomicU32,
    /// The other times are [`Moment`]s.
    branch_started: AtomicU64,
    started: AtomicU64,
    due: AtomicU64,
    /// When the last attempt had ended at the latest; [`NEVER`] while the next reading of the clock is to tell.
    ended: AtomicU64,
    /// Whether code of the user's is being executed right now, as opposed to waiting at an `.await`.
    polling: AtomicBool,
    /// [`Duty`] of the child.
    duty: AtomicU8,
    /// Whether a body that did not stop holds the place.
    pub(super) held: AtomicBool,
    pub(super) bodies: Arc<Bodies>,
}

const IDLE: u64 = 0;

/// What a child is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// To make attempts.
    Worker,
    /// To poll the stream of the items.
    Usher,
    /// To end branches that have waited for too long.
    Reaper,
}

/// A moment of a run: nanoseconds since its start. It fits an atomic, and is cheaper to work with than an `Instant`.
pub(super) type Moment = u64;

/// The moment that never comes.
pub(super) const NEVER: Moment = Moment::MAX;

/// What the child of a seat is doing.
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
pub(super) struct Occupant {
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

/// What a child notes down when it takes a branch.
pub(super) struct Entry {
    pub(super) index: usize,
    /// How many attempts were started before.
    pub(super) attempts: u32,
    pub(super) branch_started: Moment,
}

impl Seat {
    pub(super) fn new(number: usize, role: Role) -> Self {
        Self {
            number,
            role,
            current: AtomicU64::new(IDLE),
            tickets: AtomicU64::new(IDLE),
            index: AtomicUsize::new(0),
            attempts: AtomicU32::new(0),
            branch_started: AtomicU64::new(0),
            started: AtomicU64::new(NEVER),
            due: AtomicU64::new(NEVER),
            ended: AtomicU64::new(0),
            polling: AtomicBool::new(false),
            duty: AtomicU8::new(Duty::Gone as u8),
            held: AtomicBool::new(false),
            bodies: Arc::default(),
        }
    }

    pub(super) fn is(&self, duty: Duty) -> bool {
        self.duty.load(Ordering::Acquire) == duty as u8
    }

    /// Whether anything runs here: a child, or a body that it has left behind.
    pub(super) fn is_running(&self) -> bool {
        self.is(Duty::Working) || self.bodies.any_running()
    }

    /// Changes the duty, and says whether it was `from` before. Only then it changes.
    pub(super) fn change(&self, from: Duty, to: Duty) -> bool {
        self.duty.compare_exchange(from as u8, to as u8, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// The child has taken a branch, and prepares an attempt. Returns its ticket.
    #[inline]
    pub(super) fn begin(&self, entry: &Entry) -> u64 {
        // Only the child of this seat draws tickets, so this need not be one atomic step.
        let ticket = self.tickets.load(Ordering::Relaxed) + 1;
        self.tickets.store(ticket, Ordering::Relaxed);
        self.index.store(entry.index, Ordering::Relaxed);
        self.attempts.store(entry.attempts, Ordering::Relaxed);
        self.branch_started.store(entry.branch_started, Ordering::Relaxed);
        self.started.store(NEVER, Ordering::Relaxed);
        self.due.store(NEVER, Ordering::Relaxed);
        self.polling.store(true, Ordering::Relaxed);
        self.current.store(ticket, Ordering::Release);
        ticket
    }

    /// The attempt with this number starts, and its clock.
    #[inline]
    pub(super) fn start(&self, attempt: u32, started: Moment, due: Moment) {
        self.attempts.store(attempt, Ordering::Relaxed);
        // Who sees that it has started sees its number.
        self.started.store(started, Ordering::Release);
        self.due.store(due, Ordering::Relaxed);
        self.set_polling(true);
    }

    /// The agent's code is entered or left at an `.await`.
    #[inline]
    pub(super) fn set_polling(&self, polling: bool) {
        self.polling.store(polling, Ordering::Relaxed);
    }

    pub(super) fn is_polling(&self) -> bool {
        self.polling.load(Ordering::Relaxed)
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

    /// Concludes the attempt with this ticket. `false` if somebody else has done so.
    ///
    /// Whoever calls this holds the lock of the place's outcomes: so whoever collects finds either the attempt or what
    /// became of it, and this need not be one atomic step.
    #[inline]
    pub(super) fn claim(&self, ticket: u64) -> bool {
        let mine = self.current.load(Ordering::Acquire) == ticket;
        if mine {
            self.current.store(IDLE, Ordering::Release);
        }
        mine
    }

    /// The attempt that runs here.
    pub(super) fn occupant(&self) -> Option<Occupant> {
        let ticket = self.current.load(Ordering::Acquire);
        if ticket == IDLE {
            return None;
        }
        // If the child moves on while this is read, the ticket no longer claims anything.
        let (started, due) = (self.started.load(Ordering::Acquire), self.due.load(Ordering::Relaxed));
        Some(Occupant {
            ticket,
            index: self.index.load(Ordering::Relaxed),
            attempts: self.attempts.load(Ordering::Relaxed),
            branch_started: self.branch_started.load(Ordering::Relaxed),
            started,
            limit: Duration::from_nanos(due.saturating_sub(started)),
            due,
            polling: self.polling.load(Ordering::Relaxed),
        })
    }
}
