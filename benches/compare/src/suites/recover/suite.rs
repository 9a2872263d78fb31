//! The suite: each state, and each number of launches.

use std::path::Path;

use super::copy::copy;
use super::resumed::{UNITS, go_on};
use super::{Left, killed};
use crate::figures::{Findings, Row, Setting};
use crate::probe;
use crate::rounds::{Samples, of};
use crate::suites::contest::resident;
use crate::suites::durable::{THREADS, disk::Place};
use crate::suites::{Comparison, Effort, Suite};

pub const SUITE: Suite = Suite {
    name: "recover",
    work: "a process with N launches of 200 B, in flight or pending, is killed with SIGKILL; the next one opens what it left",
    durability: "kept over a power cut once acknowledged, by fdatasync",
    comparison: Comparison::Ratio,
    run,
    probe: Some(answer),
};

const BASELINE: &str = "raw-fdatasync";

const SUBJECTS: [&str; 2] = ["sortie", BASELINE];

/// From here on, a round takes many seconds.
const LARGE: usize = 1_000_000;

fn cases(effort: Effort) -> &'static [(Left, usize)] {
    match effort {
        Effort::Full => &[(Left::InFlight, 1_000), (Left::Pending, 100_000), (Left::Pending, 1_000_000)],
        Effort::Quick => &[(Left::InFlight, 100), (Left::Pending, 10_000)],
    }
}

fn run(effort: Effort) -> Findings {
    let mut findings = Findings::default();
    if !resident::is_known() {
        findings.notes.push("Nothing was measured: only Linux tells memory without a library.".to_owned());
        return findings;
    }
    let place = Place::new();
    let before = place.sync_p50();
    for &(left, n) in cases(effort) {
        eprintln!("recover: n = {n}, {}", left.word());
        findings.rows.extend(compete(&place, left, n, effort.rounds()));
        place.clear();
    }
    findings.facts.push(place.describe(before));
    findings
        .notes
        .push(format!("From {LARGE} launches on there are no more than 3 rounds: each takes many seconds."));
    findings
}

/// Has every subject go on in new processes, in turn; a large case has fewer rounds, so that the suite ends in time. There is nothing to warm up in them, but what they read comes from
/// the system's cache, so one round that does not count puts it there.
fn compete(place: &Place, left: Left, n: usize, rounds: usize) -> Vec<Row> {
    let rounds = if n < LARGE { rounds } else { rounds.min(3) };
    let originals = SUBJECTS.map(|subject| {
        let path = place.fresh();
        killed::leave(&path, subject, left, n);
        path
    });
    let mut samples = UNITS.map(|_| SUBJECTS.map(|name| Samples { name, values: Vec::new() }));
    for round in 0..=rounds {
        for turn in 0..SUBJECTS.len() {
            let subject = (round + turn) % SUBJECTS.len();
            let path = place.fresh();
            copy(&originals[subject], &path);
            let figures = ask(&path, SUBJECTS[subject], left, n);
            Place::remove(&path);
            if round > 0 {
                for (figure, samples) in figures.into_iter().zip(&mut samples) {
                    samples[subject].values.push(figure);
                }
            }
        }
    }
    let rows = UNITS.iter().zip(&samples).flat_map(|(unit, samples)| {
        let baseline = of(samples, BASELINE).expect("the baseline takes part");
        let unit = format!("{unit}, {}", left.word());
        let setting = Setting { suite: SUITE.name, n, threads: THREADS, unit };
        // What sortie was not asked for is left out.
        let measured = !samples.iter().flat_map(|samples| &samples.values).any(|value| value.is_nan());
        let subjects = samples.iter().filter(|_| measured);
        subjects.map(|subject| setting.row(subject, baseline)).collect::<Vec<_>>()
    });
    rows.collect()
}

fn ask(path: &Path, subject: &str, left: Left, n: usize) -> Vec<f64> {
    let path = path.to_str().expect("the path is text");
    probe::figures(probe::command(SUITE.name, &["go-on", path, subject, left.word(), &n.to_string()]))
}

/// What the processes do that this suite starts.
///
/// Panics if it does not understand the words: they come from [`ask`] and [`killed::leave`].
fn answer(words: &[String]) -> Vec<f64> {
    let [what, path, subject, left, n] = words else { panic!("expected five words, not {words:?}") };
    let (left, n) = (Left::of_word(left), n.parse().expect("a number"));
    match what.as_str() {
        "leave" => killed::be_killed(Path::new(path), subject, left, n),
        _ => go_on(Path::new(path), subject, left, n),
    }
}
