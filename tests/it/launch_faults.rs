//! What else than a kill can go wrong at the crash points: errors, panics and delays, each where it is met.

use std::time::Duration;

use sortie::probe::Trap;
use sortie::{
    AgentContext, AgentRef, Backoff, JournalErrorKind, LaunchErrorKind, LaunchStatus, Restart, System,
    SystemError,
};
use tokio::time::{Instant, sleep, timeout};

use crate::doomed::{Doomed, Scene};
use crate::support::{MS, SECOND};

const HOUR: Duration = Duration::from_secs(3600);

/// Everything ends, and nobody waits for what will not come.
async fn ends_with_an_error(system: &System) -> SystemError {
    timeout(10 * SECOND, system.wait()).await.expect("the system goes on").unwrap_err()
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_journals_thread_is_an_error_to_everybody_who_waits() {
    let test = "launch_faults::a_panic_of_the_journals_thread_is_an_error_to_everybody_who_waits";
    let part = async |child: Doomed| {
        let (system, agent) = child.start(|_, _| async { Err("it fails".into()) }).await;
        let agent: AgentRef<u32, u32> = agent.restart(Restart::attempts(9).backoff(Backoff::fixed(HOUR)));
        // It waits for its next attempt, so nothing happens by itself for an hour.
        let waits = system.launch(&agent, 1).await.unwrap();
        sleep(SECOND).await;
        let waiting = tokio::spawn(async move { timeout(10 * SECOND, waits.result()).await });
        sleep(SECOND).await;
        let _trap = child.arm();
        let launching = system.launch(&agent, 7).key("k").into_future();
        let error = timeout(10 * SECOND, launching).await.expect("the launch hangs").unwrap_err();
        let LaunchErrorKind::Journal(error) = error.kind() else { panic!("{error:?}") };
        assert_eq!(error.kind(), JournalErrorKind::Closed);
        waiting.await.unwrap().expect("the waiter hangs").unwrap_err();
        assert!(ends_with_an_error(&system).await.is_escalated());
        timeout(10 * SECOND, system.shutdown(SECOND)).await.expect("the shutdown hangs").unwrap_err();
    };
    let Some(scene) = Scene::of(test, part).await else { return };
    for (point, known) in [
        ("journal.queued", false),
        ("journal.planned", false),
        ("store.before_write", false),
        ("store.after_sync", true),
        ("journal.synced", true),
    ] {
        let scene = scene.anew();
        scene.survived(&format!("{point}=panic"));
        let (system, agent) = scene.restart().await;
        let ticket = system.launch(&agent, 7).key("k").await.unwrap();
        assert_eq!(ticket.is_known(), known, "{point}");
        assert_eq!(ticket.result().await.unwrap().unwrap(), 7, "{point}");
        assert_eq!(ticket.record().await.unwrap().attempts, 1, "{point}");
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_fails_once_a_launch_under_its_key_is_one_and_is_done() {
    let test = "launch_faults::whatever_fails_once_a_launch_under_its_key_is_one_and_is_done";
    let part = async |child: Doomed| {
        let (system, agent) = child.start(|n, _| async move { Ok(n) }).await;
        let faults = |points: &[&str], faults: &[&str]| -> Vec<String> {
            let each =
                |point: &&str| faults.iter().map(|fault| format!("{point}={fault}")).collect::<Vec<_>>();
            points.iter().flat_map(each).collect()
        };
        let mut all = faults(&["launch.called"], &["fail@1", "full@1"]);
        all.extend(faults(
            &["journal.queued", "journal.planned", "store.after_sync"],
            &["fail@1", "full@1", "fail@2", "full@2", "fail@3", "full@3"],
        ));
        all.extend(faults(
            &[
                "launch.claiming",
                "launch.before_body",
                "launch.after_body",
                "launch.concluding",
                "launch.recorded",
            ],
            &["fail@1", "full@1", "panic@1"],
        ));
        for fault in all {
            sleep(HOUR).await;
            let trap = Trap::everywhere(&fault);
            let first = system.launch(&agent, 7).key(&fault).await;
            sleep(HOUR).await;
            drop(trap);
            let ticket = system.launch(&agent, 7).key(&fault).await.unwrap();
            if let Ok(first) = first {
                assert_eq!((first.id(), ticket.is_known()), (ticket.id(), true), "{fault}");
            }
            let result = timeout(HOUR, ticket.result()).await.expect("it is never done");
            assert_eq!(result.unwrap().unwrap(), 7, "{fault}");
            let record = ticket.record().await.unwrap();
            assert_eq!((record.status, record.crashes), (LaunchStatus::Done, 0), "{fault}");
            assert!(record.attempts <= 2, "{fault}: {record:?}");
            child.say(format!("{} {} {fault}", ticket.id(), record.attempts));
        }
        system.shutdown(SECOND).await.unwrap();
    };
    let Some(scene) = Scene::of(test, part).await else { return };
    let begun = |scene: &Scene, id| scene.noted("begun").iter().filter(|(of, _)| *of == id).count();
    for said in scene.survived("") {
        let mut words = said.splitn(3, ' ');
        let (id, attempts) = (words.next().unwrap().parse().unwrap(), words.next().unwrap());
        let fault = words.next().unwrap();
        // An attempt whose body has not begun needs no second body.
        let unbegun = usize::from(fault.starts_with("launch.before_body"));
        let given_back = attempts.parse::<usize>().unwrap() - begun(&scene, id);
        assert!(given_back <= 1 && given_back >= unbegun, "{fault}: {attempts} attempts");
        if fault.starts_with("launch.recorded") {
            assert_eq!(begun(&scene, id), 1, "{fault}: what was recorded was run again");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_disk_or_thread_makes_nothing_time_out() {
    let test = "launch_faults::a_slow_disk_or_thread_makes_nothing_time_out";
    let part = async |child: Doomed| {
        let _trap = child.arm();
        let began = Instant::now();
        let body = |n, cx: AgentContext| async move {
            sleep(10 * MS).await;
            if cx.attempt() == 1 { Ok(n) } else { Err("another attempt".into()) }
        };
        let (system, agent) = child.start(body).await;
        let agent = agent.timeout(20 * MS);
        for n in 0..3 {
            let ticket = system.launch(&agent, n).await.unwrap();
            assert_eq!(ticket.result().await.unwrap().unwrap(), n);
            let record = ticket.record().await.unwrap();
            assert_eq!((record.attempts, record.history.len()), (1, 0));
        }
        // Three bodies, and no time for anything else.
        assert!((30 * MS..40 * MS).contains(&began.elapsed()), "{:?}", began.elapsed());
        let left = system.shutdown(SECOND).await.unwrap();
        assert_eq!((left.cut_short, left.handed_back), (0, 0));
    };
    let Some(scene) = Scene::of(test, part).await else { return };
    for point in [
        "recovery.planned",
        "launch.called",
        "journal.queued",
        "store.fdatasync",
        "journal.synced",
        "launch.claiming",
        "launch.before_body",
        "launch.after_body",
        "launch.concluding",
        "launch.recorded",
    ] {
        scene.anew().survived(&format!("{point}=delay:30"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_recovery_that_fails_is_an_error_of_the_start_and_the_next_one_works() {
    let test = "launch_faults::a_recovery_that_fails_is_an_error_of_the_start_and_the_next_one_works";
    let part = async |child: Doomed| {
        let (system, agent) = child.start(|n, _| async move { Ok(n) }).await;
        let ticket = system.launch(&agent, 7).key("k").await.unwrap();
        ticket.result().await.unwrap().unwrap();
        let id = ticket.id();
        drop(ticket);
        system.shutdown(SECOND).await.unwrap();
        for fault in ["fail", "full", "panic"] {
            for point in ["recovery.planned", "recovery.part", "recovery.synced"] {
                let trap = Trap::everywhere(&format!("{point}={fault}"));
                let error = child.try_start().await.unwrap_err();
                assert!(error.to_string().contains("journal"), "{error}");
                drop(trap);
                let (system, agent) = child.start(|n, _| async move { Ok(n) }).await;
                let known = system.launch(&agent, 7).key("k").await.unwrap();
                assert_eq!((known.id(), known.is_known()), (id, true));
                system.shutdown(SECOND).await.unwrap();
            }
        }
    };
    let Some(scene) = Scene::of(test, part).await else { return };
    scene.survived("");
    assert_eq!(scene.begun(), [1]);
}
