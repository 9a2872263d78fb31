//! The attempt as its agent sees it.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};
use uuid::Uuid;

use super::{Bodies, Roster, body::Body};

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
    /// Nanoseconds since the start of the run; [`Self::NO_DEADLINE`] if there is none.
    deadline: AtomicU64,
    /// Whether it is over, or shall end, for a reason of its own.
    over: AtomicBool,
    /// Made when somebody asks for it: most attempts never do, and it is larger than all the rest.
    token: OnceLock<CancellationToken>,
    /// Whether the token was given away: it must not become another attempt's.
    lent: AtomicBool,
    bodies: Bodies,
}

impl Attempt {
    const NO_DEADLINE: u64 = u64::MAX;

    pub(crate) fn new(run: Arc<RunInfo>, bodies: Bodies) -> Self {
        let (index, number, deadline) = (AtomicUsize::new(0), AtomicU32::new(0), AtomicU64::new(0));
        let (over, lent) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { run, index, number, deadline, over, token: OnceLock::new(), lent, bodies }
    }

    /// Makes it the attempt with this number of the branch at this index.
    #[inline]
    fn begin(&self, index: usize, number: u32, deadline: u64) {
        self.index.store(index, Ordering::Relaxed);
        self.number.store(number, Ordering::Relaxed);
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
    pub(crate) start: Instant,
    pub(crate) roster: Roster,
    /// Cancelled when the run stops; every attempt's token is a child of it.
    pub(crate) cancelled: CancellationToken,
}

impl AgentContext {
    pub(crate) fn new(attempt: Attempt) -> Self {
        Self { attempt: Arc::new(attempt) }
    }

    /// Makes it the context of another attempt. The one it was is over, and nobody else knows it.
    #[inline]
    pub(crate) fn begin(&self, index: usize, number: u32, deadline: u64) {
        self.attempt.begin(index, number, deadline);
    }

    /// Whether nobody else has it, or its token: with one reference left nobody can make another one.
    #[inline]
    pub(crate) fn is_sole(&self) -> bool {
        Arc::strong_count(&self.attempt) == 1 && !self.attempt.lent.load(Ordering::Relaxed)
    }

    /// Ends the attempt for those who hold its context.
    pub(crate) fn cancel(&self) {
        self.attempt.cancel();
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

    /// The item's key in a [keyed](crate::FanOut::keyed) `foreach`.
    pub fn key(&self) -> Option<&str> {
        self.attempt.run.roster.key(self.attempt.index()).map(AsRef::as_ref)
    }

    /// The attempt's number, from 1.
    pub fn attempt(&self) -> u32 {
        self.attempt.number.load(Ordering::Relaxed)
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

    /// Announces code of this attempt that will outlive the attempt's future.
    pub(crate) fn enter_body(&self) -> Body {
        self.attempt.bodies.enter()
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

/// The identity of one run: time-ordered, 128 bits (a UUID of version 7, RFC 9562). Unique, not secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(Uuid);

impl RunId {
    pub(crate) fn new() -> Self {
        // The crate's generator needs a random source of the system for each id; run ids are names, not secrets.
        let since_epoch =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let millis = u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX);
        let (high, low) = (fastrand::u64(..).to_be_bytes(), fastrand::u16(..).to_be_bytes());
        let mut random = [0; 10];
        random[..8].copy_from_slice(&high);
        random[8..].copy_from_slice(&low);
        Self(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }

    /// The id as a number.
    pub fn as_u128(&self) -> u128 {
        self.0.as_u128()
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
