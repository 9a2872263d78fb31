//! The suite: each state, and each number of launches.

use std::path::Path;
use std::process::Command;

use super::copy::copy;
use super::resumed::{UNITS, go_on};
use super::{Left, killed};
use crate::figures::{Findings, Row, Setting};
use crate::probe;
use crate::rounds::{Samples, of};
use crate::suites::contest::resident;
#[cfg(feature = "sqlite")]
use crate::suites::durable::apart::EFFECTUM;
use crate::suites::durable::{THREADS, disk::Place};
use crate::suites::{Comparison, Effort, Suite};

pub const SUITE: Suite = Suite {
    name: "recover",
    work: "a process with N launches of 200 B, in flight or pending, is killed with SIGKILL; the next one opens what it left",
    durability: "kept over a power cut once acknowledged, by fdatasync; effectum less surely, see the suite's documentation",
    comparison: Comparison::Ratio,
    run,
    probe: Some(answer),
};

const BASELINE: &str = "raw-fdatasync";

/// Who takes part.
struct Subject {
    name: &'static str,
    in_flight: bool,
    /// The largest of the suite's numbers of pending jobs of which it runs all, in all rounds, within a minute.
    most: usize,
}

const SUBJECTS: &[Subject] = &[
    Subject { name: "sortie", in_flight: true, most: usize::MAX },
    Subject { name: BASELINE, in_flight: true, most: usize::MAX },
    #[cfg(feature = "sqlite")]
    Subject { name: "apalis-full", in_flight: false, most: 1_000 },
    #[cfg(feature = "sqlite")]
    Subject { name: "effectum", in_flight: false, most: 10_000 },
];

impl Subject {
    fn takes_part(&self, left: Left, n: usize) -> bool {
        match left {
            Left::InFlight => self.in_flight,
            Left::Pending => n <= self.most,
        }
    }
}

/// From here on, a round takes many seconds.
const LARGE: usize = 1_000_000;

fn cases(effort: Effort) -> &'static [(Left, usize)] {
    use Left::{InFlight, Pending};
    match effort {
        Effort::Full => &[
            (InFlight, 1_000),
            (Pending, 1_000),
            (Pending, 10_000),
            (Pending, 100_000),
            (Pending, 1_000_000),
        ],
        Effort::Quick => &[(InFlight, 100), (Pending, 1_000), (Pending, 10_000)],
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

/// Has every subject go on in new processes, in turn; a large case has fewer rounds, so that the suite ends in time. There is
/// nothing to warm up in them, but what they read comes from the system's cache, so one round that does not count puts it
/// there.
fn compete(place: &Place, left: Left, n: usize, rounds: usize) -> Vec<Row> {
    let rounds = if n < LARGE { rounds } else { rounds.min(3) };
    let subjects: Vec<_> =
        SUBJECTS.iter().filter(|subject| subject.takes_part(left, n)).map(|subject| subject.name).collect();
    let leave = |subject: &&str| {
        let path = place.fresh();
        killed::leave(&path, subject, left, n);
        path
    };
    let originals: Vec<_> = subjects.iter().map(leave).collect();
    let none = |name: &&'static str| Samples { name, values: Vec::new() };
    let mut samples = UNITS.map(|_| subjects.iter().map(none).collect::<Vec<_>>());
    for round in 0..=rounds {
        for turn in 0..subjects.len() {
            let subject = (round + turn) % subjects.len();
            let path = place.fresh();
            copy(&originals[subject], &path);
            let figures = probe::figures(process("go-on", &path, subjects[subject], left, n));
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
        let sortie = of(samples, "sortie").expect("sortie takes part");
        let peers = samples.iter().filter(|subject| ![sortie.name, BASELINE].contains(&subject.name));
        let to_peers = peers.map(|peer| setting.row(sortie, peer));
        let rows = samples.iter().map(|subject| setting.row(subject, baseline)).chain(to_peers);
        rows.filter(|_| measured).collect::<Vec<_>>()
    });
    rows.collect()
}

/// A process that does its part with what is in the directory at `path`.
pub fn process(part: &str, path: &Path, subject: &str, left: Left, n: usize) -> Command {
    let (path, n) = (path.join("journal"), n.to_string());
    #[cfg(feature = "sqlite")]
    if subject == "effectum" {
        return EFFECTUM.command(&path, &[part, &n]);
    }
    let path = path.to_str().expect("the path is text");
    probe::command(SUITE.name, &[part, path, subject, left.word(), &n])
}

/// What the processes do that this suite starts.
///
/// Panics if it does not understand the words: they come from [`process`].
fn answer(words: &[String]) -> Vec<f64> {
    let [what, path, subject, left, n] = words else { panic!("expected five words, not {words:?}") };
    let (left, n) = (Left::of_word(left), n.parse().expect("a number"));
    match what.as_str() {
        "leave" => killed::be_killed(Path::new(path), subject, left, n),
        _ => go_on(Path::new(path), subject, left, n),
    }
}
