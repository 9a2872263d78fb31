//! The process that goes on.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use sortie::{SledJournal, System, agent_fn};

use super::Left;
use crate::suites::contest::resident;
use crate::suites::durable::ran::Ran;
use crate::suites::durable::{runtime, sortie::GATE};

/// What one process shows, in the order of [`UNITS`].
pub const UNITS: [&str; 6] =
    ["ms to open", "ms to ready", "ms to first body", "ms to last body", "MiB when ready", "MiB at the peak"];

/// What was not measured.
const NOT_MEASURED: f64 = f64::NAN;

/// Opens what is at `path` and goes on with it.
pub fn go_on(path: &Path, subject: &str, left: Left, n: usize) -> Vec<f64> {
    match subject {
        "sortie" => runtime().block_on(sortie(path, left, n)).to_vec(),
        _ => log(path, n).to_vec(),
    }
}

async fn sortie(path: &Path, left: Left, n: usize) -> [f64; 6] {
    let start = Instant::now();
    let since = |moment: Instant| (moment - start).as_secs_f64() * 1e3;
    let expected = if left == Left::InFlight { n } else { 1 };
    let (ran, first) = (Arc::new(Ran::none_of(expected)), Arc::new(Mutex::new(None)));
    let (theirs, theirs_first) = (Arc::clone(&ran), Arc::clone(&first));
    let agent = agent_fn(move |job: String, _| {
        theirs_first.lock().expect("nobody panics with the lock").get_or_insert_with(Instant::now);
        theirs.note(());
        async move { Ok(job.len()) }
    });
    let journal = SledJournal::open(path).expect("the journal can be opened");
    let opened = Instant::now();
    let mut builder = System::builder().journal(journal);
    builder.most_pending(usize::MAX);
    builder.register(agent.named("job"));
    builder.register(agent_fn(|(): (), _| async { Ok(()) }).named(GATE));
    let system = builder.start().await.expect("a system can be started");
    let ready = Instant::now();
    let (resident, peak) = (resident::mib(), resident::peak_mib());
    ran.all().await;
    let last = if left == Left::InFlight { since(Instant::now()) } else { NOT_MEASURED };
    let first = first.lock().expect("nobody panics with the lock").expect("a body has run");
    // Nobody is to wait for a million launches to end, nor for a journal to close.
    std::mem::forget(system);
    [since(opened), since(ready), since(first), last, resident, peak]
}

/// Reads a log from start to end.
fn log(path: &Path, n: usize) -> [f64; 6] {
    let start = Instant::now();
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
    let ready = start.elapsed().as_secs_f64() * 1e3;
    assert_eq!(places.len(), n, "what was acknowledged is there");
    [ready, ready, ready, ready, resident::mib(), resident::peak_mib()]
}
