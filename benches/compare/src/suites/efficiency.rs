//! How near a fan-out of waits comes to its ideal: the number of rounds times the wait.
//!
//! tokio's timers tick once per millisecond and never fire early, so whatever waits with tokio's `sleep` is
//! late by up to a millisecond per round. `timer-floor` shows that part alone: as many bare tasks as the cap
//! allows, each of which sleeps its share one after another, with nothing around it. What is between it and
//! sortie is sortie's own.

use std::future::Future;
use std::io;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::figures::{Findings, Row, Setting};
use crate::rounds::{Contestant, Samples, interleave};
use crate::suites::{Comparison, Effort, Suite};

pub const SUITE: Suite = Suite {
    name: "efficiency",
    work: "waits of equal length, a few at once: what part of the time is not overhead",
    durability: "none, nothing is written",
    comparison: Comparison::Efficiency,
    run,
    probe: None,
};

const THREADS: usize = 2;

/// As in `fan-out`: on, and never reached.
const LIMIT: Duration = Duration::from_secs(30);

/// `count` waits, `cap` of them at once.
#[derive(Clone, Copy)]
struct Case {
    count: usize,
    cap: usize,
    wait: Duration,
    quick: bool,
}

/// The small waits are the table that a known Rust example publishes; then nine translations, and ten long
/// calls.
const CASES: [Case; 6] = [
    Case { count: 32, cap: 2, wait: Duration::from_millis(100), quick: false },
    Case { count: 32, cap: 4, wait: Duration::from_millis(100), quick: false },
    Case { count: 32, cap: 8, wait: Duration::from_millis(100), quick: true },
    Case { count: 32, cap: 16, wait: Duration::from_millis(100), quick: true },
    Case { count: 9, cap: 9, wait: Duration::from_secs(2), quick: false },
    Case { count: 10, cap: 10, wait: Duration::from_secs(3), quick: false },
];

impl Case {
    /// What no scheduler can beat.
    fn ideal(self) -> Duration {
        let rounds = u32::try_from(self.count.div_ceil(self.cap)).expect("few rounds");
        self.wait * rounds
    }

    async fn sortie(self) {
        let waits = vec![self.wait; self.count];
        let outcomes = sortie::foreach(waits, wait).concurrency(self.cap).timeout(LIMIT).settled().await;
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), self.count);
    }

    async fn timer_floor(self) {
        let mut sleepers = JoinSet::new();
        for first in 0..self.cap {
            sleepers.spawn(async move {
                for _ in (first..self.count).step_by(self.cap) {
                    sleep(self.wait).await;
                }
            });
        }
        sleepers.join_all().await;
    }
}

async fn wait(length: Duration) -> io::Result<()> {
    sleep(length).await;
    Ok(())
}

fn run(effort: Effort) -> Findings {
    let runtime = Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_time()
        .build()
        .expect("the system has threads to spare");
    let chosen = CASES.into_iter().filter(|case| case.quick || effort == Effort::Full);
    let rows = chosen.flat_map(|case| measure(&runtime, case, effort.rounds())).collect();
    Findings { rows, ..Findings::default() }
}

fn measure(runtime: &Runtime, case: Case, rounds: usize) -> [Row; 4] {
    let Case { count, cap, wait, .. } = case;
    eprintln!("efficiency: {count} x {wait:?} at cap {cap}");
    warm_up(runtime, case);
    let contestants = vec![
        Contestant { name: "sortie", sample: Box::new(|| timed(runtime, case.sortie())) },
        Contestant { name: "timer-floor", sample: Box::new(|| timed(runtime, case.timer_floor())) },
    ];
    let samples = interleave(contestants, rounds);
    let [sortie, floor] = &samples[..] else { unreachable!("two contestants") };
    let ideal = Samples { name: "ideal", values: vec![case.ideal().as_secs_f64() * 1e3; rounds] };
    // The cap is part of the unit, because the rows of some cases differ in nothing else.
    let unit = format!("ms at cap {cap}");
    let setting = Setting { suite: SUITE.name, n: count, threads: THREADS, unit };
    [
        setting.row(sortie, &ideal),
        setting.row(sortie, floor),
        setting.row(floor, &ideal),
        setting.row(&ideal, &ideal),
    ]
}

/// The same work with waits of a tick: to warm up for the real length would only take time.
fn warm_up(runtime: &Runtime, case: Case) {
    let short = Case { wait: Duration::from_millis(1), ..case };
    timed(runtime, short.sortie());
    timed(runtime, short.timer_floor());
}

/// How many milliseconds the work takes as a task of the runtime.
fn timed(runtime: &Runtime, work: impl Future<Output = ()> + Send + 'static) -> f64 {
    let task = runtime.spawn(async {
        let start = Instant::now();
        work.await;
        start.elapsed().as_secs_f64() * 1e3
    });
    runtime.block_on(task).unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}
