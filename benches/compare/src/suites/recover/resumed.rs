//! The process that goes on.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use sortie::{SledJournal, System, agent_fn};

use super::{Left, MOST_RUN, SLOTS, memory, watch::Watch};
use crate::suites::durable::ran::Ran;
use crate::suites::durable::{runtime, sortie::GATE};

/// What one process shows, in the order of [`UNITS`].
pub const UNITS: [&str; 6] =
    ["ms to open", "ms to ready", "ms to first body", "ms to last body", "MiB when ready", "MiB at the peak"];

/// Opens what is at `path` and goes on with it.
pub fn go_on(path: &Path, subject: &str, left: Left, n: usize) -> Vec<f64> {
    match subject {
        "sortie" => runtime().block_on(sortie(path, left, n)),
        #[cfg(feature = "sqlite")]
        "apalis-full" => runtime().block_on(super::apalis::go_on(path, n)),
        _ => log(path, n),
    }
}

async fn sortie(path: &Path, left: Left, n: usize) -> Vec<f64> {
    let mut watch = Watch::start();
    let expected = if left == Left::InFlight || n <= MOST_RUN { n } else { 1 };
    let ran = Arc::new(Ran::none_of(expected));
    let theirs = Arc::clone(&ran);
    let agent = agent_fn(move |job: String, _| {
        theirs.note(Instant::now());
        async move { Ok(job.len()) }
    });
    let journal = SledJournal::open(path).expect("the journal can be opened");
    watch.opened();
    let mut builder = System::builder().journal(journal);
    builder.launch_concurrency(SLOTS).most_pending(usize::MAX);
    builder.register(agent.named("job"));
    builder.register(agent_fn(|(): (), _| async { Ok(()) }).named(GATE));
    let system = builder.start().await.expect("a system can be started");
    watch.ready(memory);
    let figures = watch.figures(&ran.all().await, n);
    // Nobody is to wait for a million launches to end, nor for a journal to close.
    std::mem::forget(system);
    figures
}

/// Reads a log from start to end.
fn log(path: &Path, n: usize) -> Vec<f64> {
    let mut watch = Watch::start();
    let mut log = BufReader::with_capacity(1 << 20, File::open(path).expect("the log is there"));
    let (mut places, mut job, mut end) = (HashMap::new(), Vec::new(), 0_u64);
    loop {
        let mut length = [0; 4];
        // The file is longer than what was written.
        if log.read_exact(&mut length).is_err() || length == [0; 4] {
            break;
        }
        job.resize(u32::from_le_bytes(length) as usize, 0);
        log.read_exact(&mut job).expect("what was acknowledged is whole");
        places.insert(places.len(), (end, job.len()));
        end += (length.len() + job.len()) as u64;
    }
    watch.opened();
    let read = vec![Instant::now(); places.len()];
    watch.ready(memory);
    assert_eq!(places.len(), n, "what was acknowledged is there");
    watch.figures(&read, n)
}
