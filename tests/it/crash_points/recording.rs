//! Killed while a launch is recorded: it is there as a whole and runs, or it was never acknowledged.

use sortie::LaunchRecord;

use super::{held, is_one_and_done, rest};
use crate::doomed::{Doomed, Scene};

/// Launches once, with the fault armed, and says so once the launch is acknowledged.
async fn launches(child: Doomed) {
    let (system, agent) = child.start(|n, _| async move { Ok(n) }).await;
    rest().await;
    let _trap = child.arm();
    child.say(system.launch(&agent, 7).key("k").await.unwrap().id());
}

#[tokio::test(start_paused = true)]
async fn p00_called_and_not_queued() {
    let test = "crash_points::recording::p00_called_and_not_queued";
    let Some(scene) = Scene::of(test, launches).await else { return };
    leaves_nothing(&scene, "launch.called=kill").await;
}

#[tokio::test(start_paused = true)]
async fn p01_queued_and_not_written() {
    let test = "crash_points::recording::p01_queued_and_not_written";
    let Some(scene) = Scene::of(test, launches).await else { return };
    for point in ["journal.queued", "journal.planned", "store.before_write"] {
        leaves_nothing(&scene.anew(), &format!("{point}=kill")).await;
    }
}

async fn leaves_nothing(scene: &Scene, fault: &str) {
    assert!(scene.killed(fault).is_empty(), "{fault}: it was acknowledged");
    assert_eq!(held(scene).await, []);
    let (system, agent) = scene.restart().await;
    let ticket = system.launch(&agent, 7).key("k").await.unwrap();
    assert!(!ticket.is_known());
    is_one_and_done(scene, &system, &agent, ticket.id()).await;
    assert_eq!(scene.begun(), [1]);
}

#[tokio::test(start_paused = true)]
async fn p02_written_and_not_synced() {
    let test = "crash_points::recording::p02_written_and_not_synced";
    let Some(scene) = Scene::of(test, launches).await else { return };
    let said = scene.killed("store.after_write_before_sync=kill");
    assert!(said.is_empty(), "it was acknowledged: {said:?}");
    let held = held(&scene).await;
    assert!(!held.is_empty(), "a kill leaves what was given to the kernel");
    runs_as_if_new(&scene, &held).await;
}

#[tokio::test(start_paused = true)]
async fn p03_synced_and_not_acknowledged() {
    let test = "crash_points::recording::p03_synced_and_not_acknowledged";
    let Some(scene) = Scene::of(test, launches).await else { return };
    for point in ["store.after_sync", "journal.synced"] {
        let scene = scene.anew();
        let said = scene.killed(&format!("{point}=kill"));
        assert!(said.is_empty(), "{point}: it was acknowledged: {said:?}");
        let held = held(&scene).await;
        assert_eq!(held.len(), 1, "{point}");
        runs_as_if_new(&scene, &held).await;
    }
}

/// What is held is a whole launch, or none: it runs by itself, once, and its key finds it.
async fn runs_as_if_new(scene: &Scene, held: &[LaunchRecord]) {
    assert!(held.len() <= 1, "{held:?}");
    let (system, agent) = scene.restart().await;
    if let [record] = held {
        assert_eq!((record.agent.as_str(), record.key.as_deref()), ("work", Some("k")));
        assert_eq!((record.attempts, record.suspect, record.history.len()), (0, false, 0));
        rest().await;
        assert_eq!(scene.noted("begun"), [(record.id, 1)]);
        is_one_and_done(scene, &system, &agent, record.id).await;
    } else {
        rest().await;
        assert!(scene.begun().is_empty());
        let ticket = system.launch(&agent, 7).key("k").await.unwrap();
        assert!(!ticket.is_known());
        is_one_and_done(scene, &system, &agent, ticket.id()).await;
    }
    assert_eq!(scene.begun(), [1]);
}
