//! The suite: every size and number of threads, and which rows come of it.

use std::time::Duration;

use super::sizes::{Affordable, sizes};
use super::subject::{BASELINE, start_all};
use crate::figures::{Findings, Row, Setting};
use crate::rounds::{Samples, of};
use crate::suites::contest::arena::Arena;
use crate::suites::{Comparison, Effort, Suite};

pub const SUITE: Suite = Suite {
    name: "fan-out",
    work: "N no-op agents, 64 at once, timeout per attempt, panics captured, results in input order",
    durability: "none, nothing is written",
    comparison: Comparison::Ratio,
    run,
    probe: None,
};

const THREADS: [usize; 2] = [1, 2];

/// Against whom sortie stands besides the baseline.
const RIVALS: [&str; 2] = ["buffered", "ractor-per-item"];

/// What stands against sortie itself: the price of an option.
const OPTION: &str = "sortie-recorded";

/// From here to the largest size the cost of an item should not grow.
const FLAT_FROM: usize = 10_000;

fn run(effort: Effort) -> Findings {
    let arenas = THREADS.map(|threads| Arena::new(threads, start_all()));
    let mut affordable = Affordable::new(effort);
    let mut findings = Findings::default();
    for &n in sizes(effort) {
        for arena in &arenas {
            let threads = arena.threads;
            let all: Vec<_> = arena.subjects.iter().map(|subject| subject.name).collect();
            let chosen = affordable.choose(&all, n, threads);
            eprintln!("fan-out: n = {n}, threads = {threads}");
            let samples = arena.compete(&chosen, n, effort.rounds());
            let rows = rows(n, threads, &samples);
            for row in &rows {
                affordable.note(row.subject, threads, Duration::from_secs_f64(row.value / 1e9));
            }
            findings.rows.extend(rows);
            let absent = all.into_iter().filter(|name| !chosen.contains(name));
            findings.notes.extend(absent.map(|name| {
                format!("{name} is left out at n = {n}, threads = {threads}: its rounds take too long.")
            }));
        }
    }
    findings.notes.extend(THREADS.iter().filter_map(|&threads| growth(&findings.rows, threads)));
    findings
}

/// Everyone against the baseline, then sortie against its rivals, and an option of its own against it.
fn rows(n: usize, threads: usize, samples: &[Samples]) -> Vec<Row> {
    let setting = Setting { suite: SUITE.name, n, threads, unit: "ns/item".to_owned() };
    let baseline = of(samples, BASELINE);
    let against_baseline = samples.iter().filter_map(|subject| Some(setting.row(subject, baseline?)));
    let sortie = of(samples, "sortie");
    let against_rivals = RIVALS.iter().filter_map(|rival| Some(setting.row(sortie?, of(samples, rival)?)));
    let option = sortie.and_then(|sortie| Some(setting.row(of(samples, OPTION)?, sortie)));
    against_baseline.chain(against_rivals).chain(option).collect()
}

/// How the cost of an item grows with the number of items. The two did not meet in the same rounds.
fn growth(rows: &[Row], threads: usize) -> Option<String> {
    let mut sortie = rows.iter().filter(|row| row.subject == "sortie" && row.threads == threads);
    let small = sortie.clone().find(|row| row.n == FLAT_FROM)?;
    let large = sortie.rfind(|row| row.baseline == BASELINE)?;
    (large.n > small.n).then(|| {
        let growth = large.value / small.value;
        format!(
            "sortie, threads = {threads}: at n = {} an item costs {growth:.2} × that at {}.",
            large.n, small.n
        )
    })
}
