//! The suite: each number of callers.

use std::time::Duration;

use tokio::runtime::Runtime;

use super::subjects::{BASELINE, subjects};
use crate::figures::{Findings, Row, Setting};
use crate::rounds::{Contestant, interleave, of};
use crate::suites::durable::callers::{Demand, Figure};
use crate::suites::durable::{THREADS, disk::Place, runtime};
use crate::suites::{Comparison, Effort, Suite};

pub const SUITE: Suite = Suite {
    name: "launch",
    work: "durable launches of 200 B, N callers at once, each waits for its answer; recorded and not executed",
    durability: "kept over a power cut once answered, by fdatasync; not by apalis-default and duroxide-default; peers as their rows say",
    comparison: Comparison::Ratio,
    run,
    probe: None,
};

const CALLERS: [usize; 4] = [1, 16, 64, 256];

fn run(effort: Effort) -> Findings {
    let place = Place::new();
    let runtime = runtime();
    let span = match effort {
        // So that the suite ends within five minutes with the peers on SQLite, too.
        Effort::Full if cfg!(feature = "sqlite") => Duration::from_millis(400),
        Effort::Full => Duration::from_millis(600),
        Effort::Quick => Duration::from_millis(100),
    };
    let latency = Demand { callers: 1, span, figure: Figure::Latency };
    let rates = CALLERS.map(|callers| Demand { callers, span, figure: Figure::Rate });
    let before = place.sync_p50();
    let mut findings = Findings::default();
    let of_many = Demand { callers: 1, span, figure: Figure::RateOfMany };
    for demand in [latency].into_iter().chain(rates).chain([of_many]) {
        findings.rows.extend(compete(&runtime, &place, demand, effort.rounds()));
        place.clear();
    }
    findings.facts.push(place.describe(before));
    findings
}

fn compete(runtime: &Runtime, place: &Place, demand: Demand, rounds: usize) -> Vec<Row> {
    let unit = match demand.figure {
        Figure::Latency => "µs p50",
        Figure::Rate => "launches/s",
        Figure::RateOfMany => "launches/s, 1,000 at once",
    };
    eprintln!("launch: {} callers, {unit}", demand.callers);
    let subjects = subjects();
    let contestants = subjects.iter().map(|subject| Contestant {
        name: subject.name,
        sample: Box::new(|| runtime.block_on((subject.sample)(place.fresh(), demand))),
    });
    let samples = interleave(contestants.collect(), rounds);
    let baseline = of(&samples, BASELINE).expect("the baseline takes part");
    let setting = Setting { suite: SUITE.name, n: demand.callers, threads: THREADS, unit: unit.to_owned() };
    samples.iter().map(|subject| setting.row(subject, baseline)).collect()
}
