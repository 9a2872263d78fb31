//! Processes with launches that run at most once, killed with SIGKILL again and again: no body starts twice, and nothing
//! that was acknowledged is lost.
#![cfg(unix)]

use std::collections::{HashMap, HashSet};
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sortie::{AgentContext, AgentRef, LaunchId, LaunchStatus, SledJournal, System, agent_fn};

use crate::directory::Directory;
use crate::support::threads;

const DIRECTORY: &str = "SORTIE_TEST_AT_MOST_ONCE";

/// How many processes are killed; another number may be given by this variable.
const KILLS: (usize, &str) = (30, "SORTIE_TEST_KILLS");

/// Notes each body in a file before it does anything else, and takes a few milliseconds.
fn work(directory: &Path) -> AgentRef<u64, u64> {
    let directory = directory.to_owned();
    let agent = agent_fn(move |n: u64, cx: AgentContext| {
        let directory = directory.clone();
        async move {
            let mut bodies = OpenOptions::new().create(true).append(true).open(directory.join("bodies"))?;
            let id = cx.launch_id().ok_or("no launch")?;
            bodies.write_all(format!("{id}\n").as_bytes())?;
            tokio::time::sleep(Duration::from_millis(n % 5)).await;
            if n % 11 == 0 { Err("declined".into()) } else { Ok(n) }
        }
    });
    AgentRef::new(agent.named("work")).at_most_once()
}

/// Not a test: what the child processes do.
#[test]
fn child() {
    let Some(path) = std::env::var_os(DIRECTORY) else { return };
    let path = Path::new(&path);
    threads(2).block_on(async {
        let mut builder = System::builder().journal(SledJournal::open(path.join("journal")).unwrap());
        let agent = builder.register(work(path));
        builder.launch_concurrency(4);
        let system = builder.start().await.unwrap();
        // Until it is killed, and not for ever.
        for n in 0..1_000 {
            let ticket = system.launch(&agent, n).await.unwrap();
            let mut out = std::io::stdout();
            writeln!(out, "launched {}", ticket.id()).unwrap();
            out.flush().unwrap();
        }
    });
}

/// A child process. Dropping it kills it.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a process, kills it when it has launched so many, and says which.
fn killed_after(directory: &Path, launches: usize) -> Vec<LaunchId> {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "at_most_once_kills::child", "--nocapture", "--test-threads=1"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut process = Process(child);
    let out = BufReader::new(process.0.stdout.take().unwrap()).lines().map_while(Result::ok);
    let launched = out.filter_map(|line| Some(line.strip_prefix("launched ")?.parse().unwrap()));
    launched.take(launches).collect()
}

#[tokio::test(start_paused = true)]
async fn no_body_starts_twice_however_often_the_process_is_killed() {
    let kills = std::env::var(KILLS.1).map_or(KILLS.0, |kills| kills.parse().unwrap());
    let directory = Directory::new();
    let mut launched = Vec::new();
    for kill in 0..kills {
        launched.extend(killed_after(directory.path(), 1 + kill * 7 % 31));
    }
    let mut builder = System::builder().journal(SledJournal::open(directory.journal()).unwrap());
    builder.register(work(directory.path()));
    let system = builder.start().await.unwrap();
    let mut ended = HashMap::<LaunchStatus, usize>::new();
    let mut done = HashSet::new();
    for id in &launched {
        let ticket = system.ticket::<u64>(*id).unwrap();
        let outcome = ticket.result().await.unwrap();
        let status = ticket.status().await.unwrap();
        assert_eq!(outcome.is_ok(), status == LaunchStatus::Done);
        *ended.entry(status).or_default() += 1;
        if matches!(status, LaunchStatus::Done | LaunchStatus::Dead) {
            done.insert(*id);
        }
    }
    system.shutdown(Duration::ZERO).await.unwrap();
    let mut begun = HashMap::<LaunchId, usize>::new();
    for line in fs::read_to_string(directory.path().join("bodies")).unwrap().lines() {
        *begun.entry(line.parse().unwrap()).or_default() += 1;
    }
    let twice = begun.values().filter(|bodies| **bodies > 1).count();
    println!("kills={kills} launched={} begun={} twice={twice} ended={ended:?}", launched.len(), begun.len());
    assert_eq!(twice, 0, "of {}", begun.len());
    assert!(done.iter().all(|id| begun.contains_key(id)));
    assert!(ended.keys().all(|status| {
        matches!(status, LaunchStatus::Done | LaunchStatus::Dead | LaunchStatus::Ambiguous)
    }));
    assert!(ended[&LaunchStatus::Done] > 0 && ended[&LaunchStatus::Ambiguous] > 0, "{ended:?}");
}
