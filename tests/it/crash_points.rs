//! A process killed at each numbered crash point of a launch, and what the next one makes of what it left. The numbers are
//! those of the table in `src/journal/failpoint.rs`.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use std::{fs, io};

use sortie::journal::{Appended, Delivery, Due, Intent, Journal, Scope, Terms};
use sortie::probe::{StoreProbe, Trap};
use sortie::{
    AgentContext, AgentRef, Backoff, EndedBy, JournalErrorKind, LaunchError, LaunchErrorKind, LaunchFilter,
    LaunchId, LaunchRecord, LaunchStatus, Outcome, Restart, SledJournal, System, Ticket, WallClock, agent_fn,
};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use crate::directory::{copy, names};
use crate::doomed::{Doomed, Scene, builder, note, work};
use crate::support::{MS, SECOND, wants};

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

/// The outcome of a launch, which there must be within an hour.
async fn result(ticket: &Ticket<u32>) -> Outcome<u32> {
    timeout(HOUR, ticket.result()).await.expect("it is never done").unwrap()
}

/// The launch under the key `k` is this one; it gives its value, and no body of it begins any more.
async fn is_one_and_done(scene: &Scene, system: &System, agent: &AgentRef<u32, u32>, id: LaunchId) {
    let known = system.launch(agent, 7).key("k").await.unwrap();
    assert_eq!((known.id(), known.is_known()), (id, true));
    assert_eq!(result(&known).await.unwrap(), 7);
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
    let test = "crash_points::p02_written_and_not_synced";
    let Some(scene) = Scene::of(test, launches).await else { return };
    let said = scene.killed("store.after_write_before_sync=kill");
    assert!(said.is_empty(), "it was acknowledged: {said:?}");
    let held = held(&scene).await;
    assert!(!held.is_empty(), "a kill leaves what was given to the kernel");
    runs_as_if_new(&scene, &held).await;
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

#[tokio::test(start_paused = true)]
async fn p10_outcome_synced_and_nothing_else_yet() {
    let test = "crash_points::p10_outcome_synced_and_nothing_else_yet";
    let Some(scene) = Scene::of(test, runs).await else { return };
    // The second commit is that of the outcome.
    for fault in ["journal.synced=kill@2", "launch.recorded=kill"] {
        for delivery in [Delivery::AtLeastOnce, Delivery::AtMostOnce] {
            let scene = scene.anew();
            let id = recorded(&scene, delivery).await;
            scene.killed(fault);
            let (system, _agent) = scene.restart().await;
            let ticket = system.ticket::<u32>(id).unwrap();
            assert_eq!(ticket.try_result().await.unwrap().unwrap().unwrap(), 7);
            sleep(HOUR).await;
            let record = ticket.record().await.unwrap();
            assert_eq!((record.status, record.attempts), (LaunchStatus::Done, 1));
            assert!(!record.suspect && record.history.is_empty(), "{record:?}");
            assert_eq!(scene.begun(), [1]);
        }
    }
}

/// Launches with an input of several pieces, whose output has as many.
async fn launches_something_large(directory: &Path, trap: impl FnOnce() -> Option<Trap>) {
    let notes = directory.to_owned();
    let echo = agent_fn(move |text: String, cx: AgentContext| {
        note(&notes, &format!("begun {} {}", cx.launch_id().unwrap(), cx.attempt()));
        async move { Ok(text) }
    });
    let mut builder = builder(directory);
    let echo = builder.register(echo.named("echo"));
    let system = builder.start().await.unwrap();
    rest().await;
    let _trap = trap();
    let text = "large ".repeat(3000);
    let ticket = system.launch(&echo, text.clone()).key("k").await.unwrap();
    assert!(ticket.result().await.unwrap().unwrap() == text);
    drop(ticket);
    system.shutdown(SECOND).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn p10_large_payloads_are_there_as_a_whole_and_leave_nothing_over() {
    let test = "crash_points::p10_large_payloads_are_there_as_a_whole_and_leave_nothing_over";
    let part = async |child: Doomed| {
        launches_something_large(child.path(), || Some(child.arm())).await;
    };
    let Some(scene) = Scene::of(test, part).await else { return };
    let pairs = |scene: &Scene| StoreProbe::sled(&scene.journal()).unwrap().scan(b"").unwrap().len();
    // The commits: a mark, the pieces of the input, the launch; its attempt; a mark, the pieces of the output, the outcome.
    let undisturbed = scene.anew();
    undisturbed.survived("journal.synced=kill@8");
    let expected = pairs(&undisturbed);
    let bodies: [&[u32]; 7] = [&[1], &[1], &[1], &[2], &[1, 2], &[1, 2], &[1]];
    for (commit, bodies) in (1..).zip(bodies) {
        let scene = scene.anew();
        scene.killed(&format!("journal.synced=kill@{commit}"));
        launches_something_large(scene.path(), || None).await;
        assert_eq!(scene.begun(), bodies, "{commit}");
        assert_eq!(pairs(&scene), expected, "{commit}");
    }
}

#[tokio::test(start_paused = true)]
async fn p11_terminal_and_nobody_told() {
    let test = "crash_points::p11_terminal_and_nobody_told";
    let part = async |child: Doomed| {
        let armed = child.clone();
        let (system, agent) = child
            .start(move |n, _| {
                // The next commit is that of the outcome.
                std::mem::forget(armed.arm());
                async move { Ok(n) }
            })
            .await;
        let ticket = system.launch(&agent, 7).key("k").await.unwrap();
        ticket.result().await.unwrap().unwrap();
        child.say("told");
    };
    let Some(scene) = Scene::of(test, part).await else { return };
    let said = scene.killed("store.after_sync=kill");
    assert!(said.is_empty(), "{said:?}");
    let id = held(&scene).await[0].id;
    let (system, agent) = scene.restart().await;
    let ticket = system.ticket::<u32>(id).unwrap();
    assert_eq!(ticket.try_result().await.unwrap().unwrap().unwrap(), 7);
    is_one_and_done(&scene, &system, &agent, id).await;
    assert_eq!(scene.begun(), [1]);
}

/// A clock that stands so long after, or before, noon of some day.
fn noon(after: Duration, before: Duration) -> WallClock {
    let time = SystemTime::UNIX_EPOCH + 1_000_000 * HOUR + 12 * HOUR + after - before;
    WallClock::new(move || time)
}

#[tokio::test(start_paused = true)]
async fn p12_failure_recorded_and_backoff_running() {
    let test = "crash_points::p12_failure_recorded_and_backoff_running";
    let part = async |child: Doomed| {
        let mut builder = builder(child.path());
        builder.wall_clock(noon(Duration::ZERO, Duration::ZERO));
        let agent = builder.register(work(child.path(), |_, _| async { Err("it fails".into()) }));
        let agent = agent.restart(Restart::attempts(9).backoff(Backoff::exponential(HOUR)));
        let system = builder.start().await.unwrap();
        let _trap = child.arm();
        system.launch(&agent, 7).key("k").await.unwrap();
        rest().await;
    };
    let Some(scene) = Scene::of(test, part).await else { return };
    scene.killed("launch.recorded=kill");
    let id = held(&scene).await[0].id;
    let mut dues = Vec::new();
    for (after, before) in [(0, 0), (10, 0), (25, 0), (120, 0), (0, 300), (0, 60_000)] {
        let (after, before) = (after * 60 * SECOND, before * 60 * SECOND);
        let next = scene.anew();
        copy(&scene.journal(), &next.journal());
        let mut builder = builder(next.path());
        builder.wall_clock(noon(after, before));
        builder.register(work(next.path(), |n, _| async move { Ok(n) }));
        let began = Instant::now();
        let system = builder.start().await.unwrap();
        let ticket = system.ticket::<u32>(id).unwrap();
        let record = ticket.record().await.unwrap();
        assert_eq!((record.failures, record.suspect, record.crashes), (1, false, 0));
        assert_eq!(ticket.result().await.unwrap().unwrap(), 7);
        assert_eq!(next.noted("begun"), [(id, 2)]);
        dues.extend(record.due);
        // The jitter takes up to a half. A clock that went back costs what was to be waited at first, and no more.
        let wait = dues[0].duration_since(noon(Duration::ZERO, Duration::ZERO).now()).unwrap();
        assert!((HOUR / 2..=HOUR + MS).contains(&wait), "{wait:?}");
        let left = wait.saturating_sub(after);
        assert!((left..left + 10 * MS).contains(&began.elapsed()), "{left:?} {:?}", began.elapsed());
    }
    // Whenever it is asked, the due time is the one that was recorded.
    assert!(dues.len() >= 5 && dues.iter().all(|due| *due == dues[0]), "{dues:?}");
}

#[tokio::test(start_paused = true)]
async fn p13_cancel_requested_and_the_body_still_running() {
    let test = "crash_points::p13_cancel_requested_and_the_body_still_running";
    let part = async |child: Doomed| {
        let free = Arc::new(Notify::new());
        let ends = Arc::clone(&free);
        let (system, agent) = child
            .start(move |n, _| {
                let ends = Arc::clone(&ends);
                async move {
                    ends.notified().await;
                    Ok(n)
                }
            })
            .await;
        let ticket = system.launch(&agent, 7).key("k").await.unwrap();
        child.say(ticket.id());
        rest().await;
        let _trap = child.arm();
        child.say(ticket.cancel().await.unwrap());
        free.notify_one();
        rest().await;
    };
    let Some(scene) = Scene::of(test, part).await else { return };
    for (fault, answer, status, bodies) in [
        // It was not durable, so it was never asked for.
        ("journal.planned=kill", None, LaunchStatus::Done, 2),
        ("journal.synced=kill", None, LaunchStatus::Cancelled, 1),
        ("launch.concluding=kill", Some("true"), LaunchStatus::Cancelled, 1),
        ("journal.planned=kill@2", Some("true"), LaunchStatus::Cancelled, 1),
        // The value came first.
        ("launch.recorded=kill", Some("true"), LaunchStatus::Done, 1),
    ] {
        let scene = scene.anew();
        let said = scene.killed(fault);
        assert_eq!(said.get(1).map(String::as_str), answer, "{fault}");
        let (system, _agent) = scene.restart().await;
        let ticket = system.ticket::<u32>(said[0].parse().unwrap()).unwrap();
        assert_eq!(result(&ticket).await.is_ok(), status == LaunchStatus::Done, "{fault}");
        assert!(!ticket.cancel().await.unwrap(), "{fault}");
        sleep(HOUR).await;
        let record = ticket.record().await.unwrap();
        assert_eq!((record.status, scene.begun().len()), (status, bodies), "{fault}");
        assert!(!record.unwanted, "{fault}");
    }
}

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
    let test = "crash_points::p19_during_recovery_again_and_again";
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

/// Why the journal did not record a launch.
fn journal_error(error: &LaunchError) -> JournalErrorKind {
    let LaunchErrorKind::Journal(error) = error.kind() else { panic!("{error:?}") };
    error.kind()
}

#[tokio::test(start_paused = true)]
async fn p20_a_failed_write_is_an_error_and_nothing_is_written_before_a_reopen() {
    for (point, error, kind) in [
        ("store.before_write", io::ErrorKind::StorageFull, JournalErrorKind::DiskFull),
        ("store.before_write", io::ErrorKind::Other, JournalErrorKind::Io),
        ("store.after_write_before_sync", io::ErrorKind::StorageFull, JournalErrorKind::DiskFull),
        ("store.after_sync", io::ErrorKind::Other, JournalErrorKind::Io),
    ] {
        let scene = Scene::of("", async |_| {}).await.unwrap();
        let (system, agent) = scene.restart().await;
        let kept = system.launch(&agent, 7).key("kept").await.unwrap();
        rest().await;
        let open = Trap::fail(&scene.journal(), "store.open.owned", error);
        let write = Trap::fail(&scene.journal(), point, error);
        let failed = system.launch(&agent, 7).key("k").await.unwrap_err();
        assert_eq!(journal_error(&failed), kind, "{point}");
        drop(write);
        // The disk would take it again; the handle that has failed is not asked, and there is no other yet.
        assert!(handles(&scene.journal()).is_empty(), "{point}: {:?}", handles(&scene.journal()));
        for _ in 0..3 {
            let refused = system.launch(&agent, 7).key("k").await.unwrap_err();
            assert_eq!(journal_error(&refused), kind, "{point}");
            rest().await;
        }
        drop(open);
        let ticket = system.launch(&agent, 7).key("k").await.unwrap();
        is_one_and_done(&scene, &system, &agent, ticket.id()).await;
        assert_eq!(result(&kept).await.unwrap(), 7);
        assert_eq!((scene.begun(), system.status().supervisors[0].deaths), (vec![1, 1], 0), "{point}");
    }
}

/// Which files of its stores this process holds open, where the system tells.
fn handles(journal: &Path) -> Vec<String> {
    let Ok(open) = fs::read_dir("/proc/self/fd") else { return Vec::new() };
    let open = open.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    let files = open.filter(|path| path.starts_with(journal) && path.ends_with("db"));
    files.map(|path| path.display().to_string()).collect()
}

#[tokio::test(start_paused = true)]
async fn p20_after_a_failed_sync_nothing_is_written_before_the_next_open_has_copied() {
    let scene = Scene::of("", async |_| {}).await.unwrap();
    let (system, agent) = scene.restart().await;
    let kept = system.launch(&agent, 7).key("k").await.unwrap();
    rest().await;
    let trap = Trap::fail(&scene.journal(), "store.fdatasync", io::ErrorKind::Other);
    let error = system.launch(&agent, 8).key("other").await.unwrap_err();
    assert_eq!(journal_error(&error), JournalErrorKind::NotSynced);
    drop(trap);
    // The disk would take it again.
    let error = system.launch(&agent, 8).key("other").await.unwrap_err();
    let refused = match error.kind() {
        LaunchErrorKind::Journal(error) => {
            [JournalErrorKind::NotSynced, JournalErrorKind::Closed].contains(&error.kind())
        }
        // The system is coming to its end.
        kind => matches!(kind, LaunchErrorKind::ShuttingDown),
    };
    assert!(refused, "{error}");
    assert!(handles(&scene.journal()).is_empty());
    let error = system.wait().await.unwrap_err();
    assert!(error.to_string().contains("takes no more writes"), "{error}");
    assert!(names(&scene.journal()).contains(&"store-1".to_owned()));

    let (system, agent) = scene.restart().await;
    assert_eq!(names(&scene.journal()), ["lock", "progress", "store-2", "watermark"]);
    // What was refused may have been recorded.
    rest().await;
    is_one_and_done(&scene, &system, &agent, kept.id()).await;
    let other = system.launch(&agent, 8).key("other").await.unwrap();
    assert_eq!(other.result().await.unwrap().unwrap(), 8);
}

#[tokio::test(start_paused = true)]
async fn p21_a_second_process_is_refused_and_the_lock_is_free_after_a_kill() {
    let test = "crash_points::p21_a_second_process_is_refused_and_the_lock_is_free_after_a_kill";
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
