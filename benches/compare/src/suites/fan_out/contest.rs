//! One contest: some subjects, one size, one number of threads.

use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use super::subject::{Subject, start_all};
use crate::rounds::{Contestant, Samples, interleave};

/// A sample is at least this long, or else the clock and the scheduler show more than the subject.
const SAMPLE: Duration = Duration::from_millis(20);

/// Between two samples, so that the next subject does not pay for what the last one leaves behind.
const PAUSE: Duration = Duration::from_millis(1);

/// All subjects on a runtime of their own with `threads` workers.
pub struct Arena {
    pub threads: usize,
    pub subjects: Vec<Subject>,
    runtime: Runtime,
}

impl Arena {
    pub fn new(threads: usize) -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads)
            .enable_time()
            .build()
            .expect("the system has threads to spare");
        let subjects = runtime.block_on(start_all());
        Self { threads, subjects, runtime }
    }

    /// Lets the subjects of these names compete; values are ns per item.
    pub fn compete(&self, names: &[&str], n: usize, rounds: usize) -> Vec<Samples> {
        let taking_part = self.subjects.iter().filter(|subject| names.contains(&subject.name));
        let contestants = taking_part.map(|subject| {
            let repeats = self.warm_up(subject, n);
            Contestant {
                name: subject.name,
                sample: Box::new(move || {
                    let items = n as f64 * f64::from(repeats);
                    self.run(subject, n, repeats).as_secs_f64() * 1e9 / items
                }),
            }
        });
        interleave(contestants.collect(), rounds)
    }

    /// Runs the subject for as long as one sample, and tells how many repeats fill one.
    fn warm_up(&self, subject: &Subject, n: usize) -> u32 {
        let mut took = Duration::ZERO;
        let mut fastest = Duration::MAX;
        while took < SAMPLE {
            let run = self.run(subject, n, 1);
            took += run;
            fastest = fastest.min(run);
        }
        SAMPLE.div_duration_f64(fastest).ceil() as u32
    }

    /// The fan-out is driven by a task, not by the calling thread: that thread is not one of the workers.
    fn run(&self, subject: &Subject, n: usize, repeats: u32) -> Duration {
        let task = self.runtime.spawn((subject.run)(n, repeats));
        let took =
            self.runtime.block_on(task).unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
        thread::sleep(PAUSE);
        took
    }
}
