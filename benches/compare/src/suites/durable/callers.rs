//! Callers: tasks that ask for one durable record after another.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::job::job;

/// How long callers ask before anything is counted, as a part of the time that is.
const WARM_UP: f64 = 0.15;

/// How many jobs a caller that has many gives at once.
pub const MANY: usize = 1_000;

/// A way to have a job recorded.
pub trait Recorder: Send + Sync + 'static {
    /// Resolves when the job is as durable as the subject makes it.
    fn record(&self, job: String) -> impl Future<Output = ()> + Send;

    /// Resolves when all of them are as durable as the subject makes jobs that it gets together.
    fn record_all(&self, jobs: Vec<String>) -> impl Future<Output = ()> + Send;
}

/// So many callers, for so long, and what is asked of them.
#[derive(Clone, Copy)]
pub struct Demand {
    pub callers: usize,
    pub span: Duration,
    pub figure: Figure,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Figure {
    /// Records per second.
    Rate,
    /// Records per second, by callers that ask for [`MANY`] at once.
    RateOfMany,
    /// The median time from the call to its answer, in microseconds.
    Latency,
}

impl Demand {
    /// Lets the callers ask, and gives the figure. Some that is not counted comes before.
    pub async fn meet<R: Recorder>(self, recorder: &Arc<R>) -> f64 {
        self.ask(recorder, self.span.mul_f64(WARM_UP)).await;
        let start = Instant::now();
        let mut took = self.ask(recorder, self.span).await;
        let elapsed = start.elapsed();
        assert!(!took.is_empty(), "something is recorded");
        match self.figure {
            Figure::Rate => took.len() as f64 / elapsed.as_secs_f64(),
            Figure::RateOfMany => (took.len() * MANY) as f64 / elapsed.as_secs_f64(),
            Figure::Latency => {
                let middle = took.len() / 2;
                took.select_nth_unstable(middle).1.as_secs_f64() * 1e6
            }
        }
    }

    /// How long each call took. Each caller makes one, however late a busy machine lets it begin. Nobody begins another one
    /// after `span`, and all that were begun are waited for.
    async fn ask<R: Recorder>(self, recorder: &Arc<R>, span: Duration) -> Vec<Duration> {
        let end = Instant::now() + span;
        let callers = (0..self.callers).map(|_| {
            let recorder = Arc::clone(recorder);
            tokio::spawn(async move {
                let mut took = Vec::new();
                let mut called = Instant::now();
                loop {
                    match self.figure {
                        Figure::Rate | Figure::Latency => recorder.record(job()).await,
                        Figure::RateOfMany => recorder.record_all(vec![job(); MANY]).await,
                    }
                    let answered = Instant::now();
                    took.push(answered - called);
                    called = answered;
                    if answered >= end {
                        break took;
                    }
                }
            })
        });
        let callers: Vec<_> = callers.collect();
        let mut all = Vec::new();
        for caller in callers {
            all.extend(caller.await.expect("what a caller asks for is recorded"));
        }
        all
    }
}
