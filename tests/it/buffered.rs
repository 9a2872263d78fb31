//! A buffered journal: what is acknowledged before it is durable, what is not, and what a crash takes.
#![cfg(unix)]

use std::io;
use std::path::Path;
use std::time::Duration;

use sortie::journal::Journal;
use sortie::probe::Trap;
use sortie::{AgentContext, AgentRef, Durability, LaunchErrorKind, SledJournal, System, agent_fn};

use crate::directory::Directory;
use crate::doomed::{Doomed, Scene};
use crate::support::MS;

const HOUR: Duration = Duration::from_secs(60 * 60);
/// What a child says when everything is acknowledged.
const LAUNCHED: &str = "launched";

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

/// What the child processes do. The slot is taken, so nothing claims, and so nothing syncs on its own account.
async fn launches(child: Doomed, interval: Duration, launches: u32) {
    let journal = SledJournal::open(child.path().join("journal")).unwrap();
    let (system, agent) = start(journal.buffered(interval)).await;
    let first = system.launch(&agent, 0).key(0).await.unwrap();
    while first.record().await.unwrap().attempts == 0 {
        tokio::task::yield_now().await;
    }
    let _trap = (!child.told().is_empty()).then(|| child.arm());
    for n in 1..=launches {
        system.launch(&agent, n).key(n).await.unwrap();
    }
    child.say(LAUNCHED);
    std::future::pending::<()>().await;
}

/// Runs a child until everything is acknowledged, and kills it then.
fn killed_once_launched(scene: &Scene) {
    let mut child = scene.child("");
    child.await_word(LAUNCHED);
    child.kill();
}

/// Which launches of a child are there after its death, by their keys.
async fn left(journal: &Path, launches: u32) -> Vec<u32> {
    let (system, agent) = start(SledJournal::open(journal).unwrap()).await;
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
    let test = "buffered::a_crash_takes_what_was_acknowledged_in_the_last_interval_and_no_more";
    let part = async |child| launches(child, HOUR, 100).await;
    let Some(scene) = Scene::on_threads(test, part) else { return };
    killed_once_launched(&scene);
    // The beginning of an attempt is always synced, and what came before it.
    assert_eq!(left(&scene.journal(), 100).await, [0]);
}

#[tokio::test(start_paused = true)]
async fn no_more_than_256_changes_wait_and_they_are_kept_in_their_order() {
    let test = "buffered::no_more_than_256_changes_wait_and_they_are_kept_in_their_order";
    let part = async |child| launches(child, HOUR, 700).await;
    let Some(scene) = Scene::on_threads(test, part) else { return };
    killed_once_launched(&scene);
    assert_eq!(left(&scene.journal(), 700).await, Vec::from_iter(0..=512));
}

#[tokio::test(start_paused = true)]
async fn what_is_acknowledged_is_synced_within_the_interval_without_another_request() {
    let test = "buffered::what_is_acknowledged_is_synced_within_the_interval_without_another_request";
    let part = async |child| launches(child, 500 * MS, 3).await;
    let Some(scene) = Scene::on_threads(test, part) else { return };
    // The commit that kills the process comes by itself.
    assert_eq!(scene.killed("store.after_sync=kill"), [LAUNCHED]);
    assert_eq!(left(&scene.journal(), 3).await, [0, 1, 2, 3]);
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
