//! Processes killed with SIGKILL while they remove launches whose retention is over: what has begun to go is gone, the
//! next process removes the rest, and a key that is used again never leads to what was under it.
#![cfg(unix)]

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use sortie::probe::StoreProbe;
use sortie::{AgentRef, LaunchId, SledJournal, System, TicketError, agent_fn};
use tokio::time::sleep;

use crate::directory::Directory;
use crate::support::SECOND;

const DIRECTORY: &str = "SORTIE_TEST_RETENTION";
/// How long the outputs are: in the head, in few pieces, in many.
const SIZES: [usize; 3] = [10, 10_000, 1 << 20];

/// An agent whose outputs are as long as its inputs say.
async fn start(directory: &Path) -> (System, AgentRef<(usize, char), String>) {
    let agent = agent_fn(|(size, letter): (usize, char), _| async move {
        Ok(std::iter::repeat_n(letter, size).collect::<String>())
    });
    let mut builder = System::builder().journal(SledJournal::open(directory.join("journal")).unwrap());
    let agent = builder.register(AgentRef::new(agent.named("long")));
    (builder.start().await.unwrap(), agent)
}

/// Not a test: what the child processes do. They are killed while they sweep.
#[tokio::test(start_paused = true)]
async fn child() {
    let Some(path) = std::env::var_os(DIRECTORY) else { return };
    let (system, agent) = start(Path::new(&path)).await;
    for size in SIZES {
        let ticket = system.launch(&agent, (size, 'a')).key(size).retain(Duration::ZERO).await.unwrap();
        assert_eq!(ticket.result().await.unwrap().unwrap().len(), size);
        writeln!(std::io::stdout(), "\ndone {}", ticket.id()).unwrap();
    }
    sleep(600 * SECOND).await;
    writeln!(std::io::stdout(), "\nswept").unwrap();
}

/// What a child says until it is killed at this point.
fn killed_at(directory: &Path, failpoint: &str) -> Vec<LaunchId> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "retention_kills::child", "--nocapture", "--test-threads=1"])
        .env(DIRECTORY, directory)
        .env("SORTIE_FAILPOINT", failpoint)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert!(!child.wait().unwrap().success() && !text.contains("swept"), "{failpoint}: {text}");
    text.lines().filter_map(|line| line.strip_prefix("done ")?.parse().ok()).collect()
}

/// The launches of which there are records with this prefix, and how many of each.
fn records(directory: &Directory, prefix: &[u8]) -> Vec<(u128, usize)> {
    let store = StoreProbe::sled(&directory.journal()).unwrap();
    let mut counts = Vec::<(u128, usize)>::new();
    for (key, _) in store.scan(prefix).unwrap() {
        let id = u128::from_be_bytes(key[1..17].try_into().unwrap());
        match counts.last_mut() {
            Some((last, count)) if *last == id => *count += 1,
            _ => counts.push((id, 1)),
        }
    }
    counts
}

#[tokio::test(start_paused = true)]
async fn p18_killed_inside_a_sweep() {
    // Where it dies, and how many pieces of the largest output are left then, of 263.
    for (failpoint, heads, left) in [
        ("sweep.head=kill", 3, 263),
        ("sweep.pieces=kill", 3, 263),
        ("sweep.pieces=kill@2", 3, 263),
        ("sweep.pieces=kill@3", 1, 237),
        ("sweep.pieces=kill@8", 1, 77),
        ("sweep.head=kill@3", 1, 13),
    ] {
        let directory = Directory::new();
        let ids = killed_at(directory.path(), failpoint);
        assert_eq!(ids.len(), SIZES.len(), "{failpoint}");
        assert_eq!(records(&directory, b"h").len(), heads, "{failpoint}");
        let pieces = records(&directory, b"o");
        assert_eq!(pieces.last(), Some(&(ids[2].as_u128(), left)), "{failpoint}");

        // Each is there as a whole, or unknown; a key leads to one that is whole.
        let (system, agent) = start(directory.path()).await;
        for (size, id) in SIZES.into_iter().zip(&ids) {
            let ticket = system.ticket::<String>(*id).unwrap();
            let whole = heads == 3;
            match ticket.result().await {
                Ok(outcome) if whole => assert_eq!(outcome.unwrap(), "a".repeat(size), "{failpoint}"),
                Err(TicketError::Unknown(unknown)) if !whole => assert_eq!(unknown, *id),
                other => panic!("{failpoint}: {other:?}"),
            }
            let again = system.launch(&agent, (size, 'a')).key(size).await.unwrap();
            assert_eq!((again.is_known(), again.id() == *id), (whole, whole), "{failpoint}");
        }
        // The rest is swept, and what is launched under the keys now has nothing of it.
        sleep(60 * SECOND).await;
        for (size, id) in SIZES.into_iter().zip(&ids) {
            let ticket = system.ticket::<String>(*id).unwrap();
            assert!(matches!(ticket.result().await, Err(TicketError::Unknown(_))), "{failpoint}");
            let letter = if heads == 3 { 'b' } else { 'a' };
            let ticket = system.launch(&agent, (size, letter)).key(size).await.unwrap();
            assert_ne!(ticket.id(), *id);
            let expected = letter.to_string().repeat(size);
            assert_eq!(ticket.result().await.unwrap().unwrap(), expected, "{failpoint}");
        }
        system.shutdown(SECOND).await.unwrap();
        let old = |(id, _): &(u128, usize)| ids.iter().any(|old| old.as_u128() == *id);
        for prefix in [b"h", b"i", b"o", b"s"] {
            assert!(!records(&directory, prefix).iter().any(&old), "{failpoint}");
        }
    }
}
