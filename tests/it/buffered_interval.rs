//! A buffered journal that always has something to do: what it has acknowledged is committed within the interval all the same.
#![cfg(unix)]

use std::collections::HashSet;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::future::{join_all, poll_fn};
use std::task::Poll;

use sortie::journal::{Appended, Due, Intent, Journal, Scope, Terms};
use sortie::probe::{Shelf, ShelfJournal};
use sortie::{LaunchFilter, LaunchId, SledJournal};

use crate::doomed::{Doomed, Scene};
use crate::support::MS;

const AGENT: &str = "agent";
const INTERVAL: Duration = Duration::from_millis(20);
/// How much longer than that something may be in danger.
const ALLOWANCE: Duration = Duration::from_millis(5);
const READERS: usize = 256;
const LAUNCHERS: u32 = 64;
/// How many children are killed, and the variable that asks for another number.
const KILLS: (u64, &str) = (4, "SORTIE_TEST_KILLS");

/// How many of them have the same journal, so that it does not become so large that opening it takes long.
const KILLS_PER_JOURNAL: u64 = 5;

fn intent(key: &str) -> Intent {
    let (agent, key, input) = (AGENT.to_owned(), Some(key.to_owned()), vec![b'1'; 50]);
    Intent { agent, key, input, digest: 1, due: Due::Now, terms: Terms::default() }
}

async fn append(journal: &impl Journal, key: &str) -> LaunchId {
    match journal.append(vec![intent(key)]).await.unwrap()[..] {
        [Appended::New(id)] => id,
        ref other => panic!("{other:?}"),
    }
}

/// A journal whose every read takes a millisecond, and the id of no launch.
async fn slow(shelf: &Shelf) -> (ShelfJournal, LaunchId) {
    let journal = shelf.journal().buffered(INTERVAL);
    journal.start(Scope::new([])).await.unwrap();
    shelf.slow_reads(MS);
    (journal, uuid::Uuid::from_u128(1).to_string().parse().unwrap())
}

/// How many reads there were between the beginning of this and the commit that followed.
async fn reads_before_commit(shelf: &Shelf, work: impl Future<Output = ()>) -> usize {
    let (commits, reads) = (shelf.commits().len(), shelf.reads());
    work.await;
    let commit = shelf.commits().get(commits).copied();
    commit.unwrap_or_else(|| panic!("nothing was committed during {} reads", shelf.reads() - reads)) - reads
}

#[tokio::test(start_paused = true)]
async fn a_long_batch_of_requests_is_interrupted_when_the_interval_is_over() {
    let shelf = Shelf::default();
    let (journal, nobody) = slow(&shelf).await;
    for before in [1, 5, 100] {
        let work = async {
            let mut launch = journal.append(vec![intent(&format!("{before} reads before"))]);
            let mut reads: Vec<_> = (0..before + 200).map(|_| journal.get(nobody)).collect();
            poll_fn(|cx| {
                // What is asked for while the journal is busy is carried out together: the first read waits for the store.
                let _held = shelf.hold_up();
                for read in &mut reads[..before] {
                    assert!(read.as_mut().poll(cx).is_pending());
                }
                assert!(launch.as_mut().poll(cx).is_pending());
                for read in &mut reads[before..] {
                    assert!(read.as_mut().poll(cx).is_pending());
                }
                Poll::Ready(())
            })
            .await;
            launch.await.unwrap();
            join_all(reads).await.into_iter().for_each(|read| assert!(read.unwrap().is_none()));
        };
        // Of reads that take a millisecond each, no more fit into the interval.
        let reads = reads_before_commit(&shelf, work).await;
        assert!(reads <= before + 22, "{reads} reads, of which {before} came before the launch");
    }
}

#[tokio::test(start_paused = true)]
async fn a_queue_of_requests_that_is_never_empty_does_not_delay_the_commit() {
    let shelf = Shelf::default();
    let (journal, nobody) = slow(&shelf).await;
    for readers in [1, 3, 20] {
        let work = async {
            let launch = async {
                append(&journal, &format!("{readers} readers")).await;
            };
            let read = async || {
                for _ in 0..150 / readers {
                    assert!(journal.get(nobody).await.unwrap().is_none());
                }
            };
            futures::join!(launch, join_all((0..readers).map(|_| read())));
        };
        let reads = reads_before_commit(&shelf, work).await;
        // One for each reader may be under way when the launch is asked for.
        assert!(reads <= readers + 22, "{reads} reads by {readers}");
    }
}

#[tokio::test(start_paused = true)]
async fn launches_that_follow_each_other_do_not_put_the_commit_off() {
    let shelf = Shelf::default();
    let (journal, _) = slow(&shelf).await;
    let work = async {
        for n in 0..100 {
            // Its key is looked up, and is that of no launch: the time goes by between two of them.
            let id = append(&journal, &n.to_string()).await;
            assert_ne!(id.as_u128(), 0);
            std::thread::sleep(MS);
        }
    };
    let (commits, _) = (shelf.commits().len(), work.await);
    // 100 ms at least, and 100 changes: less than are committed at once.
    assert!(shelf.commits().len() - commits >= 4, "{} commits", shelf.commits().len() - commits);
}

fn micros() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64
}

/// What the child processes do: readers keep the journal busy, and each acknowledged launch is noted with the time.
async fn work(child: Doomed) {
    let journal = SledJournal::open(child.path().join("journal")).unwrap().buffered(INTERVAL);
    journal.start(Scope::new([])).await.unwrap();
    let journal = Arc::new(journal);
    let first = append(&*journal, &format!("{} first", child.told())).await;
    assert!(journal.get(first).await.unwrap().is_some());
    for _ in 0..READERS {
        let journal = Arc::clone(&journal);
        tokio::spawn(async move {
            loop {
                journal.get(first).await.unwrap();
            }
        });
    }
    for launcher in 0..LAUNCHERS {
        let (journal, child) = (Arc::clone(&journal), child.clone());
        let notes = OpenOptions::new().create(true).append(true).open(child.path().join("acks")).unwrap();
        tokio::spawn(async move {
            for n in 0_u32.. {
                let key = format!("{}-{launcher}-{n}", child.told());
                append(&*journal, &key).await;
                (&notes).write_all(format!("{key} {}\n", micros()).as_bytes()).unwrap();
                // So slowly that the commits are those of the interval, and not of as many changes as are committed at once.
                tokio::time::sleep(Duration::from_millis(u64::from(n % 17 + 3 * launcher % 40))).await;
            }
        });
    }
    child.say("works");
    std::future::pending::<()>().await;
}

async fn keys(journal: &Path) -> HashSet<String> {
    let journal = SledJournal::open(journal).unwrap();
    journal.start(Scope::new([])).await.unwrap();
    let records = journal.scan(&LaunchFilter::all(), None, usize::MAX).await.unwrap();
    journal.close();
    journal.closed().await.unwrap();
    records.into_iter().filter_map(|record| record.key).collect()
}

#[tokio::test(start_paused = true)]
async fn a_kill_takes_nothing_that_is_older_than_the_interval_however_many_read() {
    let test = "buffered_interval::a_kill_takes_nothing_that_is_older_than_the_interval_however_many_read";
    let Some(mut scene) = Scene::on_threads(test, async |child| work(child).await) else { return };
    let kills = std::env::var(KILLS.1).map_or(KILLS.0, |kills| kills.parse().unwrap());
    let (mut random, mut acknowledged, mut lost, mut oldest) = (fastrand::Rng::with_seed(31), 0, 0, 0);
    let (mut late, mut held_up) = (Vec::new(), 0);
    for kill in 0..kills {
        if kill % KILLS_PER_JOURNAL == KILLS_PER_JOURNAL - 1 {
            scene = scene.anew();
        }
        let mut child = scene.child(&kill.to_string());
        child.await_word("works");
        std::thread::sleep(Duration::from_micros(random.u64(50_000..400_000)));
        let end = micros();
        child.kill();
        let there = keys(&scene.journal()).await;
        let notes = fs::read_to_string(scene.path().join("acks")).unwrap();
        fs::write(scene.path().join("acks"), "").unwrap();
        let notes = notes.lines().filter_map(|line| line.split_once(' '));
        let notes: Vec<_> = notes.filter_map(|(key, time)| Some((key, time.parse::<u64>().ok()?))).collect();
        let last = notes.iter().map(|(_, time)| *time).max().unwrap_or_default();
        for (key, time) in notes {
            acknowledged += 1;
            if !there.contains(key) {
                let age = end.saturating_sub(time);
                (lost, oldest) = (lost + 1, oldest.max(age));
                let most = (INTERVAL + ALLOWANCE).as_micros() as u64;
                if age > most && last.saturating_sub(time) <= most {
                    // Nothing was acknowledged since: a write was held up by the kernel, or all of the process.
                    held_up += 1;
                } else if age > most {
                    late.push(format!("kill {kill}: {key}, acknowledged {age} µs before"));
                }
            }
        }
    }
    println!(
        "kills={kills} acknowledged={acknowledged} lost={lost} oldest_us={oldest} held_up={held_up} late={}",
        late.len()
    );
    assert!(late.is_empty(), "{late:#?}");
    assert!(acknowledged > 50 * kills, "{acknowledged}");
}
