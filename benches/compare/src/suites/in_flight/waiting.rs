//! Agents that wait, and how it is known that all of them do.

use std::future::pending;
use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use tokio::sync::Notify;

/// How many agents are still to start.
static MISSING: AtomicUsize = AtomicUsize::new(0);
/// When the last of them did.
static COMPLETE: OnceLock<Instant> = OnceLock::new();
static CALL: Notify = Notify::const_new();

/// There will be `n` agents, in this process for once and all.
pub fn expect(n: usize) {
    MISSING.store(n, Ordering::SeqCst);
}

/// Notes that it has started, and waits.
pub async fn agent(item: usize) -> io::Result<usize> {
    if MISSING.fetch_sub(1, Ordering::SeqCst) == 1 {
        COMPLETE.get_or_init(Instant::now);
        CALL.notify_one();
    }
    pending::<()>().await;
    Ok(item)
}

/// Resolves when all agents wait, with the moment at which the last one started.
pub async fn complete() -> Instant {
    CALL.notified().await;
    *COMPLETE.get().expect("the last agent noted when it started")
}
