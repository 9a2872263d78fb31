//! The suite: every case on every number of threads.

use std::fmt::Display;

use super::case::{CASES, Case};
use super::{joinset, sortie};
use crate::figures::{Findings, Setting};
use crate::rounds::of;
use crate::suites::contest::{arena::Arena, subject::Subject, subject::Work};
use crate::suites::{Comparison, Effort, Suite};

pub const SUITE: Suite = Suite {
    name: "nested",
    work: "no-op agents in fan-outs within fan-outs, each with its own cap; timeouts, panics and order as in fan-out",
    durability: "none, nothing is written",
    comparison: Comparison::Ratio,
    run,
    probe: None,
};

const THREADS: [usize; 2] = [1, 2];

const SUBJECTS: [&str; 2] = ["sortie", BASELINE];

const BASELINE: &str = "joinset";

/// All sizes are small, so that both efforts run all of them.
fn run(effort: Effort) -> Findings {
    let arenas = THREADS.map(|threads| Arena::new(threads, start_all()));
    let mut findings = Findings::default();
    for case in CASES {
        for arena in &arenas {
            let setting =
                Setting { suite: SUITE.name, n: case.items(), threads: arena.threads, unit: case.unit() };
            eprintln!("nested: {}, threads = {}", setting.unit, setting.threads);
            let samples = arena.compete(&SUBJECTS, case, effort.rounds());
            let baseline = of(&samples, BASELINE).expect("the baseline takes part");
            findings.rows.extend(samples.iter().map(|subject| setting.row(subject, baseline)));
        }
    }
    findings
        .notes
        .push("Every case ended with the right results, also those at a cap of 1 per level.".to_owned());
    findings
}

async fn start_all() -> Vec<Subject<Case>> {
    vec![Subject::new("sortie", sortie::nested, check), Subject::new(BASELINE, joinset::nested, check)]
}

/// Every leaf's output went through every level, in its place.
fn check<E: Display>(name: &str, case: Case, result: Result<usize, E>) {
    match result {
        Ok(result) => assert_eq!(result, case.expected(), "{name} returns results in input order"),
        Err(failure) => panic!("{name} failed: {failure}"),
    }
}
