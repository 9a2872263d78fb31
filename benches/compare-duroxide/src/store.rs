//! A store of duroxide's.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use duroxide::providers::sqlite::SqliteProvider;
use duroxide::runtime::registry::ActivityRegistry;
use duroxide::runtime::{Runtime, RuntimeOptions};
use duroxide::{ActivityContext, Client, OrchestrationContext, OrchestrationRegistry};
use sqlx::Sqlite;
use sqlx::pool::PoolConnection;
use tokio::time::sleep;

use crate::callers::Recorder;
use crate::ran::Ran;

/// The name of the orchestration that is started for each job.
const JOB: &str = "job";

/// The name of the activity in which it runs.
const WORK: &str = "work";

/// How often an idle dispatcher looks for work.
const POLL: Duration = Duration::from_millis(10);

/// How often the tables are looked at once all jobs have run.
const LOOK: Duration = Duration::from_millis(20);

/// What SQLite does before it says that a transaction is committed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Synchronous {
    /// `FULL`: it syncs the log with `fdatasync`. Kept over a power cut, as what sortie acknowledges.
    Full,
    /// What duroxide itself sets, which comes to `NORMAL`. On a WAL that means: it writes. Kept over a kill of the process,
    /// and not over a power cut.
    Default,
}

impl Synchronous {
    /// What `PRAGMA synchronous` answers.
    fn level(self) -> i64 {
        match self {
            Self::Full => 2,
            Self::Default => 1,
        }
    }
}

/// A store. Nothing runs what is in it before it is told to [`work`](Store::work).
pub struct Store {
    provider: Arc<SqliteProvider>,
    client: Client,
    next: AtomicU64,
    /// All connections of the pool but one.
    _idle: Vec<PoolConnection<Sqlite>>,
}

impl Store {
    /// Opens a new database.
    ///
    /// Everything then goes over one connection, as with apalis: SQLite has one writer at a time anyway, and five of them,
    /// which is how many duroxide opens, only wait for each other's locks, with sleeps. No option says so, but the pool is
    /// public. What is set for that connection is so set for all that is written.
    pub async fn open(path: &Path, synchronous: Synchronous) -> Self {
        File::create_new(path).expect("there is a disk to write to");
        let url = format!("sqlite:{}", path.to_str().expect("the path is text"));
        let provider = SqliteProvider::new(&url, None).await.expect("a database can be made");
        let pool = provider.get_pool();
        let mut connections = Vec::new();
        for _ in 0..pool.options().get_max_connections() {
            connections.push(pool.acquire().await.expect("one more connection can be made"));
        }
        let mut used = connections.pop().expect("there is one");
        if synchronous == Synchronous::Full {
            let set = sqlx::query("PRAGMA synchronous = FULL").execute(&mut *used);
            set.await.expect("it can be set");
        }
        let level = sqlx::query_scalar::<_, i64>("PRAGMA synchronous").fetch_one(&mut *used);
        assert_eq!(level.await.expect("it can be asked"), synchronous.level());
        drop(used);
        let provider = Arc::new(provider);
        let client = Client::new(provider.clone());
        Self { provider, client, next: AtomicU64::new(0), _idle: connections }
    }

    /// Starts a runtime that runs each job in an activity.
    ///
    /// An orchestration without an activity would be less to write: one commit when it is taken and one when it is done,
    /// instead of six. But its code is run again on every replay and must not do anything that shows outside, so what an
    /// agent is for has its place in an activity.
    ///
    /// There is one dispatcher of each kind, because more of them wait for the one connection, and an idle one looks again
    /// after 10 ms instead of 100.
    pub async fn work(&self, ran: &Arc<Ran<()>>) -> Arc<Runtime> {
        let ran = Arc::clone(ran);
        let work = move |_: ActivityContext, job: String| {
            ran.note(());
            async move { Ok(job.len()) }
        };
        let activities = ActivityRegistry::builder().register_typed(WORK, work).build();
        let run = async |cx: OrchestrationContext, job: String| {
            cx.schedule_activity_typed::<String, usize>(WORK, &job).await
        };
        let orchestrations = OrchestrationRegistry::builder().register_typed(JOB, run).build();
        let options = RuntimeOptions {
            orchestration_concurrency: 1,
            worker_concurrency: 1,
            dispatcher_min_poll_interval: POLL,
            ..RuntimeOptions::default()
        };
        Runtime::start_with_options(self.provider.clone(), activities, orchestrations, options).await
    }

    /// Waits until the outcomes of all jobs are recorded.
    pub async fn until_done(&self, n: usize) {
        loop {
            let instances = self.client.get_system_metrics().await.expect("the tables can be read");
            assert_eq!(instances.failed_instances, 0, "the activity does not fail");
            if instances.completed_instances == n as u64 {
                break;
            }
            sleep(LOOK).await;
        }
    }
}

impl Recorder for Store {
    async fn record(&self, job: String) {
        let id = self.next.fetch_add(1, Ordering::Relaxed).to_string();
        self.client.start_orchestration_typed(id, JOB, job).await.expect("a job can be recorded");
    }

    /// One after another: duroxide starts each orchestration in a transaction of its own.
    async fn record_all(&self, jobs: Vec<String>) {
        for job in jobs {
            self.record(job).await;
        }
    }
}
