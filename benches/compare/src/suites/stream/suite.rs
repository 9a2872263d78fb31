//! The suite: every size and number of threads, for time and for memory.

use super::consumer::Habit;
use super::memory;
use super::subjects::{BASELINE, IDEAL, PEER, SORTIE, Streaming, check};
use crate::figures::{Findings, Row, Setting};
use crate::rounds::of;
use crate::suites::contest::{arena::Arena, resident, subject::Subject};
use crate::suites::{Comparison, Effort, Suite};

pub const SUITE: Suite = Suite {
    name: "stream",
    work: "N no-op agents, 64 at once, timeout per attempt, panics captured, a slow consumer takes outcomes as they come",
    durability: "none, nothing is written",
    comparison: Comparison::Ratio,
    run,
    probe: Some(memory::probe),
};

const THREADS: [usize; 2] = [1, 2];

/// A small size, and the one that must not need more memory.
fn sizes(effort: Effort) -> [usize; 2] {
    match effort {
        Effort::Full => [10_000, 1_000_000],
        Effort::Quick => [1_000, 10_000],
    }
}

fn run(effort: Effort) -> Findings {
    let arenas = THREADS.map(|threads| Arena::new(threads, start_all()));
    let mut findings = Findings::default();
    for n in sizes(effort) {
        for arena in &arenas {
            let threads = arena.threads;
            eprintln!("stream: n = {n}, threads = {threads}");
            findings.rows.extend(times(arena, n, effort.rounds()));
            if resident::is_known() {
                findings.rows.extend(memory::compete(n, threads, effort.rounds()));
            }
        }
    }
    if resident::is_known() {
        findings.notes.extend(THREADS.iter().filter_map(|&threads| growth(&findings.rows, threads)));
    } else {
        findings.notes.push("Memory was not measured: only Linux tells it without a library.".to_owned());
    }
    findings
}

async fn start_all() -> Vec<Subject<usize>> {
    let subject = |Streaming { name, run }: Streaming| {
        Subject::new(name, move |n| run(n, Habit::Steady), |name, n, consumed| check(name, n, &consumed))
    };
    [SORTIE, PEER, IDEAL].map(subject).into()
}

fn times(arena: &Arena<usize>, n: usize, rounds: usize) -> Vec<Row> {
    let names: Vec<_> = arena.subjects.iter().map(|subject| subject.name).collect();
    let samples = arena.compete(&names, n, rounds);
    let baseline = of(&samples, BASELINE).expect("the baseline takes part");
    let setting = Setting { suite: SUITE.name, n, threads: arena.threads, unit: "ns/item".to_owned() };
    samples.iter().map(|subject| setting.row(subject, baseline)).collect()
}

/// How much more memory the large size needs, per subject. The sizes did not meet in the same rounds.
fn growth(rows: &[Row], threads: usize) -> Option<String> {
    let of = |subject: &str| {
        let mut own = rows.iter().filter(|r| (r.subject, r.threads, &*r.unit) == (subject, threads, "KiB"));
        Some((own.next()?, own.next_back()?))
    };
    let (small, large) = of(SORTIE.name)?;
    let more =
        |subject: &str| of(subject).map(|(small, large)| format!("{:+.0} KiB", large.value - small.value));
    Some(format!(
        "RSS, threads = {threads}: what {} items need more than {}: sortie {}, {BASELINE} {}, sortie-settled {}.",
        large.n,
        small.n,
        more(SORTIE.name)?,
        more(BASELINE)?,
        more("sortie-settled")?,
    ))
}
