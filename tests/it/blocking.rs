//! Synchronous functions, and bodies that cannot be stopped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Instant;

use sortie::{AgentContext, AgentError, AgentRef, Backoff, Cause, Restart, blocking, foreach};

use crate::support::{Gauge, MS, SECOND, eventually, leaves_no_task, stay_awake, threads};

#[tokio::test]
async fn blocking_functions_run_on_threads_of_their_own() {
    let here = std::thread::current().id();
    let agent = blocking(move |n: u32, cx: AgentContext| {
        assert_ne!(std::thread::current().id(), here);
        assert_eq!(cx.attempt(), 1);
        match n {
            7 => panic!("seven"),
            8 => Err(AgentError::fatal("eight")),
            n => Ok(n * 2),
        }
    });
    let outcomes = leaves_no_task(foreach(0..10, agent).settled()).await;
    assert_eq!(*outcomes[3].as_ref().unwrap(), 6);
    assert!(matches!(outcomes[7].as_ref().unwrap_err().cause(), Cause::Panicked(text) if text == "seven"));
    assert!(matches!(outcomes[8].as_ref().unwrap_err().cause(), Cause::Failed(_)));
}

#[tokio::test]
async fn a_blocking_body_that_asks_is_stopped() {
    let agent = AgentRef::new(
        blocking(|(): (), cx: AgentContext| {
            while !cx.is_cancelled() {
                std::thread::yield_now();
            }
            Err::<(), _>("cancelled".into())
        })
        .named("polite"),
    );
    let start = Instant::now();
    let outcome = foreach([()], &agent).timeout(50 * MS).stop_grace(10 * SECOND).settled().await.remove(0);
    assert!(matches!(outcome.unwrap_err().cause(), Cause::TimedOut { stopped: true, .. }));
    assert!(start.elapsed() < 5 * SECOND);
}

#[tokio::test]
async fn a_blocking_body_that_goes_on_is_reported_keeps_its_slot_and_is_not_retried() {
    let gauge = Gauge::default();
    let (release, released) = mpsc::channel::<()>();
    let released = std::sync::Mutex::new(released);
    let bodies = gauge.clone();
    let agent = blocking(move |n: u32, _| {
        let _body = bodies.enter();
        if n == 0 {
            released.lock().unwrap().recv().unwrap();
        }
        Ok(n)
    });
    let restart = Restart::attempts(5).backoff(Backoff::none());
    let run = tokio::spawn(foreach(0..3, agent).concurrency(1).timeout(50 * MS).restart(restart).settled());
    // Its time is long up, and nothing starts beside it.
    tokio::time::sleep(300 * MS).await;
    assert_eq!((gauge.begun(), gauge.peak()), (1, 1));
    release.send(()).unwrap();
    let outcomes = run.await.unwrap();
    let failure = outcomes[0].as_ref().unwrap_err();
    assert!(matches!(failure.cause(), Cause::TimedOut { stopped: false, .. }), "{failure:?}");
    assert!(!failure.stopped());
    assert!(failure.cause().to_string().ends_with("and is still running"));
    assert_eq!(failure.attempts(), 1);
    assert_eq!((*outcomes[1].as_ref().unwrap(), *outcomes[2].as_ref().unwrap()), (1, 2));
    assert_eq!(gauge.peak(), 1);
}

#[test]
fn a_blocking_function_without_a_thread_is_taken_back() {
    // A runtime of its own, whose one blocking thread is taken.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(1)
        .enable_all()
        .build();
    let runtime = runtime.unwrap();
    let (release, released) = mpsc::channel::<()>();
    runtime.spawn_blocking(move || released.recv());
    let ran = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&ran);
    let agent = blocking(move |(): (), _| {
        flag.store(true, Ordering::SeqCst);
        Ok(())
    });
    let run = foreach([()], agent).timeout(50 * MS).settled();
    let outcomes = runtime.block_on(async { tokio::spawn(run).await }).unwrap();
    let failure = outcomes[0].as_ref().unwrap_err();
    assert!(matches!(failure.cause(), Cause::TimedOut { stopped: true, .. }), "{failure:?}");
    release.send(()).unwrap();
    runtime.shutdown_timeout(10 * SECOND);
    assert!(!ran.load(Ordering::SeqCst), "it never runs");
}

/// Computes without an `.await` until it is released, or for much longer than any test takes.
fn spin(release: &AtomicBool) {
    let start = Instant::now();
    while !release.load(Ordering::SeqCst) && start.elapsed() < 30 * SECOND {
        std::thread::sleep(MS);
    }
}

#[test]
fn an_async_body_that_does_not_yield_is_given_up_and_killed() {
    let runtime = threads(2);
    let release = Arc::new(AtomicBool::new(false));
    let gauge = Gauge::default();
    let agent = sortie::agent_fn({
        let (release, gauge) = (Arc::clone(&release), gauge.clone());
        move |n: u32, _| {
            let (release, body) = (Arc::clone(&release), gauge.enter());
            async move {
                let _body = body;
                if n == 0 {
                    spin(&release);
                }
                Ok(n)
            }
        }
    });
    let restart = Restart::attempts(5).backoff(Backoff::none());
    let fan_out = foreach(0..20, agent).concurrency(4).timeout(100 * MS).restart(restart);
    let start = Instant::now();
    let outcomes = runtime.block_on(async { tokio::spawn(fan_out.settled()).await }).unwrap();
    assert!(start.elapsed() < 5 * SECOND, "the run does not wait for it");
    let failure = outcomes[0].as_ref().unwrap_err();
    assert!(matches!(failure.cause(), Cause::TimedOut { stopped: false, .. }), "{failure:?}");
    assert_eq!(failure.attempts(), 1, "no second body beside the first");
    assert!(outcomes[1..].iter().enumerate().all(|(n, o)| matches!(o, Ok(v) if *v as usize == n + 1)));
    assert_eq!(gauge.running(), 1, "reported as not stopped, and it is not");
    release.store(true, Ordering::SeqCst);
    let tasks = || runtime.metrics().num_alive_tasks();
    runtime.block_on(eventually("no body and no actor", || gauge.running() == 0 && tasks() == 0));
}

#[test]
fn branches_without_a_slot_end_as_stuck() {
    let runtime = threads(2);
    let release = Arc::new(AtomicBool::new(false));
    let started = Arc::new(AtomicUsize::new(0));
    let agent = blocking({
        let (release, started) = (Arc::clone(&release), Arc::clone(&started));
        move |n: u32, _| {
            started.fetch_add(1, Ordering::SeqCst);
            spin(&release);
            Ok(n)
        }
    });
    let fan_out = foreach(0..6, agent).concurrency(2).timeout(50 * MS);
    let start = Instant::now();
    let outcomes = runtime.block_on(async { tokio::spawn(fan_out.settled()).await }).unwrap();
    let took = start.elapsed();
    assert!(took >= SECOND && took < 10 * SECOND, "a second after the last slot was taken: {took:?}");
    let causes: Vec<_> = outcomes.iter().map(|o| o.as_ref().unwrap_err().cause()).collect();
    assert!(causes[..2].iter().all(|c| matches!(c, Cause::TimedOut { stopped: false, .. })), "{causes:?}");
    assert!(causes[2..].iter().all(|c| matches!(c, Cause::Stuck)), "{causes:?}");
    assert_eq!(started.load(Ordering::SeqCst), 2);
    release.store(true, Ordering::SeqCst);
    runtime.shutdown_timeout(10 * SECOND);
}

#[test]
fn slots_that_come_free_now_and_then_are_not_stuck() {
    let runtime = threads(2);
    let agent = blocking(|n: u32, _| {
        std::thread::sleep(100 * MS);
        Ok(n)
    });
    let fan_out = foreach(0..24, agent).concurrency(1).timeout(MS);
    let outcomes = runtime.block_on(async { tokio::spawn(fan_out.settled()).await }).unwrap();
    let causes: Vec<_> = outcomes.iter().map(|o| o.as_ref().unwrap_err().cause()).collect();
    // A body that has not got its thread within the millisecond is taken back, and counts as stopped.
    assert!(causes.iter().all(|c| matches!(c, Cause::TimedOut { .. })), "{causes:?}");
}

#[test]
fn no_attempt_starts_beside_a_body_that_the_last_one_left_behind() {
    let runtime = threads(2);
    let gauge = Gauge::default();
    let bodies = gauge.clone();
    let slow = Arc::new(blocking(move |n: u32, _| {
        let _body = bodies.enter();
        std::thread::sleep(150 * MS);
        Ok(n)
    }));
    // It gives its own blocking body up, and fails.
    let impatient = sortie::agent_fn(move |n: u32, cx: AgentContext| {
        let slow = Arc::clone(&slow);
        async move {
            tokio::time::timeout(10 * MS, sortie::Agent::run(&*slow, n, cx)).await.map_err(|_| "too slow")?
        }
    });
    let restart = Restart::attempts(3).backoff(Backoff::none());
    let fan_out = foreach(0..2, impatient).concurrency(1).restart(restart);
    let outcomes = runtime.block_on(async { tokio::spawn(fan_out.settled()).await }).unwrap();
    assert!(outcomes.iter().all(|o| o.as_ref().unwrap_err().attempts() == 3));
    assert_eq!((gauge.begun(), gauge.peak()), (6, 1));
}

#[test]
fn a_drop_that_takes_its_time_is_given_up_too() {
    struct Slow;
    impl Drop for Slow {
        fn drop(&mut self) {
            std::thread::sleep(3 * SECOND);
        }
    }
    let runtime = threads(2);
    stay_awake(&runtime);
    let agent = sortie::agent_fn(|(): (), _| async {
        let _slow = Slow;
        std::future::pending::<Result<(), AgentError>>().await
    });
    let start = Instant::now();
    let run = foreach([()], agent).timeout(50 * MS).settled();
    let outcomes = runtime.block_on(async { tokio::spawn(run).await }).unwrap();
    assert!(start.elapsed() < 2 * SECOND, "{:?}", start.elapsed());
    assert!(!outcomes[0].as_ref().unwrap_err().stopped());
    runtime.shutdown_timeout(10 * SECOND);
}

#[test]
fn deadlines_pass_while_the_items_or_their_clones_block() {
    struct Slow(u32);
    impl Clone for Slow {
        fn clone(&self) -> Self {
            std::thread::sleep(2 * SECOND);
            Self(self.0)
        }
    }
    let runtime = threads(3);
    stay_awake(&runtime);
    let start = Instant::now();
    // An iterator that does not give its second item for a while.
    let items = (0..3_u32).inspect(|n| std::thread::sleep(2 * SECOND * u32::from(*n == 1)));
    let agent = sortie::agent_fn(|n: u32, _| async move { Ok(n) });
    let run = foreach(items, agent).deadline(200 * MS).settled();
    let outcomes = runtime.block_on(async { tokio::spawn(run).await }).unwrap();
    assert!(start.elapsed() < SECOND, "{:?}", start.elapsed());
    // The first item was pulled. Its attempt may be queued on the very thread that the iterator blocks.
    assert!(!outcomes.is_empty() && outcomes.len() < 3, "{outcomes:?}");
    // A clone.
    let start = Instant::now();
    let agent = sortie::agent_fn(|slow: Slow, _| async move { Ok(slow.0) });
    let run = foreach([Slow(0)], agent).restart(Restart::attempts(2)).deadline(200 * MS).settled();
    let outcomes = runtime.block_on(async { tokio::spawn(run).await }).unwrap();
    assert!(start.elapsed() < SECOND, "{:?}", start.elapsed());
    let failure = outcomes[0].as_ref().unwrap_err();
    assert!(matches!(failure.cause(), Cause::DeadlineExceeded { stopped: false, .. }), "{failure:?}");
    runtime.shutdown_timeout(10 * SECOND);
}

#[test]
fn slow_items_cost_attempts_none_of_their_time() {
    let runtime = threads(2);
    let items = (0..3_u32).inspect(|_| std::thread::sleep(150 * MS));
    let agent = sortie::agent_fn(|n: u32, cx: AgentContext| async move {
        let remaining = cx.remaining().unwrap_or_default();
        tokio::time::sleep(MS).await;
        Ok((n, remaining))
    });
    let run = foreach(items, agent).concurrency(2).timeout(100 * MS).all();
    let values = runtime.block_on(async { tokio::spawn(run).await }).unwrap().unwrap();
    assert!(values.iter().all(|(_, remaining)| *remaining > 50 * MS), "{values:?}");
}

#[test]
fn a_deadline_returns_although_a_body_does_not_yield() {
    let runtime = threads(2);
    // What else is to happen before the deadline takes as long as the machine lets it.
    for deadline in [200 * MS, SECOND, 5 * SECOND, 20 * SECOND] {
        let release = Arc::new(AtomicBool::new(false));
        let (flag, gauge) = (Arc::clone(&release), Gauge::default());
        let bodies = gauge.clone();
        let agent = sortie::agent_fn(move |n: u32, _| {
            let (release, bodies) = (Arc::clone(&flag), bodies.clone());
            async move {
                if n == 1 {
                    let _body = bodies.enter();
                    spin(&release);
                }
                Ok(n)
            }
        });
        let fan_out = foreach(0..3, agent).deadline(deadline);
        let outcomes = runtime.block_on(async { tokio::spawn(fan_out.settled()).await }).unwrap();
        let (begun, running) = (gauge.begun(), gauge.running());
        release.store(true, Ordering::SeqCst);
        assert_eq!(begun, running, "it does not wait for the body");
        if begun == 1 && outcomes[0].is_ok() && outcomes[2].is_ok() {
            let failure = outcomes[1].as_ref().unwrap_err();
            assert!(matches!(failure.cause(), Cause::DeadlineExceeded { stopped: false, .. }), "{failure:?}");
            return runtime.shutdown_timeout(10 * SECOND);
        }
    }
    panic!("no attempt of three has ended beside the body");
}
