//! Restart policies at work: who is asked first, what each attempt gets, and what a wait holds.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use sortie::{
    AgentContext, AgentError, AgentRef, Backoff, Cause, Outcome, Restart, Trigger, agent_fn, branches,
    foreach,
};
use tokio::time::{Instant, sleep};

use crate::support::{Gauge, MS, SECOND, leaves_no_task};

/// Fails until `good`, with the cause that the input names, and counts its attempts.
fn failing(attempts: &Arc<AtomicU32>) -> AgentRef<&'static str, u32> {
    let attempts = Arc::clone(attempts);
    AgentRef::new(agent_fn(move |how: &'static str, cx: AgentContext| {
        attempts.fetch_add(1, Ordering::SeqCst);
        async move {
            match how {
                "error" => Err("failed".into()),
                "panic" => panic!("on purpose"),
                "hang" => std::future::pending().await,
                _ => Ok(cx.attempt()),
            }
        }
    }))
}

#[tokio::test(start_paused = true)]
async fn the_branch_is_asked_before_the_fan_out_and_that_before_the_agent() {
    let attempts = Arc::new(AtomicU32::new(0));
    let quick = |attempts| Restart::attempts(attempts).backoff(Backoff::none());
    let plain = failing(&attempts);
    let agent = plain.clone().restart(quick(2));

    let _ = branches([plain.branch("error")]).settled().await;
    assert_eq!(attempts.swap(0, Ordering::SeqCst), 1, "one attempt unless told otherwise");
    let _ = branches([agent.branch("error")]).settled().await;
    assert_eq!(attempts.swap(0, Ordering::SeqCst), 2, "the agent's");
    let _ = branches([agent.branch("error")]).restart(quick(3)).settled().await;
    assert_eq!(attempts.swap(0, Ordering::SeqCst), 3, "the fan-out's");
    let _ = branches((agent.branch("error").restart(quick(4)),)).restart(quick(3)).settled().await;
    assert_eq!(attempts.swap(0, Ordering::SeqCst), 4, "the branch's");
    let _ = foreach(["error"], &agent).settled().await;
    assert_eq!(attempts.swap(0, Ordering::SeqCst), 2, "the agent's, in a foreach");
    let _ = foreach(["error"], &agent).restart(quick(3)).settled().await;
    assert_eq!(attempts.swap(0, Ordering::SeqCst), 3, "the fan-out's, in a foreach");
    let _ = foreach(["error"], &agent).keyed(|key| *key).unwrap().restart(quick(3)).settled().await;
    assert_eq!(attempts.swap(0, Ordering::SeqCst), 3, "the fan-out's, keyed");
    let _ = foreach(["error"], &agent).restart(quick(3)).keyed(|key| *key).unwrap().settled().await;
    assert_eq!(attempts.swap(0, Ordering::SeqCst), 3, "in either order");
    let _ = sortie::ask(&agent, "error").restart(quick(5)).await;
    assert_eq!(attempts.swap(0, Ordering::SeqCst), 5, "the call's");
}

#[tokio::test(start_paused = true)]
async fn timeouts_have_the_same_precedence() {
    let attempts = Arc::new(AtomicU32::new(0));
    let agent = failing(&attempts).timeout(SECOND);
    let limit = |outcome: &Outcome<u32>| match outcome.as_ref().unwrap_err().cause() {
        Cause::TimedOut { limit, stopped: true, .. } => *limit,
        other => panic!("{other}"),
    };
    let start = Instant::now();
    let [agents] = branches([agent.branch("hang")]).settled().await;
    let [fan_outs] = branches([agent.branch("hang")]).timeout(2 * SECOND).settled().await;
    let (branchs,) =
        branches((agent.branch("hang").timeout(3 * SECOND),)).timeout(2 * SECOND).settled().await;
    let in_foreach = foreach(["hang"], &agent).timeout(4 * SECOND).settled().await;
    assert_eq!([&agents, &fan_outs, &branchs, &in_foreach[0]].map(limit), [1, 2, 3, 4].map(|n| n * SECOND));
    let took = start.elapsed();
    assert!(took >= 10 * SECOND && took < 10 * SECOND + 50 * MS, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn every_cause_is_restarted_and_only_restricts_it() {
    let attempts = Arc::new(AtomicU32::new(0));
    let agent = failing(&attempts).timeout(SECOND);
    let policy = || Restart::attempts(3).backoff(Backoff::none());
    for (how, trigger) in [("error", Trigger::Error), ("panic", Trigger::Panic), ("hang", Trigger::Timeout)] {
        let outcome = sortie::ask(&agent, how).restart(policy()).await;
        assert_eq!(outcome.unwrap_err().attempts(), 3, "{how}");
        assert_eq!(attempts.swap(0, Ordering::SeqCst), 3, "{how}");
        let others = [Trigger::Error, Trigger::Panic, Trigger::Timeout].into_iter().filter(|t| *t != trigger);
        let outcome = sortie::ask(&agent, how).restart(policy().only(others)).await;
        assert_eq!(outcome.unwrap_err().attempts(), 1, "{how}");
        assert_eq!(attempts.swap(0, Ordering::SeqCst), 1, "{how}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_attempt_gets_the_same_input_and_its_own_number() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let agent = agent_fn({
        let seen = Arc::clone(&seen);
        move |mut input: Vec<u32>, cx: AgentContext| {
            let seen = Arc::clone(&seen);
            async move {
                input.push(cx.attempt());
                seen.lock().unwrap().push(input);
                if cx.attempt() < 3 { Err("again".into()) } else { Ok(cx.attempt()) }
            }
        }
    });
    let restart = Restart::attempts(5).backoff(Backoff::none());
    assert_eq!(foreach([vec![7]], agent).restart(restart).all().await.unwrap(), [3]);
    assert_eq!(*seen.lock().unwrap(), [[7, 1], [7, 2], [7, 3]]);
}

#[tokio::test(start_paused = true)]
async fn the_input_is_copied_only_for_an_attempt_that_may_come() {
    struct Counted(Arc<AtomicUsize>);
    impl Clone for Counted {
        fn clone(&self) -> Self {
            self.0.fetch_add(1, Ordering::SeqCst);
            Self(Arc::clone(&self.0))
        }
    }
    let copies = Arc::new(AtomicUsize::new(0));
    let agent = || agent_fn(|_: Counted, _| async { Err::<(), _>("failed".into()) });
    let _ = foreach([Counted(Arc::clone(&copies))], agent()).settled().await;
    assert_eq!(copies.swap(0, Ordering::SeqCst), 0);
    let restart = Restart::attempts(3).backoff(Backoff::none());
    let _ = foreach([Counted(Arc::clone(&copies))], agent()).restart(restart).settled().await;
    assert_eq!(copies.load(Ordering::SeqCst), 2, "the last attempt takes the original");
}

#[tokio::test(start_paused = true)]
async fn backoff_holds_no_slot() {
    let agent = agent_fn(|n: u32, cx: AgentContext| async move {
        if n == 0 && cx.attempt() == 1 {
            return Err(AgentError::retry_after(60 * SECOND, "later"));
        }
        sleep(SECOND).await;
        Ok(n)
    });
    let start = Instant::now();
    let values = foreach(0..30, agent).concurrency(1).restart(Restart::attempts(2)).all().await.unwrap();
    assert_eq!(values, (0..30).collect::<Vec<_>>());
    // The other 29 run within the minute that the first one waits; it comes last.
    assert!(
        start.elapsed() >= 61 * SECOND && start.elapsed() < 61 * SECOND + 100 * MS,
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn the_cursor_pauses_while_many_branches_wait() {
    let pulled = Arc::new(AtomicUsize::new(0));
    let items = (0..1000).inspect({
        let pulled = Arc::clone(&pulled);
        move |_| {
            pulled.fetch_add(1, Ordering::SeqCst);
        }
    });
    let most = Arc::new(AtomicUsize::new(0));
    let agent = agent_fn({
        let (pulled, most) = (Arc::clone(&pulled), Arc::clone(&most));
        move |n: u32, cx: AgentContext| {
            let (pulled, most) = (Arc::clone(&pulled), Arc::clone(&most));
            async move {
                if cx.attempt() == 1 {
                    most.fetch_max(pulled.load(Ordering::SeqCst), Ordering::SeqCst);
                    return Err("once".into());
                }
                // By now, this many have been pulled and none has come back.
                Ok(n)
            }
        }
    });
    let restart = Restart::attempts(2).backoff(Backoff::fixed(SECOND));
    let start = Instant::now();
    let fan_out = foreach(items, agent).concurrency(3).restart(restart);
    let halfway = async {
        sleep(500 * MS).await;
        pulled.load(Ordering::SeqCst)
    };
    let (values, halfway) = tokio::join!(fan_out.all(), halfway);
    assert_eq!(values.unwrap().len(), 1000);
    assert_eq!(halfway, 12, "4 for each of the 3 slots");
    assert!(start.elapsed() > 80 * SECOND, "twelve at a time: {:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_cursor_that_has_paused_goes_on_with_all_its_slots() {
    let gauge = Gauge::default();
    let bodies = gauge.clone();
    let agent = agent_fn(move |n: u32, cx: AgentContext| {
        let bodies = bodies.clone();
        async move {
            match (n, cx.attempt()) {
                (0, 1) => Err(AgentError::retry_after(10 * MS, "soon")),
                (1..32, 1) => Err(AgentError::retry_after(3600 * SECOND, "much later")),
                _ => {
                    let _body = bodies.enter();
                    sleep(SECOND).await;
                    Ok(n)
                }
            }
        }
    });
    let start = Instant::now();
    let restart = Restart::attempts(2).backoff(Backoff::none());
    let halfway = async {
        sleep(20 * SECOND).await;
        gauge.begun()
    };
    let (values, healthy) =
        tokio::join!(foreach(0..132, agent).concurrency(8).restart(restart).all(), halfway);
    assert_eq!(values.unwrap().len(), 132);
    assert_eq!(healthy, 101, "eight at a time, they take thirteen seconds");
    assert!(start.elapsed() >= 3600 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_seed_makes_the_waits_reproducible() {
    let run = async |seed| {
        let times = Arc::new(Mutex::new(Vec::new()));
        let agent = agent_fn({
            let times = Arc::clone(&times);
            let start = Instant::now();
            move |n: u32, _| {
                times.lock().unwrap().push((n, start.elapsed().as_millis()));
                async { Err::<(), _>("failed".into()) }
            }
        });
        let restart = Restart::attempts(4).backoff(Backoff::exponential(SECOND));
        let restart = if let Some(seed) = seed { restart.seed(seed) } else { restart };
        foreach(0..5, agent).restart(restart).settled().await;
        let mut times = std::mem::take(&mut *times.lock().unwrap());
        times.sort_unstable();
        times
    };
    assert_eq!(run(Some(1)).await, run(Some(1)).await);
    assert_ne!(run(Some(1)).await, run(Some(2)).await);
    assert_ne!(run(None).await, run(None).await);
}

#[tokio::test(start_paused = true)]
async fn a_nested_failure_is_final_for_the_outer_attempt() {
    let inner_calls = Arc::new(AtomicU32::new(0));
    let inner = failing(&inner_calls).restart(Restart::attempts(3).backoff(Backoff::none()));
    let through = |how: fn(sortie::Failure) -> AgentError| {
        let inner = inner.clone();
        AgentRef::new(agent_fn(move |(): (), _| {
            let inner = inner.clone();
            async move { sortie::ask(&inner, "error").await.map_err(how) }
        }))
    };
    let as_it_is = through(AgentError::from);
    let in_anyhow = through(|failure| anyhow::Error::from(failure).into());
    let in_context = through(|failure| anyhow::Error::from(failure).context("while asking").into());
    let on_retry = through(AgentError::retry);
    for outer in [as_it_is, in_anyhow, in_context, on_retry] {
        let failure = sortie::ask(&outer, ()).restart(Restart::attempts(3)).await.unwrap_err();
        assert_eq!(failure.attempts(), 1);
        assert_eq!(inner_calls.swap(0, Ordering::SeqCst), 3, "3 and not 9");
    }
    let all = AgentRef::new(agent_fn(move |(): (), _| {
        let inner = inner.clone();
        async move { Ok(foreach(["error", "fine"], &inner).all().await?) }
    }));
    let failure = sortie::ask(&all, ()).restart(Restart::attempts(3)).await.unwrap_err();
    assert_eq!(failure.attempts(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_wait_beyond_the_clock_ends_the_branch() {
    let agent = agent_fn(|(): (), _| async {
        Err::<(), _>(AgentError::retry_after(std::time::Duration::MAX, "in a while"))
    });
    let outcomes = foreach([()], agent).restart(Restart::attempts(2)).settled().await;
    assert!(matches!(outcomes[0].as_ref().unwrap_err().cause(), Cause::Failed(_)));
}

#[tokio::test(start_paused = true)]
async fn a_thousand_branches_fail_twice_and_all_come_back() {
    let gauge = Gauge::default();
    let bodies = gauge.clone();
    let agent = agent_fn(move |n: u32, cx: AgentContext| {
        let body = bodies.enter();
        async move {
            let _body = body;
            sleep((n % 7) * MS).await;
            match (cx.attempt(), n % 3) {
                (3, _) => Ok(n),
                (_, 0) => Err("failed".into()),
                (_, 1) => panic!("on purpose"),
                _ => std::future::pending().await,
            }
        }
    });
    let restart = Restart::attempts(3).backoff(Backoff::exponential(10 * MS).max(SECOND));
    let fan_out = foreach(0..1000, agent).concurrency(16).timeout(50 * MS).restart(restart);
    let values = leaves_no_task(fan_out.all()).await.unwrap();
    assert_eq!(values, (0..1000).collect::<Vec<_>>());
    assert_eq!((gauge.begun(), gauge.running(), gauge.peak()), (3000, 0, 16));
}
