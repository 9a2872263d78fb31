//! apalis-sqlite: jobs in a table of an SQLite database in WAL mode.
//!
//! A push is a transaction of its own, as its users write it. All share one connection: SQLite has one writer at a time
//! anyway, and more connections than that only wait for each other's locks, with sleeps.

use std::path::Path;

use apalis::prelude::{BoxDynError, TaskSink, WorkerBuilder, WorkerBuilderExt, WorkerError};
use apalis_sqlite::{Config, SqliteStorage};
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use tokio::task::JoinHandle;

use super::callers::Recorder;

/// What SQLite does before it says that a transaction is committed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Synchronous {
    /// `FULL`: it syncs the log with `fdatasync`. Kept over a power cut, as what sortie acknowledges.
    Full,
    /// What apalis itself sets, `OFF`: it writes. Kept over a kill of the process, and not over a power cut.
    Default,
}

/// A queue. Nothing runs its jobs before it is told to [`work`](Queue::work).
pub struct Queue {
    pub storage: SqliteStorage<String>,
}

impl Queue {
    pub async fn open(path: &Path, synchronous: Synchronous) -> Self {
        let setup = one().connect_with(options(path)).await.expect("a database can be made");
        SqliteStorage::setup(&setup).await.expect("its tables can be made");
        match synchronous {
            Synchronous::Default => Self { storage: SqliteStorage::new(&setup) },
            Synchronous::Full => {
                // What it has set belongs to the connection: the other settings are made again, this one is not.
                setup.close().await;
                Self::open_again(path).await
            }
        }
    }

    /// Opens a database that has its tables, as [`Synchronous::Full`]. Whether they are of this version is not asked.
    pub async fn open_again(path: &Path) -> Self {
        let options = options(path).synchronous(SqliteSynchronous::Full).pragma("temp_store", "MEMORY");
        let options = options.pragma("cache_size", "64000").pragma("journal_size_limit", "67108864");
        let pool = one().connect_with(options).await.expect("the database can be opened again");
        Self { storage: SqliteStorage::new(&pool) }
    }

    /// Starts a worker that runs `slots` jobs at once; each calls `note`, and does nothing else.
    ///
    /// One fetch gets as many jobs as may run at once. A fetch notes already whose the jobs are, so that they need not be
    /// locked again.
    pub fn work(
        &self,
        slots: usize,
        note: impl Fn() + Clone + Send + Sync + 'static,
    ) -> JoinHandle<Result<(), WorkerError>> {
        let agent = move |job: String| {
            note();
            async move { Ok::<usize, BoxDynError>(job.len()) }
        };
        let config =
            Config::default().queue(std::any::type_name::<String>()).batch_size(slots).lock_tasks(false);
        let storage = self.storage.clone().with_config(config);
        let worker = WorkerBuilder::new("worker").backend(storage).concurrency(slots).build(agent);
        tokio::spawn(worker.run())
    }

    pub fn pool(&self) -> &SqlitePool {
        self.storage.pool()
    }

    pub async fn end(&self) {
        self.pool().close().await;
    }
}

fn one() -> SqlitePoolOptions {
    SqlitePoolOptions::new().max_connections(1)
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new().filename(path).create_if_missing(true).journal_mode(SqliteJournalMode::Wal)
}

impl Recorder for Queue {
    async fn record(&self, job: String) {
        self.storage.clone().push(job).await.expect("a job can be recorded");
    }

    async fn record_all(&self, jobs: Vec<String>) {
        self.storage.clone().push_bulk(jobs).await.expect("jobs can be recorded");
    }
}
