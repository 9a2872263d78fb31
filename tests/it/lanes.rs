//! Lanes: attempts that share a child, and what they do not share.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant as Wall;

use futures::StreamExt;
use sortie::{AgentContext, AgentRef, Backoff, Cause, Restart, agent_fn, blocking, branches, foreach};
use tokio::task;
use tokio::time::{Instant, sleep};

use crate::support::{Gauge, MS, SECOND, eventually, leaves_no_task, stay_awake, threads};

/// The tasks in which attempts have been made: one for each child.
type Children = Arc<Mutex<HashSet<task::Id>>>;

/// Notes its child and waits a second.
fn noting(children: &Children, gauge: &Gauge) -> AgentRef<usize, usize> {
    let (children, gauge) = (Arc::clone(children), gauge.clone());
    AgentRef::new(agent_fn(move |n: usize, _| {
        children.lock().unwrap().insert(task::id());
        let body = gauge.enter();
        async move {
            let _body = body;
            sleep(SECOND).await;
            Ok(n)
        }
    }))
}

#[tokio::test(start_paused = true)]
async fn attempts_share_children_and_the_cap_holds() {
    for (lanes, expected) in [(1, 10), (4, 3), (64, 1)] {
        let (children, gauge) = (Children::default(), Gauge::default());
        let run = foreach(0..35, &noting(&children, &gauge)).concurrency(10).lanes(lanes).all();
        let start = Instant::now();
        let values = leaves_no_task(run).await.unwrap();
        assert_eq!(values, (0..35).collect::<Vec<_>>());
        assert_eq!((gauge.peak(), children.lock().unwrap().len()), (10, expected), "{lanes} lanes");
        assert!(start.elapsed() < 4 * SECOND + 50 * MS, "{:?}", start.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn children_beyond_five_hundred_have_lanes() {
    for (concurrency, expected) in [(500, 500), (501, 501), (564, 501), (2500, 532)] {
        let (children, gauge) = (Children::default(), Gauge::default());
        let run = foreach(0..3000, &noting(&children, &gauge)).concurrency(concurrency).all();
        assert_eq!(leaves_no_task(run).await.unwrap().len(), 3000);
        assert_eq!((gauge.peak(), children.lock().unwrap().len()), (concurrency, expected));
    }
    let (children, gauge) = (Children::default(), Gauge::default());
    foreach(0..1500, &noting(&children, &gauge)).concurrency(1500).lanes(1).all().await.unwrap();
    assert_eq!(children.lock().unwrap().len(), 1500, "by choice");
}

#[tokio::test(start_paused = true)]
async fn fresh_children_have_one_lane() {
    let (children, gauge) = (Children::default(), Gauge::default());
    foreach(0..40, &noting(&children, &gauge)).lanes(4).fresh_children().all().await.unwrap();
    assert_eq!(children.lock().unwrap().len(), 40);
}

#[test]
#[should_panic(expected = "at least 1 lane")]
fn no_lane_is_refused() {
    let _ = foreach(0..1, agent_fn(|n: u32, _| async move { Ok(n) })).lanes(0);
}

#[tokio::test(start_paused = true)]
async fn each_lane_has_its_own_time() {
    let wait = AgentRef::new(agent_fn(|seconds: u32, _| async move {
        sleep(seconds * SECOND).await;
        Ok(Instant::now())
    }));
    // The later ones are due before the first, one has no limit, and one is ready at its limit.
    let set = vec![
        wait.branch(60).timeout(9 * SECOND),
        wait.branch(60).timeout(3 * SECOND),
        wait.branch(20),
        wait.branch(5).timeout(5 * SECOND),
        wait.branch(60).timeout(5 * SECOND),
        wait.branch(1).timeout(2 * SECOND),
    ];
    let start = Instant::now();
    let outcomes = leaves_no_task(branches(set).concurrency(3).lanes(3).settled()).await;
    let timed_out = |index: usize, seconds: u32| {
        let failure = outcomes[index].as_ref().unwrap_err();
        assert!(matches!(failure.cause(), Cause::TimedOut { stopped: true, .. }), "{failure:?}");
        let late = failure.elapsed().checked_sub(seconds * SECOND).unwrap();
        assert!(late < 10 * MS, "{failure:?}");
    };
    timed_out(0, 9);
    timed_out(1, 3);
    assert!(outcomes[2].as_ref().unwrap().duration_since(start) < 20 * SECOND + 10 * MS);
    // It started when the second one was stopped.
    assert!(outcomes[3].as_ref().unwrap().duration_since(start) < 8 * SECOND + 20 * MS);
    timed_out(4, 5);
    assert!(outcomes[5].is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_panic_ends_its_own_attempt_only() {
    let gauge = Gauge::default();
    let bodies = gauge.clone();
    let agent = agent_fn(move |n: u32, cx: AgentContext| {
        let body = bodies.enter();
        async move {
            let _body = body;
            sleep(MS).await;
            assert!(n % 3 != 0 || cx.attempt() > 1, "one third panics");
            sleep(SECOND).await;
            Ok(n)
        }
    });
    let restart = Restart::attempts(2).backoff(Backoff::fixed(MS));
    let values = leaves_no_task(foreach(0..12, agent).concurrency(4).lanes(4).restart(restart).all()).await;
    assert_eq!(values.unwrap(), (0..12).collect::<Vec<_>>());
    assert_eq!((gauge.begun(), gauge.peak()), (12 + 4, 4), "what did not panic was attempted once");
}

#[tokio::test(start_paused = true)]
async fn lanes_that_found_nothing_are_called_again() {
    let gauge = Gauge::default();
    let bodies = gauge.clone();
    let agent = agent_fn(move |n: u32, cx: AgentContext| {
        let body = bodies.enter();
        async move {
            let _body = body;
            sleep(MS).await;
            if cx.attempt() < 4 { Err("again".into()) } else { Ok(n) }
        }
    });
    let restart = Restart::attempts(4).backoff(Backoff::fixed(10 * SECOND));
    let start = Instant::now();
    let values = leaves_no_task(foreach(0..8, agent).concurrency(8).lanes(4).restart(restart).all()).await;
    assert_eq!(values.unwrap(), (0..8).collect::<Vec<_>>());
    // All of them wait at once, three times, and all lanes are used each time.
    assert!(start.elapsed() < 31 * SECOND, "{:?}", start.elapsed());
    assert_eq!(gauge.peak(), 8);
}

#[tokio::test(start_paused = true)]
async fn a_grace_is_given_in_every_lane() {
    let cleaned = Gauge::default();
    let count = cleaned.clone();
    let agent = agent_fn(move |_: u32, cx: AgentContext| {
        let count = count.clone();
        async move {
            cx.cancelled().await;
            sleep(SECOND).await;
            drop(count.enter());
            Ok(())
        }
    });
    let fan_out = foreach(0..12, agent).concurrency(12).lanes(4).timeout(SECOND).stop_grace(2 * SECOND);
    let start = Instant::now();
    let outcomes = leaves_no_task(fan_out.settled()).await;
    let in_time = |o: &sortie::Outcome<()>| {
        matches!(o.as_ref().unwrap_err().cause(), Cause::TimedOut { stopped: true, .. })
    };
    assert!(outcomes.iter().all(in_time), "{outcomes:?}");
    assert_eq!(cleaned.begun(), 12);
    assert!(start.elapsed() < 2 * SECOND + 50 * MS, "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn deadlines_and_drops_reach_every_lane() {
    let gauge = Gauge::default();
    let bodies = gauge.clone();
    let agent = AgentRef::new(agent_fn(move |n: u32, _| {
        let body = bodies.enter();
        async move {
            let _body = body;
            if n % 2 == 0 {
                std::future::pending::<()>().await;
            }
            Ok(n)
        }
    }));
    let fan_out = || foreach(0..100, &agent).concurrency(30).lanes(8);
    let outcomes = leaves_no_task(fan_out().deadline(SECOND).settled()).await;
    assert_eq!(gauge.running(), 0);
    let cut = |o: &sortie::Outcome<u32>| {
        matches!(o.as_ref().unwrap_err().cause(), Cause::DeadlineExceeded { stopped: true, .. })
    };
    assert!(outcomes.iter().step_by(2).all(cut), "{outcomes:?}");
    assert!(outcomes.iter().skip(1).step_by(2).take(29).all(Result::is_ok), "what is done is kept");
    let dropped = async { assert!(tokio::time::timeout(SECOND, fan_out().settled()).await.is_err()) };
    leaves_no_task(dropped).await;
    assert_eq!(gauge.running(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_slow_consumer_slows_lanes_down() {
    let gauge = Gauge::default();
    let bodies = gauge.clone();
    let agent = agent_fn(move |n: usize, _| {
        let body = bodies.enter();
        async move {
            tokio::task::yield_now().await;
            drop(body);
            Ok(n)
        }
    });
    let mut completed = foreach(0..500, agent).concurrency(8).lanes(4).stream();
    for taken in 1..=500 {
        assert!(completed.next().await.unwrap().outcome.is_ok());
        sleep(MS).await;
        assert!(gauge.begun() <= taken + 16, "{} begun, {taken} taken", gauge.begun());
    }
    assert!(completed.next().await.is_none());
    assert!(gauge.peak() > 1);
}

#[tokio::test(start_paused = true)]
async fn lanes_nest() {
    let outer = agent_fn(|n: u32, cx: AgentContext| async move {
        let inner = agent_fn(|m: u32, _| async move {
            sleep(SECOND).await;
            Ok(m)
        });
        Ok(n + cx.foreach(0..6, inner).concurrency(6).lanes(3).all().await?.len() as u32)
    });
    let start = Instant::now();
    let values = leaves_no_task(foreach(0..9, outer).concurrency(9).lanes(3).all()).await.unwrap();
    assert_eq!(values, (6..15).collect::<Vec<_>>());
    assert!(start.elapsed() < SECOND + 50 * MS, "all of them wait at once: {:?}", start.elapsed());
}

#[tokio::test]
async fn blocking_bodies_hold_their_own_lane() {
    let released = Arc::new(AtomicBool::new(false));
    let (gauge, release) = (Gauge::default(), Arc::clone(&released));
    let bodies = gauge.clone();
    let agent = blocking(move |n: u32, _| {
        let _body = bodies.enter();
        while n == 0 && !release.load(Ordering::SeqCst) {
            std::thread::sleep(MS);
        }
        Ok(n)
    });
    let run = task::spawn(foreach(0..40, agent).concurrency(4).lanes(4).timeout(5 * SECOND).settled());
    eventually("the lanes beside it are done", || gauge.begun() == 40 && gauge.running() == 1).await;
    released.store(true, Ordering::SeqCst);
    assert!(run.await.unwrap().iter().all(Result::is_ok));
    assert!(gauge.peak() <= 4);
}

/// Holds its thread until it is released, or for much longer than any test takes.
fn spin(release: &AtomicBool) {
    let start = Wall::now();
    while !release.load(Ordering::SeqCst) && start.elapsed() < 30 * SECOND {
        std::thread::sleep(MS);
    }
}

/// The first `spinning` items do not yield until they are released; all others wait for a millisecond.
fn spinning(spinning: u32, release: &Arc<AtomicBool>) -> AgentRef<u32, u32> {
    let release = Arc::clone(release);
    AgentRef::new(agent_fn(move |n: u32, _| {
        let release = Arc::clone(&release);
        async move {
            if n < spinning {
                sleep(10 * MS).await;
                spin(&release);
            }
            sleep(MS).await;
            Ok(n)
        }
    }))
}

#[test]
fn a_lane_that_does_not_yield_is_given_up_and_the_lanes_beside_it_live() {
    let runtime = threads(2);
    stay_awake(&runtime);
    let release = Arc::new(AtomicBool::new(false));
    let agent = spinning(1, &release);
    // Only the first has a limit. Two threads, so each child has two of the four lanes.
    let mut set: Vec<_> = (0..200).map(|n| agent.branch(n)).collect();
    set[0] = agent.branch(0).timeout(50 * MS);
    let outcomes = runtime.block_on(async {
        let run = task::spawn(branches(set).concurrency(4).lanes(2).settled());
        sleep(400 * MS).await;
        release.store(true, Ordering::SeqCst);
        run.await.unwrap()
    });
    let failure = outcomes[0].as_ref().unwrap_err();
    assert!(matches!(failure.cause(), Cause::TimedOut { stopped: false, .. }), "{failure:?}");
    assert!(outcomes[1..].iter().all(Result::is_ok), "nobody was killed for it");
    runtime.block_on(eventually("no actor is left", || runtime.metrics().num_alive_tasks() == 1));
}

#[test]
fn a_run_with_limits_ends_although_a_lane_does_not_yield() {
    let runtime = threads(2);
    stay_awake(&runtime);
    let release = Arc::new(AtomicBool::new(false));
    let run = foreach(0..200, &spinning(1, &release)).concurrency(4).lanes(2).timeout(100 * MS).settled();
    let start = Wall::now();
    let outcomes = runtime.block_on(async { task::spawn(run).await.unwrap() });
    assert!(start.elapsed() < 10 * SECOND, "{:?}", start.elapsed());
    release.store(true, Ordering::SeqCst);
    let late: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).collect();
    // It, and what stood still beside it.
    assert!((1..=2).contains(&late.len()) && late[0].index() == 0, "{late:?}");
    assert!(late.iter().all(|f| matches!(f.cause(), Cause::TimedOut { stopped: false, .. })), "{late:?}");
    runtime.shutdown_timeout(10 * SECOND);
}

#[test]
fn lanes_that_are_held_up_are_no_slots() {
    let runtime = threads(3);
    stay_awake(&runtime);
    let release = Arc::new(AtomicBool::new(false));
    let agent = spinning(2, &release);
    // Two children of two lanes each, and each has one that does not yield.
    let set: Vec<_> = (0..20).map(|n| agent.branch(n).timeout(100 * MS)).collect();
    let run = branches(set).concurrency(4).lanes(2).settled();
    let start = Wall::now();
    let outcomes = runtime.block_on(async { task::spawn(run).await.unwrap() });
    assert!(start.elapsed() < 10 * SECOND, "{:?}", start.elapsed());
    release.store(true, Ordering::SeqCst);
    let ended = |index: usize| outcomes[index].as_ref().map_err(|failure| failure.cause());
    assert!(matches!(ended(0), Err(Cause::TimedOut { stopped: false, .. })), "{:?}", ended(0));
    assert!(matches!(ended(1), Err(Cause::TimedOut { stopped: false, .. })), "{:?}", ended(1));
    runtime.shutdown_timeout(10 * SECOND);
}
