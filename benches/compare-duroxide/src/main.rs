//! duroxide's part in `benches/compare`: that program starts this one for each sample, as
//! `sortie-compare-duroxide PATH SUITE WORD...`, and reads the figure that it prints.
//!
//! Jobs, callers and what is measured are the same source files as there.
//!
//! duroxide is used as its documentation shows it: a job is an orchestration, and what it does an activity. It means to set
//! `synchronous` to `WAL`, which is no level, and SQLite takes it for `NORMAL`: a commit is written and not synced. So each
//! suite is run with that, and with `FULL` ([`Synchronous`]).

#[path = "../../compare/src/suites/durable/callers.rs"]
mod callers;
#[path = "../../compare/src/suites/durable/job.rs"]
mod job;
#[path = "../../compare/src/suites/durable/ran.rs"]
mod ran;
mod store;

use std::env;
use std::fmt::Debug;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Builder;
use tracing::subscriber::{NoSubscriber, set_global_default};

use callers::{Demand, Figure, Recorder};
use job::job;
use ran::Ran;
use store::{Store, Synchronous};

/// As many as in the process that has started this one.
const THREADS: usize = 2;

fn main() {
    // Otherwise duroxide writes its log to where the figure goes.
    set_global_default(NoSubscriber::new()).expect("nobody else has set one");
    let words: Vec<_> = env::args().skip(1).collect();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let runtime = Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .expect("the system has threads to spare");
    let figure = match words[..] {
        [path, "launch", synchronous, callers, span, figure] => {
            let figure = match figure {
                "rate" => Figure::Rate,
                "rate-of-many" => Figure::RateOfMany,
                _ => Figure::Latency,
            };
            let demand =
                Demand { callers: number(callers), span: Duration::from_millis(number(span)), figure };
            runtime.block_on(launch(Path::new(path), level(synchronous), demand))
        }
        [path, "drain", synchronous, n] => {
            runtime.block_on(drain(Path::new(path), level(synchronous), number(n)))
        }
        _ => panic!("expected what benches/compare says, not {words:?}"),
    };
    println!("{figure}");
}

fn level(word: &str) -> Synchronous {
    match word {
        "full" => Synchronous::Full,
        _ => Synchronous::Default,
    }
}

fn number<T: FromStr<Err: Debug>>(word: &str) -> T {
    word.parse().expect("a number")
}

async fn launch(path: &Path, synchronous: Synchronous, demand: Demand) -> f64 {
    let store = Arc::new(Store::open(path, synchronous).await);
    demand.meet(&store).await
}

/// Jobs per second, from the start of the runtime to the last outcome.
async fn drain(path: &Path, synchronous: Synchronous, n: usize) -> f64 {
    let store = Store::open(path, synchronous).await;
    store.record_all(vec![job(); n]).await;
    let ran = Arc::new(Ran::none_of(n));
    let start = Instant::now();
    let runtime = store.work(&ran).await;
    ran.all().await;
    store.until_done(n).await;
    let took = start.elapsed();
    runtime.shutdown(Some(1000)).await;
    n as f64 / took.as_secs_f64()
}
