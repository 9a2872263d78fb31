//! A queue of effectum's.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use effectum::{Job, JobBuilder, JobRunner, Queue, RunningJob, Worker};
use tokio::time::sleep;

use crate::callers::Recorder;
use crate::job::job;
use crate::ran::Ran;

/// The type of all jobs.
const KIND: &str = "job";

/// How often the table is looked at once all jobs have run.
const LOOK: Duration = Duration::from_millis(5);

/// A queue. Nothing runs its jobs.
pub struct Durable(Queue);

impl Durable {
    pub async fn open(path: &Path) -> Self {
        Self(Queue::new(path).await.expect("a database can be made"))
    }

    /// Records jobs in one transaction.
    pub async fn record_all(&self, n: usize) {
        let jobs = (0..n).map(|_| builder(&job()).build());
        self.0.add_jobs(jobs.collect()).await.expect("jobs can be recorded");
    }

    /// Runs `n` jobs that are recorded, `slots` of them at once, until their outcomes are durable.
    ///
    /// It fetches more when a quarter of the slots is free: asking for each single one would be slower.
    pub async fn run(&self, n: usize, slots: u16) {
        let ran = Arc::new(Counted(Ran::none_of(n)));
        let agent = async |job: RunningJob, ran: Arc<Counted>| {
            let job: String = job.json_payload()?;
            ran.0.note(());
            Ok::<usize, effectum::Error>(job.len())
        };
        let worker = Worker::builder(&self.0, Arc::clone(&ran))
            .min_concurrency(slots - slots / 4)
            .max_concurrency(slots)
            .jobs([JobRunner::builder(KIND, agent).build()])
            .build();
        let worker = worker.await.expect("a worker can be made");
        ran.0.all().await;
        loop {
            let active = self.0.num_active_jobs().await.expect("the table can be read");
            if active.pending + active.running == 0 {
                break;
            }
            sleep(LOOK).await;
        }
        worker.unregister(Some(Duration::from_secs(1))).await.expect("it is registered");
    }

    pub async fn end(&self) {
        self.0.close(Duration::from_secs(1)).await.expect("it is open");
    }
}

impl Recorder for Durable {
    async fn record(&self, job: String) {
        builder(&job).add_to(&self.0).await.expect("a job can be recorded");
    }
}

fn builder(job: &String) -> JobBuilder {
    Job::builder(KIND).json_payload(job).expect("text is JSON")
}

/// What jobs share; effectum wants to be able to print it.
struct Counted(Ran<()>);

impl fmt::Debug for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Counted")
    }
}
