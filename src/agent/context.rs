//! The attempt as its agent sees it.

use std::any::Any;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

use super::{Bodies, Launched, Leased, Lineage, Roster, body::Body, labels::Labels};
use crate::outcome::{LaunchId, RunId};

/// The attempt as its agent sees it: which run and branch it belongs to, its number, how long it may take, and whether
/// it is still wanted.
///
/// Cheap to clone; a clone may outlive the attempt and then shows it as [cancelled](AgentContext::is_cancelled).
#[derive(Clone)]
pub struct AgentContext {
    attempt: Arc<Attempt>,
}

/// One attempt. Its child uses the value again for the next one, unless somebody still holds a context.
///
/// What changes from attempt to attempt is atomic so that it can be set in a value that was shared before; it does not
/// change while it is shared.
pub(crate) struct Attempt {
    run: Arc<RunInfo>,
    index: AtomicUsize,
    number: AtomicU32,
    /// How many runs and launches it has begun that have no other name than their position.
    children: AtomicU32,
    /// Nanoseconds since the start of the run; [`Self::NO_DEADLINE`] if there is none.
    deadline: AtomicU64,
    /// Whether it is over, or shall end, for a reason of its own.
    over: AtomicBool,
    /// Whether work nested in it was stopped before it had ended.
    nested_stopped: AtomicBool,
    /// Made when somebody asks for it: most attempts never do, and it is larger than all the rest.
    token: OnceLock<CancellationToken>,
    /// Whether the token was given away: it must not become another attempt's.
    lent: AtomicBool,
    /// The labels of its launches, once there is one.
    labels: OnceLock<Box<Labels>>,
    bodies: Bodies,
    /// What has come with the branch. Boxed, because it is rare and a context is to be small.
    arrived: Option<Box<Arrived>>,
}

/// What comes with a branch, where branches come one by one.
pub(crate) enum Arrived {
    /// The key of an item.
    Key(Arc<str>),
    /// The launch whose attempt it is.
    Launched(Launched),
}

impl Attempt {
    const NO_DEADLINE: u64 = u64::MAX;

    pub(crate) fn new(run: Arc<RunInfo>, bodies: Bodies, arrived: Option<Arrived>) -> Self {
        let (index, deadline) = (AtomicUsize::new(0), AtomicU64::new(0));
        let (number, children) = (AtomicU32::new(0), AtomicU32::new(0));
        let (over, lent) = (AtomicBool::new(false), AtomicBool::new(false));
        let nested_stopped = AtomicBool::new(false);
        let (token, labels, arrived) = (OnceLock::new(), OnceLock::new(), arrived.map(Box::new));
        Self {
            run,
            index,
            number,
            children,
            deadline,
            over,
            nested_stopped,
            token,
            lent,
            labels,
            bodies,
            arrived,
        }
    }

    fn launched(&self) -> Option<&Launched> {
        match self.arrived.as_deref() {
            Some(Arrived::Launched(launched)) => Some(launched),
            Some(Arrived::Key(_)) | None => None,
        }
    }

    /// Makes it the attempt with this number of the branch at this index.
    #[inline]
    fn begin(&self, index: usize, number: u32, deadline: u64) {
        self.index.store(index, Ordering::Relaxed);
        self.number.store(number, Ordering::Relaxed);
        self.children.store(0, Ordering::Relaxed);
        self.nested_stopped.store(false, Ordering::Relaxed);
        self.deadline.store(deadline, Ordering::Relaxed);
    }

    fn index(&self) -> usize {
        self.index.load(Ordering::Relaxed)
    }

    /// The attempt's token, a child of the run's.
    fn token(&self) -> &CancellationToken {
        let token = self.token.get_or_init(|| self.run.cancelled.child_token());
        // Of this and `cancel`, the later one sees what the earlier one did.
        fence(Ordering::SeqCst);
        if self.over.load(Ordering::Relaxed) {
            token.cancel();
        }
        token
    }

    fn cancel(&self) {
        self.over.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if let Some(token) = self.token.get() {
            token.cancel();
        }
    }

    fn is_cancelled(&self) -> bool {
        let token = self.token.get().unwrap_or(&self.run.cancelled);
        self.over.load(Ordering::Relaxed) || token.is_cancelled()
    }

    fn deadline(&self) -> Option<Instant> {
        match self.deadline.load(Ordering::Relaxed) {
            Self::NO_DEADLINE => None,
            nanos => self.run.start.checked_add(Duration::from_nanos(nanos)),
        }
    }
}

/// What all attempts of a run share.
pub(crate) struct RunInfo {
    pub(crate) id: RunId,
    /// Where it comes from.
    pub(crate) lineage: Lineage,
    pub(crate) start: Instant,
    pub(crate) roster: Roster,
    /// Cancelled when the run stops; every attempt's token is a child of it.
    pub(crate) cancelled: CancellationToken,
    /// The system that answers for the run.
    pub(crate) home: Option<Home>,
    /// The slot of the launch within whose attempt it is nested.
    pub(crate) lease: Option<Leased>,
    /// Its supervisor, once there is one.
    pub(crate) host: OnceLock<Host>,
}

impl RunInfo {
    /// A run that begins now, nested in an attempt or not.
    pub(crate) fn new(roster: Roster, parent: Option<&AgentContext>, home: Option<Home>) -> Self {
        let (id, start, host) = (RunId::new(), Instant::now(), OnceLock::new());
        let lineage = parent.map_or_else(|| Lineage::of_run(id), AgentContext::nested_lineage);
        let cancelled = parent.map_or_else(CancellationToken::new, AgentContext::child_token);
        let lease = parent.and_then(AgentContext::lease).map(Leased::nested);
        Self { id, lineage, start, roster, cancelled, home, lease, host }
    }
}

/// A system as runs carry it with them to the runs nested in them. The layers that have systems know its type.
pub(crate) type Home = Arc<dyn Any + Send + Sync>;

/// A run's supervisor as its attempts carry it to actors that are linked to it. The layers that have actors know its type.
pub(crate) type Host = Arc<dyn Any + Send + Sync>;

impl AgentContext {
    pub(crate) fn new(attempt: Attempt) -> Self {
        Self { attempt: Arc::new(attempt) }
    }

    /// Makes it the context of another attempt. The one it was is over, and nobody else knows it.
    #[inline]
    pub(crate) fn begin(&self, index: usize, number: u32, deadline: u64) {
        self.attempt.begin(index, number, deadline);
    }

    /// Whether nobody else has it, or its token, and nothing in it is this attempt's alone: with one reference left
    /// nobody can make another one.
    #[inline]
    pub(crate) fn may_serve_again(&self) -> bool {
        Arc::strong_count(&self.attempt) == 1
            && !self.attempt.lent.load(Ordering::Relaxed)
            && self.attempt.labels.get().is_none()
            && self.attempt.arrived.is_none()
    }

    /// Ends the attempt for those who hold its context.
    pub(crate) fn cancel(&self) {
        self.attempt.cancel();
    }

    /// A run nested in the attempt was stopped before it had ended: because the attempt was, with the system, or by its
    /// deadline, which may be that of the attempt.
    pub(crate) fn note_nested_work_stopped(&self) {
        self.attempt.nested_stopped.store(true, Ordering::Release);
    }

    /// Whether a run nested in the attempt was stopped so.
    pub(crate) fn was_nested_work_stopped(&self) -> bool {
        self.attempt.nested_stopped.load(Ordering::Acquire)
    }

    /// The run that the attempt belongs to.
    pub fn run_id(&self) -> RunId {
        self.attempt.run.id
    }

    /// The branch's position in its fan-out, from 0.
    pub fn index(&self) -> usize {
        self.attempt.index()
    }

    /// The branch's [label](crate::Branch::label), if it has one.
    pub fn label(&self) -> Option<&str> {
        self.attempt.run.roster.label(self.attempt.index()).map(AsRef::as_ref)
    }

    /// The item's key in a [keyed](crate::FanOut::keyed) `foreach` or `foreach_stream`.
    pub fn key(&self) -> Option<&str> {
        let key = match self.attempt.arrived.as_deref() {
            Some(Arrived::Key(key)) => Some(key),
            Some(Arrived::Launched(_)) | None => self.attempt.run.roster.key(self.attempt.index()),
        };
        key.map(AsRef::as_ref)
    }

    /// The attempt's number, from 1. That of a launch counts all its attempts, in whichever process.
    pub fn attempt(&self) -> u32 {
        match self.attempt.launched() {
            Some(launched) => launched.attempt,
            None => self.attempt.number.load(Ordering::Relaxed),
        }
    }

    /// The launch whose attempt this is; `None` in a fan-out. It stays the same over all attempts, restarts of the process
    /// included: hand it on as an idempotency key, so that an effect that was made before a crash is not made twice.
    pub fn launch_id(&self) -> Option<LaunchId> {
        self.attempt.launched().map(|launched| launched.id)
    }

    /// When the attempt will be stopped: the earlier of its timeout and its fan-out's deadline, on tokio's clock.
    /// `None` if nothing limits it.
    pub fn deadline(&self) -> Option<std::time::Instant> {
        self.attempt.deadline().map(Instant::into_std)
    }

    /// How long the attempt may still take; zero when its time is up, `None` if nothing limits it.
    pub fn remaining(&self) -> Option<Duration> {
        self.attempt.deadline().map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// Resolves when the attempt shall end: its timeout or the deadline has passed, it is no longer wanted, or the
    /// caller is gone. The attempt's future is dropped when the fan-out's [`stop_grace`](crate::FanOut::stop_grace)
    /// has passed since, which by default is at once; clean-up that needs an `.await` needs such a grace.
    ///
    /// # Cancel safety
    ///
    /// It may be dropped and called again at any time.
    pub fn cancelled(&self) -> WaitForCancellationFuture<'_> {
        self.attempt.token().cancelled()
    }

    /// Whether the attempt shall end, or has ended. This is what a [`blocking`](crate::blocking) agent asks between
    /// two steps.
    pub fn is_cancelled(&self) -> bool {
        self.attempt.is_cancelled()
    }

    /// The token behind [`cancelled`](AgentContext::cancelled), for libraries that take one. It is the attempt's own:
    /// cancelling it affects nothing else, and does not stop the attempt.
    pub fn cancellation_token(&self) -> CancellationToken {
        self.attempt.lent.store(true, Ordering::Relaxed);
        self.attempt.token().clone()
    }

    /// The token of a run nested in the attempt: cancelled with the attempt, and by itself.
    pub(crate) fn child_token(&self) -> CancellationToken {
        self.attempt.token().child_token()
    }

    /// Where the attempt's run comes from.
    pub(super) fn run_lineage(&self) -> Lineage {
        self.attempt.run.lineage
    }

    /// The position of the next run or launch that the attempt begins.
    pub(crate) fn next_position(&self) -> u32 {
        self.attempt.children.fetch_add(1, Ordering::Relaxed)
    }

    /// The labels of the attempt's launches. An attempt that has asked for them does not lend its value to another one.
    pub(super) fn labels(&self) -> &Labels {
        self.attempt.labels.get_or_init(Box::default)
    }

    /// The branches of the attempt's run.
    pub(super) fn roster(&self) -> &Roster {
        &self.attempt.run.roster
    }

    /// The system that answers for the attempt's run.
    pub(crate) fn home(&self) -> Option<Home> {
        self.attempt.run.home.clone()
    }

    /// The supervisor of the attempt's run.
    pub(crate) fn host(&self) -> Option<Host> {
        self.attempt.run.host.get().cloned()
    }

    /// The child that makes the attempt: its place in the run, and how many children have had it before.
    pub(crate) fn child(&self) -> ((usize, usize), usize) {
        (self.attempt.bodies.place(), self.attempt.bodies.predecessors())
    }

    /// What is held as long as any code of the attempt runs, if it is that of a launch.
    pub(crate) fn launch_slot(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        self.attempt.launched()?.slot.upgrade()
    }

    /// The slot of the launch whose attempt this is, or within whose attempt it is nested.
    pub(crate) fn lease(&self) -> Option<&Leased> {
        self.attempt.launched().map(|launched| &launched.lease).or(self.attempt.run.lease.as_ref())
    }

    /// Announces code of this attempt that will outlive the attempt's future.
    pub(crate) fn enter_body(&self) -> Body {
        self.attempt.bodies.enter().holding(self.launch_slot())
    }
}

impl fmt::Debug for AgentContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentContext")
            .field("run_id", &self.run_id())
            .field("index", &self.index())
            .field("label", &self.label())
            .field("key", &self.key())
            .field("attempt", &self.attempt())
            .finish_non_exhaustive()
    }
}
