//! apalis-sqlite: what it leaves, and how it goes on.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use super::{SLOTS, memory, watch::Watch};
use crate::suites::durable::apalis::{Queue, Synchronous};
use crate::suites::durable::callers::Recorder;
use crate::suites::durable::job::job;
use crate::suites::durable::ran::Ran;

/// Records jobs in a new database, which then stays open.
pub async fn leave(path: &Path, n: usize) {
    let queue = Queue::open(path, Synchronous::Full).await;
    queue.record_all(vec![job(); n]).await;
    // Until the process is killed.
    std::mem::forget(queue);
}

/// Opens what is at `path`, and runs all jobs.
pub async fn go_on(path: &Path, n: usize) -> Vec<f64> {
    let mut watch = Watch::start();
    let queue = Queue::open_again(path).await;
    watch.opened();
    let ran = Arc::new(Ran::none_of(n));
    let theirs = Arc::clone(&ran);
    let worker = queue.work(SLOTS, move || theirs.note(Instant::now()));
    watch.ready(memory);
    let figures = watch.figures(&ran.all().await, n);
    worker.abort();
    figures
}
