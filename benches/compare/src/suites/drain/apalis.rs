//! apalis-sqlite.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::SLOTS;
use crate::suites::durable::apalis::{Queue, Synchronous};
use crate::suites::durable::callers::Recorder;
use crate::suites::durable::job::job;
use crate::suites::durable::ran::Ran;

/// How often the table is looked at once all jobs have run.
const LOOK: Duration = Duration::from_millis(5);

/// Jobs per second.
pub async fn drain(path: PathBuf, n: usize) -> f64 {
    let queue = Queue::open(&path, Synchronous::Full).await;
    queue.record_all(vec![job(); n]).await;
    let ran = Arc::new(Ran::none_of(n));
    let theirs = Arc::clone(&ran);
    let start = Instant::now();
    let worker = queue.work(SLOTS, move || theirs.note(()));
    ran.all().await;
    while done(&queue).await < n {
        sleep(LOOK).await;
    }
    let took = start.elapsed();
    worker.abort();
    // It says that it was aborted.
    let _ = worker.await;
    queue.end().await;
    n as f64 / took.as_secs_f64()
}

async fn done(queue: &Queue) -> usize {
    let count = sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM Jobs WHERE status = 'Done'");
    let count = count.fetch_one(queue.pool()).await.expect("the table can be read");
    usize::try_from(count).expect("nobody counts below zero")
}
