//! Killed around the record of what came out of an attempt: a value, a failure, or the wish that it were not made.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sortie::journal::Delivery;
use sortie::probe::{StoreProbe, Trap};
use sortie::{AgentContext, Backoff, LaunchStatus, Restart, WallClock, agent_fn};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use super::{HOUR, held, is_one_and_done, recorded, rest, result, runs};
use crate::directory::copy;
use crate::doomed::{Doomed, Scene, builder, note, work};
use crate::support::{MS, SECOND};

#[tokio::test(start_paused = true)]
async fn p10_outcome_synced_and_nothing_else_yet() {
    let test = "crash_points::outcomes::p10_outcome_synced_and_nothing_else_yet";
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
    let test = "crash_points::outcomes::p10_large_payloads_are_there_as_a_whole_and_leave_nothing_over";
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
    let test = "crash_points::outcomes::p11_terminal_and_nobody_told";
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
    let test = "crash_points::outcomes::p12_failure_recorded_and_backoff_running";
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
    let test = "crash_points::outcomes::p13_cancel_requested_and_the_body_still_running";
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
