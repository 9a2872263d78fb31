//! A buffered journal: what is acknowledged before it is durable, what is not, and what a crash takes.
#![cfg(unix)]

use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sortie::journal::Journal;
use sortie::probe::Trap;
use sortie::{AgentContext, AgentRef, Durability, LaunchErrorKind, SledJournal, System, agent_fn};

use crate::directory::Directory;
use crate::support::{MS, threads};

const DIRECTORY: &str = "SORTIE_TEST_BUFFERED";
const INTERVAL: &str = "SORTIE_TEST_BUFFERED_MILLIS";
const LAUNCHES: &str = "SORTIE_TEST_BUFFERED_LAUNCHES";
const DEADLY: &str = "SORTIE_TEST_BUFFERED_DEADLY";
const HOUR: Duration = Duration::from_secs(60 * 60);

/// The first attempt of the launch 0 never ends, and leaves no slot for others.
fn work() -> AgentRef<u32, u32> {
    let agent = agent_fn(|n: u32, cx: AgentContext| async move {
        if n == 0 && cx.attempt() == 1 {
            std::future::pending::<()>().await;
        }
        Ok(n)
    });
    AgentRef::new(agent.named("work"))
}

async fn start(journal: SledJournal) -> (System, AgentRef<u32, u32>) {
    let mut builder = System::builder().journal(journal);
    builder.launch_concurrency(1);
    let agent = builder.register(work());
    (builder.start().await.unwrap(), agent)
}

/// Not a test: what the child processes do. The slot is taken, so nothing claims, and so nothing syncs on its own account.
#[test]
fn child() {
    let Some(path) = std::env::var_os(DIRECTORY) else { return };
    let number = |name| std::env::var(name).unwrap().parse::<u32>().unwrap();
    let journal = SledJournal::open(Path::new(&path)).unwrap();
    threads(2).block_on(async {
        let interval = Duration::from_millis(number(INTERVAL).into());
        let (system, agent) = start(journal.buffered(interval)).await;
        let first = system.launch(&agent, 0).key(0).await.unwrap();
        while first.record().await.unwrap().attempts == 0 {
            tokio::task::yield_now().await;
        }
        // From here on, the first commit is the last.
        let deadly = std::env::var_os(DEADLY).is_some();
        let _trap = deadly.then(|| Trap::kill(Path::new(&path), "store.after_sync", 0));
        for n in 1..=number(LAUNCHES) {
            system.launch(&agent, n).key(n).await.unwrap();
        }
        let mut out = io::stdout();
        out.write_all(b"\nlaunched\n").unwrap();
        out.flush().unwrap();
        std::future::pending::<()>().await;
    });
}

/// A child process. Dropping it kills it.
struct Process(Child);

impl Process {
    /// Starts a child, and waits until everything is acknowledged.
    fn launch(directory: &Directory, interval: Duration, launches: u32, deadly: bool) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        if deadly {
            command.env(DEADLY, "");
        }
        let child = command
            .args(["--exact", "buffered::child", "--nocapture", "--test-threads=1"])
            .env(DIRECTORY, directory.journal())
            .env(INTERVAL, interval.as_millis().to_string())
            .env(LAUNCHES, launches.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut child = Self(child);
        let mut out = BufReader::new(child.0.stdout.take().unwrap()).lines().map(Result::unwrap);
        assert!(out.any(|line| line == "launched"));
        child
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Which launches of a child are there after its death, by their keys.
async fn left(directory: &Directory, launches: u32) -> Vec<u32> {
    let (system, agent) = start(SledJournal::open(directory.journal()).unwrap()).await;
    let mut left = Vec::new();
    for n in 0..=launches {
        let ticket = system.launch(&agent, n).key(n).await.unwrap();
        if ticket.is_known() {
            assert_eq!(ticket.result().await.unwrap().unwrap(), n);
            left.push(n);
        }
    }
    left
}

#[tokio::test(start_paused = true)]
async fn a_crash_takes_what_was_acknowledged_in_the_last_interval_and_no_more() {
    let directory = Directory::new();
    drop(Process::launch(&directory, HOUR, 100, false));
    // The beginning of an attempt is always synced, and what came before it.
    assert_eq!(left(&directory, 100).await, [0]);
}

#[tokio::test(start_paused = true)]
async fn no_more_than_256_changes_wait_and_they_are_kept_in_their_order() {
    let directory = Directory::new();
    drop(Process::launch(&directory, HOUR, 700, false));
    assert_eq!(left(&directory, 700).await, Vec::from_iter(0..=512));
}

#[tokio::test(start_paused = true)]
async fn what_is_acknowledged_is_synced_within_the_interval_without_another_request() {
    let directory = Directory::new();
    // The commit that kills the process comes by itself.
    let mut process = Process::launch(&directory, 500 * MS, 3, true);
    process.0.wait().unwrap();
    assert_eq!(left(&directory, 3).await, [0, 1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn what_is_read_is_durable() {
    let directory = Directory::new();
    let journal = SledJournal::open(directory.journal()).unwrap().buffered(HOUR);
    assert_eq!(journal.durability(), Durability::Buffered(HOUR));
    let (system, agent) = start(journal).await;
    let full = Trap::fail(&directory.journal(), "store.before_write", io::ErrorKind::StorageFull);
    let ticket = system.launch(&agent, 1).await.unwrap();
    // To say what is recorded means to record it.
    assert!(ticket.record().await.is_err());
    drop(full);
    assert_eq!(ticket.record().await.unwrap().agent, "work");
}

#[tokio::test(start_paused = true)]
async fn what_was_acknowledged_survives_a_full_disk_as_long_as_the_process_lives() {
    let directory = Directory::new();
    let (system, agent) = start(SledJournal::open(directory.journal()).unwrap().buffered(20 * MS)).await;
    let full = Trap::fail(&directory.journal(), "store.before_write", io::ErrorKind::StorageFull);
    let mut tickets = Vec::new();
    let refused = loop {
        let n = tickets.len() as u32 + 1;
        match system.launch(&agent, n).key(n).await {
            Ok(ticket) => tickets.push(ticket),
            Err(error) => break error,
        }
    };
    assert!(!tickets.is_empty());
    assert!(matches!(refused.kind(), LaunchErrorKind::Journal(_)), "{refused}");
    drop(full);
    for (n, ticket) in (1..).zip(tickets) {
        assert_eq!(ticket.result().await.unwrap().unwrap(), n);
    }
}

#[test]
#[should_panic(expected = "longer than zero")]
fn an_interval_of_nothing_is_refused() {
    let directory = Directory::new();
    let _ = SledJournal::open(directory.journal()).unwrap().buffered(Duration::ZERO);
}
