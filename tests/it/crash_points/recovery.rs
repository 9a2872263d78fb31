//! Killed while a journal is opened and what it holds is recovered; and who may open it.

use std::collections::HashMap;

use sortie::journal::{Delivery, Due, Intent, Journal, Scope, Terms};
use sortie::{JournalErrorKind, LaunchFilter, LaunchRecord, LaunchStatus, SledJournal};

use super::{HOUR, is_one_and_done};
use crate::doomed::{Doomed, Scene};
use crate::support::{SECOND, wants};

/// A life of a journal whose process dies in it: nothing is concluded and nothing given back.
async fn in_a_life<T>(scene: &Scene, code: impl AsyncFnOnce(&SledJournal) -> T) -> T {
    let journal = SledJournal::open(scene.journal()).unwrap();
    journal.start(Scope::new(["work".to_owned()])).await.unwrap();
    let result = code(&journal).await;
    journal.close();
    journal.closed().await.unwrap();
    result
}

#[tokio::test(start_paused = true)]
async fn p19_during_recovery_again_and_again() {
    let test = "crash_points::recovery::p19_during_recovery_again_and_again";
    let part = async |child: Doomed| {
        let _trap = child.arm();
        let _system = child.start(|n, _| async move { Ok(n) }).await;
    };
    let Some(scene) = Scene::of(test, part).await else { return };
    // More than one commit brings back.
    const RUNNING: u32 = 1100;
    let agents = ["work".to_owned()];
    let intent = |n: u32| {
        let delivery = if n == 0 { Delivery::AtMostOnce } else { Delivery::AtLeastOnce };
        let terms = Terms { delivery, ..Terms::default() };
        let due = if n < RUNNING { Due::Now } else { Due::After(HOUR) };
        let key = Some(n.to_string());
        Intent { agent: agents[0].clone(), key, input: b"7".to_vec(), digest: 7, due, terms }
    };
    let records = async |journal: &SledJournal| {
        let all = journal.scan(&LaunchFilter::all(), None, usize::MAX).await.unwrap();
        let number = |record: &LaunchRecord| record.key.as_ref().unwrap().parse::<u32>().unwrap();
        all.into_iter().map(|record| (number(&record), record)).collect::<HashMap<_, _>>()
    };
    in_a_life(&scene, async |journal| {
        journal.append((0..=RUNNING).map(intent).collect()).await.unwrap();
        let claims = journal.claim(&wants(&agents), usize::MAX).await.unwrap().claims;
        assert_eq!(claims.len(), RUNNING as usize);
        let of = |n: u32| claims.iter().find(|claim| claim.key == Some(n.to_string())).unwrap();
        journal.cancel(of(1).id).await.unwrap().unwrap();
        journal.complete(of(2), b"7").await.unwrap().unwrap();
    })
    .await;
    let killed = || {
        for point in ["planned", "part", "part", "synced"] {
            scene.killed(&format!("recovery.{point}=kill"));
        }
        for point in ["owned", "opened", "synced", "counted", "marked"] {
            scene.killed(&format!("store.open.{point}=kill"));
        }
    };
    killed();
    let first = in_a_life(&scene, async |journal| {
        let records = records(journal).await;
        assert_eq!(records.len(), RUNNING as usize + 1);
        for (n, record) in &records {
            let (status, died) = match n {
                0 => (LaunchStatus::Ambiguous, 1),
                1 => (LaunchStatus::Cancelled, 1),
                2 => (LaunchStatus::Done, 0),
                &RUNNING => (LaunchStatus::Pending, 0),
                _ => (LaunchStatus::Pending, 1),
            };
            assert_eq!((record.status, record.history.len(), record.crashes), (status, died, 0), "{n}");
            assert_eq!((record.attempts, record.failures), (u32::from(*n < RUNNING), 0), "{n}");
            assert_eq!(record.suspect, died == 1 && status == LaunchStatus::Pending, "{n}");
        }
        // Of the suspects one at a time, whose next death counts.
        let claims = journal.claim(&wants(&agents), usize::MAX).await.unwrap().claims;
        assert_eq!((claims.len(), claims[0].attempt), (1, 2));
        claims[0].id
    })
    .await;
    killed();
    in_a_life(&scene, async |journal| {
        for record in records(journal).await.into_values() {
            let alone = record.id == first;
            assert_eq!((record.crashes, record.attempts > 1), (u32::from(alone), alone), "{record:?}");
            assert!(record.history.len() <= if alone { 2 } else { 1 }, "{record:?}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn p21_a_second_process_is_refused_and_the_lock_is_free_after_a_kill() {
    let test = "crash_points::recovery::p21_a_second_process_is_refused_and_the_lock_is_free_after_a_kill";
    let part = async |child: Doomed| {
        let (system, agent) = child.start(|n, _| async move { Ok(n) }).await;
        system.launch(&agent, 7).key("k").await.unwrap().result().await.unwrap().unwrap();
        child.say("open");
        std::future::pending::<()>().await;
    };
    let Some(scene) = Scene::of(test, part).await else { return };
    let mut child = scene.child("");
    child.await_word("open");
    let began = std::time::Instant::now();
    let error = SledJournal::open(scene.journal()).unwrap_err();
    assert_eq!(error.kind(), JournalErrorKind::OwnedByAnotherProcess);
    let path = scene.journal().display().to_string();
    assert!(error.to_string().contains(&path) && error.to_string().contains("another process"), "{error}");
    assert!(began.elapsed() < SECOND, "{:?}", began.elapsed());
    child.kill();
    // The first try.
    let (system, agent) = scene.restart().await;
    let known = system.launch(&agent, 7).key("k").await.unwrap();
    assert!(known.is_known());
    is_one_and_done(&scene, &system, &agent, known.id()).await;
    assert_eq!(scene.begun(), [1]);
}
