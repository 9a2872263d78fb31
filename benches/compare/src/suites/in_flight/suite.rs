//! The suite: memory and time, on each number of threads.

use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Builder;

use super::subjects::{BASELINE, SUBJECTS};
use super::waiting;
use crate::figures::{Findings, Row, Setting};
use crate::probe;
use crate::rounds::{Contestant, interleave, of};
use crate::suites::contest::resident;
use crate::suites::{Comparison, Effort, Suite};

pub const SUITE: Suite = Suite {
    name: "in-flight",
    work: "N agents that all wait at once, timeout per attempt, panics captured; memory of each, and the time to start all",
    durability: "none, nothing is written",
    comparison: Comparison::Ratio,
    run,
    probe: Some(sample),
};

const THREADS: [usize; 2] = [1, 2];

/// What is measured, and its unit.
const MEMORY: &str = "B/branch";
const TIME: &str = "ms";

/// How long what was woken by the last start may take to come to rest.
const REST: Duration = Duration::from_millis(100);

fn run(effort: Effort) -> Findings {
    let n = match effort {
        Effort::Full => 100_000,
        Effort::Quick => 10_000,
    };
    let mut findings = Findings::default();
    for threads in THREADS {
        for unit in [MEMORY, TIME] {
            if unit == TIME || resident::is_known() {
                eprintln!("in-flight: n = {n}, threads = {threads}, {unit}");
                findings.rows.extend(compete(n, threads, unit, effort.rounds()));
            }
        }
    }
    if !resident::is_known() {
        findings.notes.push("Memory was not measured: only Linux tells it without a library.".to_owned());
    }
    findings
}

/// Has every subject start its branches in new processes, in turn. There is nothing to warm up in them.
fn compete(n: usize, threads: usize, unit: &str, rounds: usize) -> Vec<Row> {
    let contestants = SUBJECTS.map(|subject| {
        let words = [subject.name.to_owned(), n.to_string(), threads.to_string(), unit.to_owned()];
        Contestant {
            name: subject.name,
            sample: Box::new(move || probe::ask(SUITE.name, &words.each_ref().map(String::as_str))),
        }
    });
    let samples = interleave(contestants.into(), rounds);
    let baseline = of(&samples, BASELINE).expect("the baseline takes part");
    let setting = Setting { suite: SUITE.name, n, threads, unit: unit.to_owned() };
    samples.iter().map(|subject| setting.row(subject, baseline)).collect()
}

/// One sample: starts all branches, and gives how much more is resident when they wait, or how long it took.
///
/// Panics if it does not understand the words: they come from [`compete`].
fn sample(words: &[String]) -> Vec<f64> {
    let [name, n, threads, unit] = words else { panic!("expected four words, not {words:?}") };
    let subject = SUBJECTS.into_iter().find(|subject| subject.name == name).expect("a subject's name");
    let [n, threads] = [n, threads].map(|count| count.parse::<usize>().expect("a number"));
    let runtime = Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_time()
        .build()
        .expect("the system has threads to spare");
    // The workers have started, and have memory of their own, when each has had something to do.
    runtime.block_on(async {
        for _ in 0..threads {
            tokio::spawn(tokio::task::yield_now()).await.expect("nothing fails");
        }
    });
    waiting::expect(n);
    let before = if unit == MEMORY { resident::kib() } else { 0 };
    let start = Instant::now();
    let run = runtime.spawn((subject.run)(n));
    let complete = runtime.block_on(waiting::complete());
    let figure = if unit == MEMORY {
        thread::sleep(REST);
        resident::kib().saturating_sub(before) as f64 * 1024.0 / n as f64
    } else {
        (complete - start).as_secs_f64() * 1e3
    };
    assert!(!run.is_finished(), "the branches of {name} wait");
    // Nobody is to wait for a hundred thousand actors to end.
    runtime.shutdown_background();
    vec![figure]
}
