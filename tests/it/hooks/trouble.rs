//! Hooks that fail, hang or block, and systems that end while they are asked.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use sortie::{
    AgentContext, AgentRef, Backoff, LaunchFilter, LaunchId, LaunchRecord, LaunchStatus, Restart,
    TicketError, Verdict, agent_fn, blocking,
};
use tokio::time::{Instant, sleep};

use super::{Asked, charge, disk, leave, memory, obedient, slow, status};
use crate::directory::Directory;
use crate::support::{Gauge, MS, SECOND, eventually, leaves_no_task, threads};

#[tokio::test(start_paused = true)]
async fn a_hook_that_fails_leaves_its_launch_and_is_asked_about_the_next() {
    let (asked, mut builder) = (Asked::default(), memory());
    let agent = builder.register(charge("charge"));
    builder.when_ambiguous(&agent, &obedient(&asked).timeout(60 * SECOND));
    let system = builder.start().await.unwrap();
    // Of each more than there are places.
    let keys: Vec<_> = ["panic", "fail", "long", "hang"]
        .iter()
        .flat_map(|what| (0..6).map(move |number| format!("{what} {number}")))
        .collect();
    let keys: Vec<_> = keys.iter().map(String::as_str).collect();
    let bad = leave(&system, &agent, &keys).await;
    let good = leave(&system, &agent, &["settle"]).await.remove(0);
    sleep(600 * SECOND).await;
    for ticket in &bad {
        assert_eq!(status(ticket).await, LaunchStatus::Ambiguous);
    }
    assert_eq!(good.result().await.unwrap().unwrap(), "by the hook");
    assert_eq!(asked.count(), 25);
    let status = system.status();
    assert!(status.supervisors.iter().all(|one| (one.deaths, one.restarts) == (0, 0)), "{status}");
}

#[tokio::test(start_paused = true)]
async fn a_hook_is_tried_again_as_its_reference_says() {
    let (tries, mut builder) = (Arc::new(AtomicUsize::new(0)), memory());
    let agent = builder.register(charge("charge"));
    let theirs = Arc::clone(&tries);
    let hook = AgentRef::new(agent_fn(move |_: LaunchRecord, _| {
        let nth = theirs.fetch_add(1, Ordering::SeqCst);
        async move {
            match nth {
                0 => Err("the provider is down".into()),
                1 => std::future::pending().await,
                _ => Ok(Verdict::Settle("found".to_owned())),
            }
        }
    }));
    let restart = Restart::attempts(3).backoff(Backoff::fixed(SECOND));
    builder.when_ambiguous(&agent, &hook.timeout(10 * SECOND).restart(restart));
    let system = builder.start().await.unwrap();
    let ticket = leave(&system, &agent, &["k"]).await.remove(0);
    sleep(60 * SECOND).await;
    assert_eq!(ticket.result().await.unwrap().unwrap(), "found");
    assert_eq!(tries.load(Ordering::SeqCst), 3);
}

#[tokio::test(start_paused = true)]
async fn few_calls_run_at_once_and_launches_do_not_wait_for_them() {
    let (gauge, mut builder) = (Gauge::default(), memory());
    let agent = builder.register(charge("charge"));
    builder.when_ambiguous(&agent, &slow(&gauge, usize::MAX));
    let system = builder.start().await.unwrap();
    let start = Instant::now();
    let keys: Vec<_> = (0..20).map(|number| number.to_string()).collect();
    let keys: Vec<_> = keys.iter().map(String::as_str).collect();
    leave(&system, &agent, &keys).await;
    system.launch(&agent, "fine".into()).await.unwrap().result().await.unwrap().unwrap();
    assert!(start.elapsed() < SECOND, "{:?}", start.elapsed());
    let ambiguous = system.launches(LaunchFilter::all().status(LaunchStatus::Ambiguous));
    sleep(300 * SECOND + SECOND).await;
    assert_eq!((ambiguous.count().await.unwrap(), gauge.begun(), gauge.peak()), (0, 20, 4));
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_abandons_a_hook_and_the_next_process_asks_again() {
    let (directory, gauge) = (Directory::new(), Gauge::default());
    let id: LaunchId = leaves_no_task(async {
        let mut builder = disk(&directory);
        let agent = builder.register(charge("charge"));
        builder.when_ambiguous(&agent, &slow(&gauge, 1));
        let system = builder.start().await.unwrap();
        let ticket = leave(&system, &agent, &["k"]).await.remove(0);
        eventually("a call", || gauge.running() == 1).await;
        let start = Instant::now();
        let left = system.shutdown(30 * SECOND).await.unwrap();
        assert!(start.elapsed() < SECOND, "{:?}", start.elapsed());
        assert_eq!((left.cut_short, left.not_stopped, left.handed_back), (0, 0, 0));
        assert_eq!(gauge.running(), 0);
        ticket.id()
    })
    .await;
    let mut builder = disk(&directory);
    let agent = builder.register(charge("charge"));
    builder.when_ambiguous(&agent, &slow(&gauge, 1));
    let system = builder.start().await.unwrap();
    eventually("another call", || gauge.begun() == 2).await;
    sleep(SECOND).await;
    let ticket = system.ticket::<String>(id).unwrap();
    assert!(matches!(ticket.status().await.unwrap_err(), TicketError::Unknown(_)));
}

#[tokio::test(start_paused = true)]
async fn a_supervisor_that_dies_takes_the_calls_along_and_its_next_life_asks_again() {
    let (asked, gauge, mut builder) = (Asked::default(), Gauge::default(), memory());
    let agent = builder.register(charge("charge"));
    let (theirs, bodies) = (asked.clone(), gauge.clone());
    let hook = agent_fn(move |launch: LaunchRecord, _| {
        let (key, calls) = (theirs.note(&launch), theirs.count());
        let bodies = bodies.clone();
        async move {
            let _body = bodies.enter();
            match key.as_str() {
                "leave" => Ok(Verdict::Leave),
                _ if calls == 2 => std::future::pending().await,
                _ => Ok(Verdict::Settle("found".to_owned())),
            }
        }
    });
    builder.when_ambiguous(&agent, &AgentRef::new(hook));
    let system = builder.start().await.unwrap();
    let left = leave(&system, &agent, &["leave"]).await.remove(0);
    eventually("a call", || asked.count() == 1).await;
    let open = leave(&system, &agent, &["open"]).await.remove(0);
    // Its body has begun when the supervisor dies, so that it becomes ambiguous with that.
    let running = system.launch(&agent, "hang".into()).key("running").await.unwrap();
    eventually("the second call", || asked.count() == 2 && gauge.running() == 1).await;
    sleep(SECOND).await;
    assert!(system.break_supervisor("main"));
    eventually("a restart", || system.status().supervisors[0].restarts == 1).await;
    sleep(60 * SECOND).await;
    for ticket in [&open, &running] {
        assert_eq!(ticket.result().await.unwrap().unwrap(), "found");
    }
    // What it has left stays left.
    assert_eq!(status(&left).await, LaunchStatus::Ambiguous);
    assert_eq!(
        (asked.keys(), gauge.running()),
        (["leave", "open", "open", "running"].map(String::from).into(), 0)
    );
}

/// On threads, because it blocks them.
#[test]
fn calls_that_do_not_stop_keep_neither_other_calls_nor_a_shutdown_from_their_ends() {
    let runtime = threads(2);
    let gauge = Gauge::default();
    let (release, stay) = std::sync::mpsc::channel::<()>();
    let (bodies, stay) = (gauge.clone(), Mutex::new(stay));
    let hook = blocking(move |launch: LaunchRecord, _: AgentContext| {
        if launch.key.as_deref() != Some("good") {
            let _body = bodies.enter();
            // They wait for each other, and the first for the end of the test.
            let _ = stay.lock().unwrap().recv();
        }
        Ok(Verdict::Settle("by the hook".to_owned()))
    });
    runtime.block_on(async {
        let mut builder = memory();
        let agent = builder.register(charge("charge"));
        builder.when_ambiguous(&agent, &AgentRef::new(hook).timeout(SECOND));
        let system = builder.start().await.unwrap();
        let bad = leave(&system, &agent, &["a", "b", "c", "d"]).await;
        eventually("four calls", || gauge.running() == 4).await;
        let good = leave(&system, &agent, &["good"]).await.remove(0);
        for _ in 0..10_000 {
            if status(&good).await == LaunchStatus::Done {
                break;
            }
            sleep(MS).await;
        }
        assert_eq!(good.result().await.unwrap().unwrap(), "by the hook");
        for ticket in &bad {
            assert_eq!(status(ticket).await, LaunchStatus::Ambiguous);
        }
        let text = system.status().to_string();
        assert_eq!(system.status().supervisors[0].deaths, 0, "{text}");
        let left = system.shutdown(SECOND).await.unwrap();
        assert_eq!((left.not_stopped, gauge.begun()), (4, 4));
    });
    drop(release);
}
