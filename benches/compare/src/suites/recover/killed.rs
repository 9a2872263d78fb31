//! The process that is killed.

use std::fs;
use std::io::{BufRead, BufReader, Write, stdout};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use sortie::{AgentRef, SledJournal, System, agent_fn};
use tokio::sync::mpsc;

use super::{Left, process};
use crate::suites::durable::fill::fill;
use crate::suites::durable::job::job;
use crate::suites::durable::raw_log::RawLog;
use crate::suites::durable::runtime;
use crate::suites::durable::sortie::Gate;

/// What it says when everything is recorded.
const READY: &str = "ready";

/// Has a process record launches in a new directory at `path`, and kills it.
pub fn leave(path: &Path, subject: &str, left: Left, n: usize) {
    fs::create_dir(path).expect("the place is fresh");
    let mut command = process("leave", path, subject, left, n);
    let mut process = command.stdout(Stdio::piped()).spawn().expect("one more process can be started");
    let said = BufReader::new(process.stdout.take().expect("it is piped")).lines().next();
    process.kill().and_then(|()| process.wait()).expect("it is this program's own");
    assert_eq!(said.and_then(Result::ok).as_deref(), Some(READY), "everything was recorded");
}

/// Records launches, says so, and waits for its end.
pub fn be_killed(path: &Path, subject: &str, left: Left, n: usize) -> Vec<f64> {
    runtime().block_on(async {
        match (subject, left) {
            ("sortie", Left::Pending) => pending(path, n).await,
            ("sortie", Left::InFlight) => in_flight(path, n).await,
            #[cfg(feature = "sqlite")]
            ("apalis-full", _) => super::apalis::leave(path, n).await,
            _ => log(path, n).await,
        }
        println!("{READY}");
        stdout().flush().expect("somebody reads it");
        std::future::pending().await
    })
}

async fn pending(path: &Path, n: usize) {
    let agent = agent_fn(|job: String, _| async move { Ok(job.len()) }).named("job");
    let gate = Arc::new(Gate::start(path, 1, AgentRef::new(agent)).await);
    fill(&gate, n).await;
    // Until it is killed.
    std::mem::forget(gate);
}

async fn in_flight(path: &Path, n: usize) {
    let (began, mut begun) = mpsc::unbounded_channel();
    let mut builder = System::builder().journal(SledJournal::open(path).expect("a journal can be made"));
    builder.launch_concurrency(n);
    let agent = agent_fn(move |_: String, _| {
        began.send(()).expect("the process waits for it");
        std::future::pending()
    });
    let agent: AgentRef<String, usize> = builder.register(agent.named("job"));
    let system = builder.start().await.expect("a system can be started");
    let launches = (0..n).map(|_| system.launch(&agent, job()));
    for ticket in system.launch_many(launches).await {
        ticket.expect("a launch can be recorded");
    }
    for _ in 0..n {
        begun.recv().await.expect("the agent keeps its end");
    }
    std::mem::forget(system);
}

async fn log(path: &Path, n: usize) {
    fill(&Arc::new(RawLog::create(path)), n).await;
}
