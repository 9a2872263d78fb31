//! Killed between the choice of a launch and the end of its attempt: once more, or, at most once, never.

use std::sync::Arc;

use sortie::journal::Delivery;
use sortie::{Backoff, EndedBy, LaunchId, LaunchStatus, Restart};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use super::{HOUR, held, is_one_and_done, recorded, rest, result, runs};
use crate::doomed::{Doomed, Scene, builder, work};
use crate::support::MS;

#[tokio::test(start_paused = true)]
async fn p04_acknowledged_and_not_dispatched() {
    let test = "crash_points::attempts::p04_acknowledged_and_not_dispatched";
    let part = async |child: Doomed| {
        let mut builder = builder(child.path());
        let free = Arc::new(Notify::new());
        let ends = Arc::clone(&free);
        let agent = builder.register(work(child.path(), move |n, _| {
            let ends = Arc::clone(&ends);
            async move {
                ends.notified().await;
                Ok(n)
            }
        }));
        builder.launch_concurrency(1);
        let system = builder.start().await.unwrap();
        // It has the only slot until the other launch is acknowledged.
        let _before = system.launch(&agent, 1).await.unwrap();
        rest().await;
        child.say(system.launch(&agent, 7).key("k").await.unwrap().id());
        let _trap = child.arm();
        free.notify_one();
        rest().await;
    };
    let Some(scene) = Scene::of(test, part).await else { return };
    let said = scene.killed("launch.claiming=kill");
    let id: LaunchId = said[0].parse().unwrap();
    let held = held(&scene).await.into_iter().find(|record| record.id == id).unwrap();
    assert_eq!((held.attempts, held.suspect, held.history.len()), (0, false, 0));
    let (system, agent) = scene.restart().await;
    is_one_and_done(&scene, &system, &agent, id).await;
    // The other one was done.
    assert_eq!((scene.begun().len(), scene.begun()), (2, vec![1, 1]));
}

#[tokio::test(start_paused = true)]
async fn p05_chosen_and_not_durably() {
    let test = "crash_points::attempts::p05_chosen_and_not_durably";
    let part = async |child: Doomed| {
        let mut builder = builder(child.path());
        let agent = builder.register(work(child.path(), |_, _| async { Err("it fails".into()) }));
        // So that there is no claim beside the end of an attempt, which could be of the same commit.
        builder.launch_concurrency(1);
        let system = builder.start().await.unwrap();
        rest().await;
        let agent = agent.restart(Restart::attempts(9).backoff(Backoff::none()));
        let _trap = child.arm();
        system.launch(&agent, 7).key("k").await.unwrap();
        rest().await;
    };
    let Some(scene) = Scene::of(test, part).await else { return };
    // The commits: the launch, its first attempt, how that ended, its second attempt.
    for (commit, before) in [(2, 0), (4, 1)] {
        let scene = scene.anew();
        scene.killed(&format!("journal.planned=kill@{commit}"));
        assert_eq!(scene.begun().len(), before as usize);
        let held = held(&scene).await;
        assert_eq!((held[0].attempts, held[0].failures, held[0].suspect), (before, before, false));
        assert_eq!(held[0].history.len(), before as usize);
        let (system, agent) = scene.restart().await;
        is_one_and_done(&scene, &system, &agent, held[0].id).await;
        assert_eq!(scene.begun(), (1..=before + 1).collect::<Vec<_>>());
    }
}

/// A process has died in the first attempt of a launch, and nobody knows how far that came: once more at once, under the
/// same id; or, at most once, never.
async fn once_more_or_never(scene: &Scene, id: LaunchId, delivery: Delivery) {
    let before = scene.noted("begun");
    let began = Instant::now();
    let (system, _agent) = scene.restart().await;
    let ticket = system.ticket::<u32>(id).unwrap();
    let result = result(&ticket).await;
    assert!(began.elapsed() < 10 * MS, "{:?}", began.elapsed());
    let record = ticket.record().await.unwrap();
    let ends: Vec<_> = record.history.iter().map(|end| (end.attempt, end.by)).collect();
    assert_eq!(ends, [(1, EndedBy::Crash)]);
    sleep(HOUR).await;
    let status = ticket.status().await.unwrap();
    if delivery == Delivery::AtLeastOnce {
        assert_eq!((result.unwrap(), status, record.attempts), (7, LaunchStatus::Done, 2));
        assert_eq!(scene.noted("begun"), [before, vec![(id, 2)]].concat());
    } else {
        assert!(result.is_err());
        assert_eq!((status, record.attempts), (LaunchStatus::Ambiguous, 1));
        assert_eq!(scene.noted("begun"), before);
    }
}

/// Both deliveries, killed there: with the bodies that have begun and those that have had their effect by then.
async fn killed_in_an_attempt(scene: &Scene, fault: &str, begun: &[u32], effects: usize) {
    for delivery in [Delivery::AtLeastOnce, Delivery::AtMostOnce] {
        let scene = scene.anew();
        let id = recorded(&scene, delivery).await;
        scene.killed(fault);
        assert_eq!((scene.begun(), scene.noted("effect").len()), (begun.to_vec(), effects), "{fault}");
        once_more_or_never(&scene, id, delivery).await;
    }
}

#[tokio::test(start_paused = true)]
async fn p06_attempt_durable_and_body_not_begun() {
    let test = "crash_points::attempts::p06_attempt_durable_and_body_not_begun";
    let Some(scene) = Scene::of(test, runs).await else { return };
    for fault in ["journal.synced=kill", "launch.before_body=kill"] {
        killed_in_an_attempt(&scene, fault, &[], 0).await;
    }
}

#[tokio::test(start_paused = true)]
async fn p07_body_running() {
    let test = "crash_points::attempts::p07_body_running";
    let part = async |child: Doomed| {
        let told = child.clone();
        let body = move |_, _| {
            told.say("running");
            std::future::pending()
        };
        let _system = child.start(body).await;
        std::future::pending::<()>().await;
    };
    let Some(scene) = Scene::of(test, part).await else { return };
    for delivery in [Delivery::AtLeastOnce, Delivery::AtMostOnce] {
        let scene = scene.anew();
        let id = recorded(&scene, delivery).await;
        let mut child = scene.child("");
        child.await_word("running");
        child.kill();
        assert_eq!((scene.begun(), scene.noted("effect").len()), (vec![1], 0));
        once_more_or_never(&scene, id, delivery).await;
    }
}

#[tokio::test(start_paused = true)]
async fn p08_effect_done_and_reply_not_sent() {
    let test = "crash_points::attempts::p08_effect_done_and_reply_not_sent";
    let Some(scene) = Scene::of(test, runs).await else { return };
    killed_in_an_attempt(&scene, "launch.after_body=kill", &[1], 1).await;
}

#[tokio::test(start_paused = true)]
async fn p09_reply_queued_and_not_synced() {
    let test = "crash_points::attempts::p09_reply_queued_and_not_synced";
    let Some(scene) = Scene::of(test, runs).await else { return };
    // The second commit is that of the outcome.
    for fault in ["launch.concluding=kill", "journal.planned=kill@2"] {
        killed_in_an_attempt(&scene, fault, &[1], 1).await;
    }
}
