//! apalis-sqlite: jobs in a table of an SQLite database in WAL mode.
//!
//! A push is a transaction of its own, as its users write it. All share one connection: SQLite has one writer at a time
//! anyway, and more connections than that only wait for each other's locks, with sleeps.

use std::path::Path;

use apalis::prelude::TaskSink;
use apalis_sqlite::SqliteStorage;
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use super::callers::Recorder;

/// What SQLite does before it says that a transaction is committed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Synchronous {
    /// `FULL`: it syncs the log with `fdatasync`. Kept over a power cut, as what sortie acknowledges.
    Full,
    /// What apalis itself sets, `OFF`: it writes. Kept over a kill of the process, and not over a power cut.
    Default,
}

/// A queue. Nothing runs its jobs.
pub struct Queue {
    pub storage: SqliteStorage<String>,
}

impl Queue {
    pub async fn open(path: &Path, synchronous: Synchronous) -> Self {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal);
        let one = || SqlitePoolOptions::new().max_connections(1);
        let setup = one().connect_with(options.clone()).await.expect("a database can be made");
        SqliteStorage::setup(&setup).await.expect("its tables can be made");
        let pool = match synchronous {
            Synchronous::Default => setup,
            Synchronous::Full => {
                // What it has set belongs to the connection: the other settings are made again, this one is not.
                setup.close().await;
                let options = options.synchronous(SqliteSynchronous::Full).pragma("temp_store", "MEMORY");
                let options = options.pragma("cache_size", "64000").pragma("journal_size_limit", "67108864");
                one().connect_with(options).await.expect("the database can be opened again")
            }
        };
        Self { storage: SqliteStorage::new(&pool) }
    }

    pub fn pool(&self) -> &SqlitePool {
        self.storage.pool()
    }

    pub async fn end(&self) {
        self.pool().close().await;
    }
}

impl Recorder for Queue {
    async fn record(&self, job: String) {
        self.storage.clone().push(job).await.expect("a job can be recorded");
    }
}
