//! apalis-sqlite.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use apalis::prelude::{BoxDynError, TaskSink, WorkerBuilder, WorkerBuilderExt};
use apalis_sqlite::Config;
use tokio::time::sleep;

use super::SLOTS;
use crate::suites::durable::apalis::{Queue, Synchronous};
use crate::suites::durable::job::job;
use crate::suites::durable::ran::Ran;

/// How often the table is looked at once all jobs have run.
const LOOK: Duration = Duration::from_millis(5);

/// Jobs per second. One fetch gets as many jobs as may run at once. A fetch notes already whose the jobs are, so that
/// they need not be locked again.
pub async fn drain(path: PathBuf, n: usize) -> f64 {
    let queue = Queue::open(&path, Synchronous::Full).await;
    let mut storage = queue.storage.clone();
    storage.push_bulk(vec![job(); n]).await.expect("jobs can be recorded");
    let ran = Arc::new(Ran::none_of(n));
    let theirs = Arc::clone(&ran);
    let agent = move |job: String| {
        theirs.note(());
        async move { Ok::<usize, BoxDynError>(job.len()) }
    };
    let config = Config::default().queue(std::any::type_name::<String>()).batch_size(SLOTS).lock_tasks(false);
    let start = Instant::now();
    let worker =
        WorkerBuilder::new("drain").backend(storage.with_config(config)).concurrency(SLOTS).build(agent);
    let worker = tokio::spawn(worker.run());
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
