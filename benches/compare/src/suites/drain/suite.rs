//! The suite: each number of jobs.

use std::path::PathBuf;

use futures::future::{BoxFuture, FutureExt};
use tokio::runtime::Runtime;

use super::{raw, sortie};
use crate::figures::{Findings, Row, Setting};
use crate::rounds::{Contestant, interleave, of};
#[cfg(feature = "sqlite")]
use crate::suites::durable::apart::{DUROXIDE, EFFECTUM};
use crate::suites::durable::{THREADS, disk::Place, runtime};
use crate::suites::{Comparison, Effort, Suite};

pub const SUITE: Suite = Suite {
    name: "drain",
    work: "N recorded jobs of 200 B are run by a no-op agent, 64 at once; that each runs and what came out is durable",
    durability: "kept over a power cut, by fdatasync; effectum less surely, duroxide-default not: see the suite's documentation",
    comparison: Comparison::Ratio,
    run,
    probe: None,
};

const BASELINE: &str = "raw-fdatasync";

/// A way to run jobs that are recorded, over a path where nothing is yet; gives jobs per second.
#[derive(Clone, Copy)]
struct Draining {
    name: &'static str,
    /// The largest number of jobs of which it gets through all rounds within a minute.
    most: usize,
    sample: fn(PathBuf, usize) -> BoxFuture<'static, f64>,
}

const SUBJECTS: &[Draining] = &[
    Draining { name: "sortie", most: usize::MAX, sample: |path, n| sortie::drain(path, n).boxed() },
    Draining { name: BASELINE, most: usize::MAX, sample: |path, n| raw::drain(path, n).boxed() },
    #[cfg(feature = "sqlite")]
    Draining { name: "apalis-full", most: 2_000, sample: |path, n| super::apalis::drain(path, n).boxed() },
    #[cfg(feature = "sqlite")]
    Draining { name: "effectum", most: 2_000, sample: |path, n| effectum(path, n).boxed() },
    #[cfg(feature = "sqlite")]
    Draining { name: "duroxide", most: 1_000, sample: |path, n| duroxide(path, n, "full").boxed() },
    #[cfg(feature = "sqlite")]
    Draining {
        name: "duroxide-default",
        most: 1_000,
        sample: |path, n| duroxide(path, n, "default").boxed(),
    },
];

#[cfg(feature = "sqlite")]
async fn effectum(path: PathBuf, n: usize) -> f64 {
    EFFECTUM.ask(&path, &["drain", &n.to_string(), &super::SLOTS.to_string()])[0]
}

#[cfg(feature = "sqlite")]
async fn duroxide(path: PathBuf, n: usize, synchronous: &str) -> f64 {
    DUROXIDE.ask(&path, &["drain", synchronous, &n.to_string()])[0]
}

fn sizes(effort: Effort) -> &'static [usize] {
    match effort {
        Effort::Full => &[1_000, 2_000, 50_000],
        Effort::Quick => &[1_000],
    }
}

fn run(effort: Effort) -> Findings {
    let place = Place::new();
    let runtime = runtime();
    let before = place.sync_p50();
    let mut findings = Findings::default();
    for &n in sizes(effort) {
        eprintln!("drain: n = {n}");
        findings.rows.extend(compete(&runtime, &place, n, effort.rounds()));
    }
    findings.facts.push(place.describe(before));
    findings
}

/// Each subject compared with the limit, and sortie with each peer.
fn compete(runtime: &Runtime, place: &Place, n: usize, rounds: usize) -> Vec<Row> {
    let taking_part = SUBJECTS.iter().filter(|subject| n <= subject.most);
    let contestants = taking_part.map(|subject| {
        let sample = move |n| runtime.block_on((subject.sample)(place.fresh(), n));
        // A small one to warm up.
        sample(n / 10);
        Contestant { name: subject.name, sample: Box::new(move || sample(n)) }
    });
    let samples = interleave(contestants.collect(), rounds);
    place.clear();
    let sortie = of(&samples, "sortie").expect("sortie takes part");
    let baseline = of(&samples, BASELINE).expect("the baseline takes part");
    let setting = Setting { suite: SUITE.name, n, threads: THREADS, unit: "jobs/s".to_owned() };
    let peers = samples.iter().filter(|subject| ![sortie.name, BASELINE].contains(&subject.name));
    let to_peers = peers.map(|peer| setting.row(sortie, peer));
    samples.iter().map(|subject| setting.row(subject, baseline)).chain(to_peers).collect()
}
