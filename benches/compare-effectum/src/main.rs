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
#[path = "../../compare/src/suites/contest/resident.rs"]
#[expect(dead_code, reason = "who starts this program has asked whether the system tells")]
mod resident;
#[path = "../../compare/src/suites/recover/watch.rs"]
mod watch;

use std::env;
use std::fmt::Debug;
use std::io::{Write, stdout};
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Builder;

use callers::{Demand, Figure, Recorder};
use job::job;
use queue::{Counted, Durable, end};
use watch::Watch;

/// As many as in the process that has started this one.
const THREADS: usize = 2;

/// How many jobs run at once in a process that goes on, as in the others.
const SLOTS: u16 = 64;

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
            let figure = match figure {
                "rate" => Figure::Rate,
                "rate-of-many" => Figure::RateOfMany,
                _ => Figure::Latency,
            };
            let demand =
                Demand { callers: number(callers), span: Duration::from_millis(number(span)), figure };
            runtime.block_on(launch(Path::new(path), demand))
        }
        [path, "drain", n, slots] => runtime.block_on(drain(Path::new(path), number(n), number(slots))),
        [path, "leave", n] => runtime.block_on(leave(Path::new(path), number(n))),
        [path, "go-on", n] => runtime.block_on(go_on(Path::new(path), number(n))),
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
    queue.record_all(vec![job(); n]).await;
    let start = Instant::now();
    let ran = Counted::none_of(n);
    let worker = queue.work(&ran, slots).await;
    queue.until_done(&ran).await;
    let took = start.elapsed();
    end(worker).await;
    queue.end().await;
    vec![n as f64 / took.as_secs_f64()]
}

/// Records jobs, says so, and waits for its end.
async fn leave(path: &Path, n: usize) -> Vec<f64> {
    let queue = Durable::open(path).await;
    queue.record_all(vec![job(); n]).await;
    println!("ready");
    stdout().flush().expect("somebody reads it");
    std::future::pending().await
}

/// Opens what is at `path`, and runs all jobs.
async fn go_on(path: &Path, n: usize) -> Vec<f64> {
    let mut watch = Watch::start();
    let queue = Durable::open(path).await;
    watch.opened();
    let ran = Counted::none_of(n);
    let worker = queue.work(&ran, SLOTS).await;
    watch.ready(|| [resident::mib(), resident::peak_mib()]);
    let figures = watch.figures(&ran.all().await, n);
    end(worker).await;
    queue.end().await;
    figures
}
