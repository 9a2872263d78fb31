//! Which directories are open in this process, and which of them are being closed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Notify;

use crate::journal::{JournalError, JournalErrorKind};

/// How long an opening waits for a journal of this process that is being closed.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// The directories that are open in this process, by their canonical paths.
static OPEN: Mutex<BTreeMap<PathBuf, Closing>> = Mutex::new(BTreeMap::new());
/// Notified when a directory is free again, for threads that wait.
static FREED: Condvar = Condvar::new();
/// The same, for tasks that wait.
static FREED_FOR_TASKS: Notify = Notify::const_new();

/// A directory that is open in this process: a canonical path in [`OPEN`]. Dropping it takes the path out.
#[derive(Debug)]
pub(super) struct Claim {
    path: PathBuf,
    closing: Closing,
}

/// Whether a journal is being closed, so that an opening of its directory waits for that instead of being refused.
#[derive(Debug, Clone, Default)]
pub(crate) struct Closing(Arc<AtomicBool>);

impl Closing {
    /// The journal will be closed without anything else being asked of it.
    pub(crate) fn begin(&self) {
        // Pairs with the `Acquire` load in `has_begun`; nothing else is published with it.
        self.0.store(true, Ordering::Release);
    }

    fn has_begun(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

impl Claim {
    /// Takes a directory, which must not be open in this process. Waits at most 5 s for one that is being closed, unless the
    /// thread is needed to close it.
    pub(super) fn of(path: PathBuf) -> Result<Self, JournalError> {
        if let Some(claim) = Self::try_of(&mut open(), &path) {
            return Ok(claim);
        }
        if !is_being_closed(&path) {
            return Err(JournalError::new(JournalErrorKind::InUse));
        }
        let hint =
            "the journal that was open there is still being closed: await `SledJournal::released` first";
        off_the_runtime(|| Self::wait_for(&path))
            .flatten()
            .ok_or_else(|| JournalError::new(JournalErrorKind::InUse).because(hint))
    }

    fn try_of(open: &mut BTreeMap<PathBuf, Closing>, path: &Path) -> Option<Self> {
        if open.contains_key(path) {
            return None;
        }
        let closing = Closing::default();
        open.insert(path.to_owned(), closing.clone());
        Some(Self { path: path.to_owned(), closing })
    }

    /// Waits until the directory is free, as long as it is being closed.
    fn wait_for(path: &Path) -> Option<Self> {
        let (begun, mut open) = (Instant::now(), open());
        loop {
            if let Some(claim) = Self::try_of(&mut open, path) {
                return Some(claim);
            }
            let left = LONGEST_WAIT.saturating_sub(begun.elapsed());
            if left.is_zero() || !open.get(path).is_some_and(Closing::has_begun) {
                return None;
            }
            open = FREED.wait_timeout(open, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn closing(&self) -> Closing {
        self.closing.clone()
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        open().remove(&self.path);
        FREED.notify_all();
        FREED_FOR_TASKS.notify_waiters();
    }
}

/// Waits until no journal of this process has the directory open.
pub(crate) async fn released(path: &Path) {
    let Ok(path) = path.canonicalize() else { return };
    loop {
        // Before the look, so that no notification in between is missed.
        let freed = FREED_FOR_TASKS.notified();
        if !open().contains_key(&path) {
            return;
        }
        freed.await;
    }
}

fn open() -> MutexGuard<'static, BTreeMap<PathBuf, Closing>> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_being_closed(path: &Path) -> bool {
    open().get(path).is_none_or(Closing::has_begun)
}

/// Runs code that blocks where it may: not on the only thread of a runtime, which may have to close the journal that is waited
/// for.
fn off_the_runtime<T>(code: impl FnOnce() -> T) -> Option<T> {
    let Ok(runtime) = Handle::try_current() else { return Some(code()) };
    if runtime.runtime_flavor() == RuntimeFlavor::CurrentThread {
        return None;
    }
    #[expect(clippy::disallowed_methods, reason = "it is empty, and ends when it is polled")]
    // It takes the place of the task that this thread has woken last, perhaps by dropping a system. That task, which no other
    // thread could take from there, goes to the queue from which others take tasks.
    drop(runtime.spawn(async {}));
    Some(code())
}
