//! How much the process grows while it streams.

use tokio::runtime::Builder;

use super::consumer::Habit;
use super::subjects::{BASELINE, PEER, SETTLED, SORTIE, Streaming, check};
use super::suite::SUITE;
use crate::figures::{Row, Setting};
use crate::probe;
use crate::rounds::{Contestant, interleave, of};
use crate::suites::contest::resident;

const STREAMING: [Streaming; 3] = [SORTIE, PEER, SETTLED];

/// Has every subject stream in new processes, in turn. There is nothing to warm up in them.
pub fn compete(n: usize, threads: usize, rounds: usize) -> Vec<Row> {
    let [items, workers] = [n, threads].map(|count| count.to_string());
    let contestants = STREAMING.map(|Streaming { name, .. }| {
        let words = [name.to_owned(), items.clone(), workers.clone()];
        Contestant {
            name,
            sample: Box::new(move || probe::ask(SUITE.name, &words.each_ref().map(String::as_str))),
        }
    });
    let samples = interleave(contestants.into(), rounds);
    let baseline = of(&samples, BASELINE).expect("the baseline takes part");
    let setting = Setting { suite: SUITE.name, n, threads, unit: "KiB".to_owned() };
    samples.iter().map(|subject| setting.row(subject, baseline)).collect()
}

/// One sample: streams once, and gives how many KiB more were resident at the peak than before.
///
/// Panics if it does not understand the words: they come from [`compete`].
pub fn probe(words: &[String]) -> Vec<f64> {
    let [name, n, threads] = words else { panic!("expected a subject, items and threads, not {words:?}") };
    let subject = STREAMING.iter().find(|subject| subject.name == name).expect("a subject's name");
    let [n, threads] = [n, threads].map(|count| count.parse::<usize>().expect("a number"));
    let runtime = Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_time()
        .build()
        .expect("the system has threads to spare");
    // The workers have started, and have memory of their own, when each has had something to do.
    let before = runtime.block_on(async {
        for _ in 0..threads {
            tokio::spawn(tokio::task::yield_now()).await.expect("nothing fails");
        }
        resident::kib()
    });
    let task = runtime.spawn((subject.run)(n, Habit::Resting));
    let consumed =
        runtime.block_on(task).unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
    check(subject.name, n, &consumed);
    vec![consumed.peak.saturating_sub(before) as f64]
}
