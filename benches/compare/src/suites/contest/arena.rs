//! A contest for time: some subjects, one piece of work, one number of threads.

use std::future::Future;
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use super::subject::{Subject, Work};
use crate::rounds::{Contestant, Samples, interleave};

/// A sample is at least this long, or else the clock and the scheduler show more than the subject.
const SAMPLE: Duration = Duration::from_millis(20);

/// Between two samples, so that the next subject does not pay for what the last one leaves behind.
const PAUSE: Duration = Duration::from_millis(1);

/// All subjects on a runtime of their own with `threads` workers.
pub struct Arena<W> {
    pub threads: usize,
    pub subjects: Vec<Subject<W>>,
    runtime: Runtime,
}

impl<W: Work> Arena<W> {
    /// `start` makes the subjects, on the runtime.
    pub fn new(threads: usize, start: impl Future<Output = Vec<Subject<W>>>) -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads)
            .enable_time()
            .build()
            .expect("the system has threads to spare");
        let subjects = runtime.block_on(start);
        Self { threads, subjects, runtime }
    }

    /// Lets the subjects of these names compete; values are ns per item.
    pub fn compete(&self, names: &[&str], work: W, rounds: usize) -> Vec<Samples> {
        let taking_part = self.subjects.iter().filter(|subject| names.contains(&subject.name));
        let contestants = taking_part.map(|subject| {
            let repeats = self.warm_up(subject, work);
            Contestant {
                name: subject.name,
                sample: Box::new(move || {
                    let items = work.items() as f64 * f64::from(repeats);
                    self.run(subject, work, repeats).as_secs_f64() * 1e9 / items
                }),
            }
        });
        interleave(contestants.collect(), rounds)
    }

    /// Runs the subject for as long as one sample, and tells how many repeats fill one.
    fn warm_up(&self, subject: &Subject<W>, work: W) -> u32 {
        let mut took = Duration::ZERO;
        let mut fastest = Duration::MAX;
        while took < SAMPLE {
            let run = self.run(subject, work, 1);
            took += run;
            fastest = fastest.min(run);
        }
        SAMPLE.div_duration_f64(fastest).ceil() as u32
    }

    /// The work is driven by a task, not by the calling thread: that thread is not one of the workers.
    fn run(&self, subject: &Subject<W>, work: W, repeats: u32) -> Duration {
        let task = self.runtime.spawn((subject.run)(work, repeats));
        let took =
            self.runtime.block_on(task).unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
        thread::sleep(PAUSE);
        took
    }
}
