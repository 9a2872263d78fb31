//! A queue of effectum's.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use effectum::{Job, JobBuilder, JobRunner, Queue, RunningJob, Worker};
use tokio::time::sleep;

use crate::callers::Recorder;
use crate::ran::Ran;

/// The type of all jobs.
const KIND: &str = "job";

/// How often the table is looked at once all jobs have run.
const LOOK: Duration = Duration::from_millis(5);

/// A queue. Nothing runs its jobs before it is told to [`work`](Durable::work).
pub struct Durable(Queue);

impl Durable {
    pub async fn open(path: &Path) -> Self {
        Self(Queue::new(path).await.expect("a database can be made"))
    }

    /// Starts a worker that runs jobs, `slots` of them at once.
    ///
    /// It fetches more when a quarter of the slots is free: asking for each single one would be slower.
    pub async fn work(&self, ran: &Arc<Counted>, slots: u16) -> Worker {
        let agent = async |job: RunningJob, ran: Arc<Counted>| {
            let job: String = job.json_payload()?;
            ran.0.note(Instant::now());
            Ok::<usize, effectum::Error>(job.len())
        };
        let worker = Worker::builder(&self.0, Arc::clone(ran))
            .min_concurrency(slots - slots / 4)
            .max_concurrency(slots)
            .jobs([JobRunner::builder(KIND, agent).build()])
            .build();
        worker.await.expect("a worker can be made")
    }

    /// Waits until all jobs have run and their outcomes are durable.
    pub async fn until_done(&self, ran: &Counted) {
        ran.all().await;
        loop {
            let active = self.0.num_active_jobs().await.expect("the table can be read");
            if active.pending + active.running == 0 {
                break;
            }
            sleep(LOOK).await;
        }
    }

    pub async fn end(&self) {
        self.0.close(Duration::from_secs(1)).await.expect("it is open");
    }
}

impl Recorder for Durable {
    async fn record(&self, job: String) {
        builder(&job).add_to(&self.0).await.expect("a job can be recorded");
    }

    /// In one transaction.
    async fn record_all(&self, jobs: Vec<String>) {
        let jobs = jobs.iter().map(|job| builder(job).build());
        self.0.add_jobs(jobs.collect()).await.expect("jobs can be recorded");
    }
}

fn builder(job: &String) -> JobBuilder {
    Job::builder(KIND).json_payload(job).expect("text is JSON")
}

/// Ends a worker. What has not run is still recorded.
pub async fn end(worker: Worker) {
    worker.unregister(Some(Duration::from_secs(1))).await.expect("it is registered");
}

/// What jobs share, which is when each began; effectum wants to be able to print it.
pub struct Counted(Ran<Instant>);

impl Counted {
    /// Nothing has run yet, and `n` jobs shall.
    pub fn none_of(n: usize) -> Arc<Self> {
        Arc::new(Self(Ran::none_of(n)))
    }

    /// Waits until all have run, and says when each began.
    pub async fn all(&self) -> Vec<Instant> {
        self.0.all().await
    }
}

impl fmt::Debug for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Counted")
    }
}
