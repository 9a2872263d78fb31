//! effectum's part in `benches/compare`: that program starts this one for each sample, as
//! `sortie-compare-effectum PATH SUITE WORD...`, and reads the figures that it prints.
//!
//! Jobs, callers and what is measured are the same source files as there.
//!
//! effectum is used as its documentation shows it. It opens SQLite with `synchronous=NORMAL`; it means to set the WAL
//! mode too, but names the setting wrongly, so that the database has a rollback journal. It writes on one thread, and
//! makes one transaction of up to 50 requests that wait.

#[path = "../../compare/src/suites/durable/callers.rs"]
mod callers;
#[path = "../../compare/src/suites/durable/job.rs"]
mod job;
mod queue;
#[path = "../../compare/src/suites/durable/ran.rs"]
mod ran;

use std::env;
use std::fmt::Debug;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Builder;

use callers::{Demand, Figure};
use queue::Durable;

/// As many as in the process that has started this one.
const THREADS: usize = 2;

fn main() {
    let words: Vec<_> = env::args().skip(1).collect();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let runtime = Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .expect("the system has threads to spare");
    let figures = match words[..] {
        [path, "launch", callers, span, figure] => {
            let figure = if figure == "rate" { Figure::Rate } else { Figure::Latency };
            let demand =
                Demand { callers: number(callers), span: Duration::from_millis(number(span)), figure };
            runtime.block_on(launch(Path::new(path), demand))
        }
        [path, "drain", n, slots] => runtime.block_on(drain(Path::new(path), number(n), number(slots))),
        _ => panic!("expected what benches/compare says, not {words:?}"),
    };
    let figures: Vec<_> = figures.iter().map(f64::to_string).collect();
    println!("{}", figures.join(" "));
}

fn number<T: FromStr<Err: Debug>>(word: &str) -> T {
    word.parse().expect("a number")
}

async fn launch(path: &Path, demand: Demand) -> Vec<f64> {
    let queue = Arc::new(Durable::open(path).await);
    let figure = demand.meet(&queue).await;
    queue.end().await;
    vec![figure]
}

/// Jobs per second, from the start of the worker to the last outcome.
async fn drain(path: &Path, n: usize, slots: u16) -> Vec<f64> {
    let queue = Durable::open(path).await;
    queue.record_all(n).await;
    let start = Instant::now();
    queue.run(n, slots).await;
    let took = start.elapsed();
    queue.end().await;
    vec![n as f64 / took.as_secs_f64()]
}
