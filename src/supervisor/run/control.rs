//! The untyped part of a run, shared by the supervisor, its children and the caller.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ractor::{ActorCell, ActorRef, ActorStatus};
use tokio::time::Instant;

use super::child::Stretch;
use super::seat::{Duty, Moment, NEVER, Seat};
use crate::agent::RunInfo;
use crate::outcome::{AgentError, Cause};
use crate::policy::Limits;
use crate::supervisor::host::Host;
use crate::supervisor::message::Wake;
use crate::supervisor::tree::Tree;

/// How long an attempt that was told to stop may take to reach an `.await`, and what it has started to end, before it
/// counts as not stopped.
pub(in crate::supervisor) const YIELD_GRACE: Duration = Duration::from_millis(50);

/// What a fan-out says that was awaited elsewhere than in a runtime.
const NO_RUNTIME: &str =
    "a fan-out needs a tokio runtime: await it within one, or enter one with `Runtime::enter` before";

/// Limits, counters, the order to stop, and the bell that wakes the supervisor.
pub(in crate::supervisor) struct Control {
    pub(super) info: Arc<RunInfo>,
    /// Whether the run is nested in an attempt, whose end is its own.
    is_nested: bool,
    pub(super) limits: Limits,
    deadline: Moment,
    supervisor: OnceLock<ActorRef<Wake>>,
    host: OnceLock<Arc<Host>>,
    /// Rung and not yet heard: one message is enough.
    rung: AtomicBool,
    stop: OnceLock<Stop>,
    /// Whether another child would find work; kept by the supervisor, so that attempts need not wake it in vain.
    pub(super) may_grow: AtomicBool,
    /// Attempts that wait at an `.await`.
    suspended: AtomicUsize,
    /// Seats whose child works.
    driving: AtomicUsize,
    /// Those of them that are held by a body which did not stop.
    held: AtomicUsize,
    /// Seats whose child waits for more work.
    parked: AtomicUsize,
    /// How often a body that held a seat has returned after all.
    releases: AtomicUsize,
}

/// Why a run ends before all its branches are done. The first order counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::supervisor) enum Stop {
    /// Its time is up.
    Deadline(Duration),
    /// Outcomes have decided it: the rest is no longer wanted.
    Unwanted,
    /// The attempt in which it is nested was cancelled.
    Cancelled,
    /// Bodies that do not yield hold all its slots.
    Stuck,
    /// The caller is gone, or does not wait for anything any more.
    Abandoned,
    /// The system to which it belongs shuts down.
    ShutDown,
    /// Its supervisor was killed.
    Lost,
    /// Its caller is not within a tokio runtime.
    NoRuntime,
}

impl Stop {
    /// The cause of a branch that the stop has cut short (`running`), or that had no attempt running.
    pub(super) fn cause(self, running: bool, stopped: bool) -> Cause {
        match self {
            Self::Deadline(limit) => Cause::DeadlineExceeded { limit, stopped },
            Self::Stuck if !running => Cause::Stuck,
            Self::NoRuntime => Cause::Failed(AgentError::fatal(NO_RUNTIME).with_code("no_runtime")),
            Self::ShutDown => Cause::ShutDown { stopped },
            Self::Unwanted | Self::Cancelled | Self::Stuck | Self::Abandoned | Self::Lost => {
                Cause::Cancelled { stopped }
            }
        }
    }
}

impl Control {
    pub(super) fn new(info: RunInfo, limits: Limits, is_nested: bool) -> Self {
        // A limit beyond what the clock can tell is none.
        let moment = |limit: Option<Duration>| match limit {
            Some(limit) if info.start.checked_add(limit).is_some() => nanos(limit),
            _ => NEVER,
        };
        Self {
            deadline: moment(limits.deadline),
            info: Arc::new(info),
            is_nested,
            limits,
            supervisor: OnceLock::new(),
            host: OnceLock::new(),
            rung: AtomicBool::new(false),
            stop: OnceLock::new(),
            may_grow: AtomicBool::new(false),
            suspended: AtomicUsize::new(0),
            driving: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
            parked: AtomicUsize::new(0),
            releases: AtomicUsize::new(0),
        }
    }

    /// The supervisor has started, and is woken through this reference from now on.
    pub(super) fn attend(&self, supervisor: ActorRef<Wake>) {
        let host = Host::new(supervisor.get_cell());
        let _ = self.info.host.set(host.clone());
        let _ = self.host.set(host);
        let _ = self.supervisor.set(supervisor);
    }

    /// The actors of the user's that are linked to the supervisor, besides its children.
    pub(super) fn guests(&self, is_child: impl Fn(&ActorCell) -> bool) -> Vec<ActorCell> {
        self.host.get().map(|host| host.guests(is_child)).unwrap_or_default()
    }

    /// Wakes the supervisor. Whoever goes on computing after a `true` yields first: a task that was just woken cannot
    /// be taken by another thread while this one does not let go.
    pub(super) fn wake(&self) -> bool {
        if self.rung.swap(true, Ordering::AcqRel) {
            return false;
        }
        self.supervisor.get().is_some_and(|supervisor| supervisor.send_message(Wake).is_ok())
    }

    /// The supervisor is awake. It looks at the state after this, so that what changes later rings again.
    pub(super) fn answer(&self) {
        self.rung.swap(false, Ordering::AcqRel);
    }

    /// Orders the run to stop: nothing more is pulled, and the supervisor does the rest. `true` if this is the order that
    /// counts.
    pub(in crate::supervisor) fn stop(&self, stop: Stop) -> bool {
        let first = self.stop.set(stop).is_ok();
        if first {
            self.info.cancelled.cancel();
            self.wake();
        }
        first
    }

    pub(super) fn stopped(&self) -> Option<Stop> {
        self.stop.get().copied()
    }

    /// The attempt in which the run is nested was ordered to stop, and the run with it.
    pub(in crate::supervisor) fn stop_with_parent(&self) {
        let is_ending = self.tree().is_some_and(|tree| tree.gate.is_stopping());
        self.stop(if is_ending { Stop::ShutDown } else { Stop::Cancelled });
    }

    /// The order to stop as it stands now. One that was given somewhere above, or whose time has come, counts before it reaches
    /// the run: the attempts of the run may hear of it earlier, through work that is nested in them.
    pub(super) fn order(&self) -> Option<Stop> {
        if self.is_open() && self.deadline != NEVER && self.deadline <= self.now() {
            self.stop(Stop::Deadline(self.limits.deadline.unwrap_or_default()));
        }
        self.order_from_above()
    }

    /// The same, without a look at the clock.
    pub(super) fn order_from_above(&self) -> Option<Stop> {
        if self.is_open() {
            if self.is_nested && self.info.cancelled.is_cancelled() {
                self.stop_with_parent();
            } else if self.tree().is_some_and(|tree| tree.gate.is_stopping()) {
                self.stop(Stop::ShutDown);
            } else if self.is_unsupervised() {
                // A supervisor that was killed takes its run along.
                self.stop(Stop::Lost);
            }
        }
        self.stopped()
    }

    /// The system that answers for the run.
    fn tree(&self) -> Option<&Tree> {
        self.info.home.as_deref()?.downcast_ref()
    }

    /// Whether the supervisor has ended, or does, although nothing was ordered.
    fn is_unsupervised(&self) -> bool {
        let status = self.supervisor.get().map(|supervisor| supervisor.get_status());
        matches!(status, Some(ActorStatus::Stopping | ActorStatus::Stopped))
    }

    #[inline]
    pub(super) fn is_open(&self) -> bool {
        self.stop.get().is_none()
    }

    /// When the deadline is.
    #[inline]
    pub(super) fn deadline(&self) -> Moment {
        self.deadline
    }

    /// The cause of a branch that has not started in time.
    pub(super) fn queue_timed_out(&self) -> Cause {
        Cause::QueueTimedOut { limit: self.limits.queue_timeout.unwrap_or_default() }
    }

    /// Reads the clock.
    #[inline]
    pub(super) fn now(&self) -> Moment {
        nanos(self.info.start.elapsed())
    }

    /// An instant as a moment of the run.
    pub(super) fn moment(&self, instant: Instant) -> Moment {
        nanos(instant.saturating_duration_since(self.info.start))
    }

    /// How long a moment is past.
    pub(super) fn since(&self, moment: Moment) -> Duration {
        Duration::from_nanos(self.now().saturating_sub(moment))
    }

    /// A moment on tokio's clock; `None` if it never comes.
    pub(super) fn instant(&self, moment: Moment) -> Option<Instant> {
        if moment == NEVER { None } else { self.info.start.checked_add(Duration::from_nanos(moment)) }
    }

    pub(super) fn suspended(&self) -> usize {
        self.suspended.load(Ordering::Acquire)
    }

    pub(super) fn driving(&self) -> usize {
        self.driving.load(Ordering::Acquire)
    }

    pub(super) fn held(&self) -> usize {
        self.held.load(Ordering::Acquire)
    }

    /// A new child is sent to work.
    pub(super) fn occupy(&self, seat: &Seat) {
        if seat.change(Duty::Gone, Duty::Working) {
            self.driving.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// A child that waits is sent to work. `false` if it does not wait.
    pub(super) fn resume(&self, seat: &Seat) -> bool {
        let waits = seat.change(Duty::Parked, Duty::Working);
        if waits {
            self.parked.fetch_sub(1, Ordering::AcqRel);
            self.driving.fetch_add(1, Ordering::AcqRel);
        }
        waits
    }

    /// A child has found nothing more to do, and waits.
    pub(super) fn park(&self, seat: &Seat) {
        // Counted first, so that the count is never below the number of those that can be resumed.
        self.parked.fetch_add(1, Ordering::AcqRel);
        if seat.change(Duty::Working, Duty::Parked) {
            self.one_less_driving();
        }
    }

    /// A child has ended, or will.
    pub(super) fn vacate(&self, seat: &Seat) {
        self.release(seat);
        if seat.change(Duty::Working, Duty::Gone) {
            self.one_less_driving();
        } else if seat.change(Duty::Parked, Duty::Gone) {
            self.parked.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// How many children wait for more work, or are about to.
    pub(super) fn parked(&self) -> usize {
        self.parked.load(Ordering::Acquire)
    }

    fn one_less_driving(&self) {
        let driving = self.driving.fetch_sub(1, Ordering::AcqRel) - 1;
        // The last one turns the light off. Where bodies do not stop, the supervisor has to find out who that is.
        if driving == 0 || self.held() > 0 {
            self.wake();
        }
    }

    /// A body that did not stop holds the seat; its branch has its outcome.
    pub(super) fn hold(&self, seat: &Seat) {
        if !seat.held.swap(true, Ordering::AcqRel) {
            self.held.fetch_add(1, Ordering::AcqRel);
            self.wake();
        }
    }

    /// The body has returned after all.
    pub(super) fn release(&self, seat: &Seat) {
        if seat.held.swap(false, Ordering::AcqRel) {
            self.releases.fetch_add(1, Ordering::AcqRel);
            self.held.fetch_sub(1, Ordering::AcqRel);
        }
    }

    pub(super) fn releases(&self) -> usize {
        self.releases.load(Ordering::Acquire)
    }

    /// An attempt waits at an `.await` until the guard is dropped. Another child may use the thread.
    pub(super) fn suspend(&self, stretch: &Stretch) -> Suspended<'_> {
        self.suspended.fetch_add(1, Ordering::AcqRel);
        if self.may_grow.load(Ordering::Acquire) && self.wake() {
            stretch.ring();
        }
        Suspended(self)
    }
}

/// A limit in nanoseconds; one that is longer than 584 years never ends.
#[inline]
pub(super) fn nanos(limit: Duration) -> Moment {
    Moment::try_from(limit.as_nanos()).unwrap_or(NEVER)
}

pub(super) struct Suspended<'a>(&'a Control);

impl Drop for Suspended<'_> {
    fn drop(&mut self) {
        self.0.suspended.fetch_sub(1, Ordering::AcqRel);
    }
}
