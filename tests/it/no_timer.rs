//! Runtimes without a timer, and callers without a runtime: what needs neither works, and the rest says what is missing.

use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::StreamExt;
use futures::executor::block_on;
use futures::stream;
use sortie::{
    AgentContext, AgentError, AgentRef, Backoff, Cause, Failure, MemoryJournal, Restart, System, agent_fn,
    branches, foreach, foreach_stream,
};
use tokio::runtime::{Builder, Runtime};

use crate::support::{Gauge, MS, SECOND};

/// A runtime without a timer: with several threads, or one that is the caller's.
fn without_timer(threads: usize) -> Runtime {
    match threads {
        0 => Builder::new_current_thread().build().unwrap(),
        threads => Builder::new_multi_thread().worker_threads(threads).build().unwrap(),
    }
}

static PANICS: AtomicUsize = AtomicUsize::new(0);
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

thread_local! {
    static COUNTS: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Runs `work` on such runtimes, and checks that nothing panics on any of their threads, however well that is contained.
fn without_a_panic<F: Future<Output = ()> + Send + 'static>(work: impl Fn() -> F) {
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if COUNTS.get() || std::thread::current().name() == Some("timerless") {
            PANICS.fetch_add(1, Ordering::SeqCst);
        }
        before(info);
    }));
    for threads in [0, 1, 2] {
        let mut builder = match threads {
            0 => Builder::new_current_thread(),
            _ => Builder::new_multi_thread(),
        };
        let runtime = builder.worker_threads(threads.max(1)).thread_name("timerless").build().unwrap();
        COUNTS.set(true);
        for _ in 0..20 {
            let (tx, rx) = std::sync::mpsc::channel();
            let work = work();
            let done = runtime.spawn(async move {
                work.await;
                let _ = tx.send(());
            });
            runtime.block_on(done).unwrap();
            rx.recv().unwrap();
        }
        runtime.shutdown_timeout(10 * SECOND);
        COUNTS.set(false);
        assert_eq!(PANICS.swap(0, Ordering::SeqCst), 0, "{threads} threads");
    }
}

fn waits(leaves: &Gauge) -> AgentRef<u32, u32> {
    let leaves = leaves.clone();
    AgentRef::new(agent_fn(move |n: u32, _| {
        let body = leaves.enter();
        async move {
            let _body = body;
            if n > 0 {
                pending::<()>().await;
            }
            tokio::task::yield_now().await;
            Ok(n)
        }
    }))
}

#[test]
fn every_ending_works_without_a_timer_and_stops_its_losers() {
    without_a_panic(|| async {
        let bodies = Gauge::default();
        let agent = waits(&bodies);
        let quick = AgentRef::new(agent_fn(|n: u32, _| async move { Ok(n) }));
        assert_eq!(foreach(0..50, &quick).settled().await.len(), 50);
        assert_eq!(foreach(0..50, &quick).all().await.unwrap().len(), 50);
        assert_eq!(foreach([1, 2, 0, 3], &agent).any().await.unwrap(), 0);
        assert_eq!(foreach([1, 0, 0, 3], &agent).quorum(2).await.unwrap(), [0, 0]);
        assert_eq!(foreach(0..50, &quick).stream().count().await, 50);
        assert_eq!(foreach_stream(stream::iter(0..50), &quick).all().await.unwrap().len(), 50);
        let (one, two) = branches((quick.branch(1), quick.branch(2))).all().await.unwrap();
        assert_eq!(one + two, 3);
        assert_eq!(sortie::ask(&quick, 7).await.unwrap(), 7);
        let fails = agent_fn(|n: u32, _| async move {
            if n == 2 {
                return Err("on purpose".into());
            }
            pending::<Result<u32, AgentError>>().await
        });
        assert_eq!(foreach(0..8, fails).all().await.unwrap_err().failure().index(), 2);
        let mut completed = foreach([0, 1, 2], &agent).stream();
        assert_eq!(completed.next().await.unwrap().index, 0);
        drop(completed);
        while bodies.running() > 0 {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn nested_runs_and_lanes_work_without_a_timer() {
    without_a_panic(|| async {
        let leaves = Gauge::default();
        let below = waits(&leaves);
        let agent = AgentRef::new(agent_fn(move |n: u32, cx: AgentContext| {
            let below = below.clone();
            async move {
                let asked = cx.ask(&below, n).await?;
                Ok(asked + cx.foreach([n, n], &below).all().await?.len() as u32)
            }
        }));
        assert_eq!(foreach([3, 0, 5], &agent).any().await.unwrap(), 2);
        assert_eq!(foreach([0; 100], &agent).concurrency(16).lanes(4).all().await.unwrap().len(), 100);
        assert_eq!(leaves.running(), 0);
    });
}

/// Retries wait by the clock of the crate, and a grace is one, too.
#[test]
fn a_backoff_and_a_grace_work_without_a_timer() {
    without_a_panic(|| async {
        let agent = agent_fn(|n: u32, cx: AgentContext| async move {
            if cx.attempt() < 3 { Err("not yet".into()) } else { Ok(n) }
        });
        let restart = Restart::attempts(3).backoff(Backoff::fixed(MS));
        assert_eq!(foreach(0..4, agent).restart(restart).all().await.unwrap(), [0, 1, 2, 3]);
        let agent = agent_fn(|n: u32, cx: AgentContext| async move {
            if n > 0 {
                cx.cancelled().await;
            }
            Ok(n)
        });
        assert_eq!(foreach(0..4, agent).stop_grace(SECOND).any().await.unwrap(), 0);
    });
}

#[test]
fn a_system_without_launches_works_without_a_timer() {
    without_a_panic(|| async {
        let mut builder = System::builder();
        builder.supervisor("named");
        let agent = builder.register(agent_fn(|n: u32, _| async move { Ok(n) }).named("same"));
        let system = builder.start().await.unwrap();
        assert_eq!(system.foreach(0..5, &agent).all().await.unwrap().len(), 5);
        let hangs = agent_fn(|_: u32, _| pending::<Result<u32, AgentError>>());
        let run = tokio::spawn(system.foreach(0..5, hangs).settled());
        while system.status().runs == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(system.shutdown(Duration::ZERO).await.unwrap().cut_short, 1);
        let stopped = |failure: &Failure| matches!(failure.cause(), Cause::ShutDown { stopped: true, .. });
        assert!(run.await.unwrap().iter().all(|outcome| outcome.as_ref().is_err_and(stopped)));
    });
}

/// A body that does not stop is not waited for without an end.
#[test]
fn what_does_not_stop_is_left_without_a_timer_as_with_one() {
    let runtime = without_timer(2);
    let (let_go, held) = std::sync::mpsc::channel::<()>();
    let held = Mutex::new(held);
    let agent = sortie::blocking(move |n: u32, _| {
        if n == 1 {
            let _ = held.lock().unwrap().recv();
        }
        Ok(n)
    });
    let outcomes = runtime.block_on(async {
        let began = std::time::Instant::now();
        let won = tokio::spawn(foreach([1, 0], agent).any()).await.unwrap();
        (won, began.elapsed())
    });
    drop(let_go);
    assert_eq!(outcomes.0.unwrap(), 0);
    assert!(outcomes.1 < 5 * SECOND, "{:?}", outcomes.1);
}

#[test]
fn a_limit_in_time_says_which_timer_is_missing_at_the_call_that_sets_it() {
    let runtime = without_timer(0);
    let quick = || AgentRef::new(agent_fn(|n: u32, _| async move { Ok(n) }));
    let panics = |ending: &dyn Fn()| {
        let panic = catch_unwind(AssertUnwindSafe(ending)).unwrap_err();
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap();
        assert!(text.contains("enable_time"), "{text}");
    };
    panics(&|| drop(runtime.block_on(foreach(0..3, &quick()).deadline(SECOND).settled())));
    panics(&|| drop(runtime.block_on(foreach(0..3, &quick()).timeout(SECOND).all())));
    panics(&|| drop(runtime.block_on(foreach(0..3, &quick()).queue_timeout(SECOND).any())));
    panics(&|| drop(runtime.block_on(async { sortie::ask(&quick().timeout(SECOND), 1).await })));
    panics(&|| drop(runtime.block_on(foreach(0..3, &quick()).deadline(SECOND).stream().next())));
    // Within an agent it is that attempt which panics.
    let nested = agent_fn(move |n: u32, cx: AgentContext| {
        let quick = quick();
        async move { Ok(cx.foreach([n], &quick).deadline(SECOND).all().await?[0]) }
    });
    let outcomes = runtime.block_on(foreach([1], nested).settled());
    let cause = outcomes[0].as_ref().unwrap_err().cause();
    assert!(matches!(cause, Cause::Panicked(text) if text.contains("enable_time")), "{cause}");
    // And a system with launches does not start.
    let start = System::builder().journal(MemoryJournal::new()).start();
    let error = runtime.block_on(start).unwrap_err().to_string();
    assert!(error.contains("enable_time"), "{error}");
}

#[test]
fn a_fan_out_outside_of_a_runtime_fails_and_says_so() {
    let quick = AgentRef::new(agent_fn(|n: u32, _| async move { Ok(n) }));
    let says_so = |failure: &Failure| {
        assert_eq!((failure.code(), failure.attempts(), failure.stopped()), ("no_runtime", 0, true));
        failure.cause().to_string().contains("needs a tokio runtime")
    };
    let outcomes = block_on(foreach(0..3, &quick).settled());
    assert_eq!(outcomes.iter().filter(|outcome| outcome.as_ref().is_err_and(says_so)).count(), 3);
    assert!(says_so(block_on(foreach(0..3, &quick).deadline(SECOND).all()).unwrap_err().failure()));
    assert!(block_on(foreach(0..3, &quick).any()).unwrap_err().failures().iter().all(says_so));
    assert!(block_on(foreach(0.., &quick).timeout(SECOND).settled()).is_empty(), "an endless one has no end");
    assert!(says_so(&block_on(std::future::IntoFuture::into_future(sortie::ask(&quick, 1))).unwrap_err()));
    assert!(says_so(&block_on(branches((quick.branch(1),)).settled()).0.unwrap_err()));
    let completed: Vec<_> = block_on(foreach(0..3, &quick).stream().collect());
    assert!(
        completed.len() == 3 && completed.iter().all(|branch| branch.outcome.as_ref().is_err_and(says_so))
    );
    assert!(says_so(block_on(foreach_stream(stream::iter(0..3), &quick).all()).unwrap_err().failure()));
    // Within a runtime that was entered, it goes on.
    let runtime = without_timer(1);
    let _entered = runtime.enter();
    assert_eq!(block_on(foreach(0..3, &quick).all()).unwrap(), [0, 1, 2]);
}
