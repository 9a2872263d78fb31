//! A process killed at each numbered crash point of a launch, and what the next one makes of what it left. The numbers are
//! those of the table in `src/journal/failpoint.rs`.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sortie::journal::{Appended, Delivery, Due, Intent, Journal, Scope, Terms};
use sortie::{
    AgentRef, Backoff, EndedBy, LaunchFilter, LaunchId, LaunchRecord, LaunchStatus, Restart, SledJournal,
    System,
};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use crate::doomed::{Doomed, Scene, builder, work};
use crate::support::{MS, SECOND};

const HOUR: Duration = Duration::from_secs(3600);

/// Nothing more happens by itself: on the paused clock, everything has.
async fn rest() {
    sleep(SECOND).await;
}

/// What the journal holds, as a life without agents finds it.
async fn held(scene: &Scene) -> Vec<LaunchRecord> {
    let journal = SledJournal::open(scene.journal()).unwrap();
    journal.start(Scope::new([])).await.unwrap();
    let held = journal.scan(&LaunchFilter::all(), None, 100).await.unwrap();
    journal.close();
    journal.closed().await.unwrap();
    held
}

/// Records a launch in a life of its own, to be run by the next process.
async fn recorded(scene: &Scene, delivery: Delivery) -> LaunchId {
    let journal = SledJournal::open(scene.journal()).unwrap();
    journal.start(Scope::new([])).await.unwrap();
    let terms = Terms { delivery, ..Terms::default() };
    let (agent, input) = ("work".to_owned(), b"7".to_vec());
    let intent = Intent { agent, key: None, input, digest: 7, due: Due::Now, terms };
    let appended = journal.append(vec![intent]).await.unwrap();
    let [Appended::New(id)] = appended[..] else { panic!("{appended:?}") };
    journal.close();
    journal.closed().await.unwrap();
    id
}

/// The launch under the key `k` is this one; it gives its value, and no body of it begins any more.
async fn is_one_and_done(scene: &Scene, system: &System, agent: &AgentRef<u32, u32>, id: LaunchId) {
    let known = system.launch(agent, 7).key("k").await.unwrap();
    assert_eq!((known.id(), known.is_known()), (id, true));
    assert_eq!(known.result().await.unwrap().unwrap(), 7);
    let begun = scene.begun();
    sleep(HOUR).await;
    assert_eq!(scene.begun(), begun);
    assert_eq!(known.status().await.unwrap(), LaunchStatus::Done);
}

/// Launches once, with the fault armed, and says so once the launch is acknowledged.
async fn launches(child: Doomed) {
    let (system, agent) = child.start(|n, _| async move { Ok(n) }).await;
    rest().await;
    let _trap = child.arm();
    child.say(system.launch(&agent, 7).key("k").await.unwrap().id());
}

#[tokio::test(start_paused = true)]
async fn p00_called_and_not_queued() {
    let test = "crash_points::p00_called_and_not_queued";
    let Some(scene) = Scene::of(test, launches).await else { return };
    leaves_nothing(&scene, "launch.called=kill").await;
}

#[tokio::test(start_paused = true)]
async fn p01_queued_and_not_written() {
    let test = "crash_points::p01_queued_and_not_written";
    let Some(scene) = Scene::of(test, launches).await else { return };
    for point in ["journal.queued", "journal.planned", "store.before_batch"] {
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
    let test = "crash_points::p02_written_and_not_synced";
    let Some(scene) = Scene::of(test, launches).await else { return };
    for (point, there) in
        [("store.after_batch_before_flush", None), ("store.after_flush_before_sync", Some(true))]
    {
        let scene = scene.anew();
        let said = scene.killed(&format!("{point}=kill"));
        assert!(said.is_empty(), "{point}: it was acknowledged: {said:?}");
        let held = held(&scene).await;
        // A kill leaves what was given to the kernel.
        assert!(there.is_none_or(|there| there != held.is_empty()), "{point}: {held:?}");
        runs_as_if_new(&scene, &held).await;
    }
}

#[tokio::test(start_paused = true)]
async fn p03_synced_and_not_acknowledged() {
    let test = "crash_points::p03_synced_and_not_acknowledged";
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

#[tokio::test(start_paused = true)]
async fn p04_acknowledged_and_not_dispatched() {
    let test = "crash_points::p04_acknowledged_and_not_dispatched";
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
    let test = "crash_points::p05_chosen_and_not_durably";
    let part = async |child: Doomed| {
        let (system, agent) = child.start(|_, _| async { Err("it fails".into()) }).await;
        rest().await;
        let agent = agent.restart(Restart::attempts(9).backoff(Backoff::none()));
        let _trap = child.arm();
        child.say(system.launch(&agent, 7).key("k").await.unwrap().id());
        rest().await;
    };
    let Some(scene) = Scene::of(test, part).await else { return };
    // The commits: the launch, its first attempt, how that ended, its second attempt.
    for (commit, before) in [(2, 0), (4, 1)] {
        let scene = scene.anew();
        let said = scene.killed(&format!("journal.planned=kill@{commit}"));
        let id = said[0].parse().unwrap();
        assert_eq!(scene.begun().len(), before as usize);
        let held = held(&scene).await;
        assert_eq!((held[0].attempts, held[0].failures, held[0].suspect), (before, before, false));
        assert_eq!(held[0].history.len(), before as usize);
        let (system, agent) = scene.restart().await;
        is_one_and_done(&scene, &system, &agent, id).await;
        assert_eq!(scene.begun(), (1..=before + 1).collect::<Vec<_>>());
    }
}

/// Runs what there is, with the fault armed from the beginning.
async fn runs(child: Doomed) {
    let _trap = child.arm();
    let _system = child.start(|n, _| async move { Ok(n) }).await;
    rest().await;
}

/// A process has died in the first attempt of a launch, and nobody knows how far that came: once more at once, under the
/// same id; or, at most once, never.
async fn once_more_or_never(scene: &Scene, id: LaunchId, delivery: Delivery) {
    let before = scene.noted("begun");
    let began = Instant::now();
    let (system, _agent) = scene.restart().await;
    let ticket = system.ticket::<u32>(id).unwrap();
    let result = ticket.result().await.unwrap();
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
    let test = "crash_points::p06_attempt_durable_and_body_not_begun";
    let Some(scene) = Scene::of(test, runs).await else { return };
    for fault in ["journal.synced=kill", "launch.before_body=kill"] {
        killed_in_an_attempt(&scene, fault, &[], 0).await;
    }
}

#[tokio::test(start_paused = true)]
async fn p07_body_running() {
    let test = "crash_points::p07_body_running";
    let part = async |child: Doomed| {
        let told = child.clone();
        let _system = child.start(move |_, _| {
            told.say("running");
            std::future::pending()
        });
        let _system = _system.await;
        std::future::pending::<()>().await;
    };
    let Some(scene) = Scene::of(test, part).await else { return };
    for delivery in [Delivery::AtLeastOnce, Delivery::AtMostOnce] {
        let scene = scene.anew();
        let id = recorded(&scene, delivery).await;
        scene.child("", "").kill_after("running");
        assert_eq!((scene.begun(), scene.noted("effect").len()), (vec![1], 0));
        once_more_or_never(&scene, id, delivery).await;
    }
}

#[tokio::test(start_paused = true)]
async fn p08_effect_done_and_reply_not_sent() {
    let test = "crash_points::p08_effect_done_and_reply_not_sent";
    let Some(scene) = Scene::of(test, runs).await else { return };
    killed_in_an_attempt(&scene, "launch.after_body=kill", &[1], 1).await;
}

#[tokio::test(start_paused = true)]
async fn p09_reply_queued_and_not_synced() {
    let test = "crash_points::p09_reply_queued_and_not_synced";
    let Some(scene) = Scene::of(test, runs).await else { return };
    // The second commit is that of the outcome.
    for fault in ["launch.concluding=kill", "journal.planned=kill@2"] {
        killed_in_an_attempt(&scene, fault, &[1], 1).await;
    }
}
