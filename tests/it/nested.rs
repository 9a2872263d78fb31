//! Fan-outs within agents.

use std::future::IntoFuture;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sortie::{Agent, AgentContext, AgentError, AgentRef, agent_fn, foreach};
use tokio::time::{Instant, sleep};

use crate::support::{Gauge, MS, SECOND, leaves_no_task};

/// Fans out to itself: `width` children at each level, `depth` levels deep; the leaves wait and are counted.
#[derive(Clone)]
struct Tree {
    leaves: Gauge,
    wait: std::time::Duration,
    cap: usize,
}

impl Agent for Tree {
    type Input = (u32, u32);
    type Output = usize;

    fn name(&self) -> &str {
        "tree"
    }

    async fn run(&self, (depth, width): (u32, u32), cx: AgentContext) -> Result<usize, AgentError> {
        if depth == 0 {
            let _leaf = self.leaves.enter();
            sleep(self.wait).await;
            return Ok(1);
        }
        let below = AgentRef::new(self.clone());
        let items = vec![(depth - 1, width); width as usize];
        Ok(cx.foreach(items, &below).concurrency(self.cap).all().await?.into_iter().sum())
    }
}

fn tree(leaves: &Gauge, wait: std::time::Duration, cap: usize) -> AgentRef<(u32, u32), usize> {
    AgentRef::new(Tree { leaves: leaves.clone(), wait, cap })
}

#[tokio::test(start_paused = true)]
async fn s24_a_nest_at_cap_1_finishes() {
    let leaves = Gauge::default();
    let count = leaves_no_task(sortie::ask(&tree(&leaves, 10 * MS, 1), (3, 3)).into_future()).await.unwrap();
    assert_eq!((count, leaves.begun(), leaves.peak()), (27, 27, 1));
}

#[tokio::test(start_paused = true)]
async fn a_nest_uses_the_caps_of_all_its_levels() {
    let leaves = Gauge::default();
    let start = Instant::now();
    let counts = foreach([(2, 4); 3], &tree(&leaves, SECOND, 2)).concurrency(2).all().await.unwrap();
    assert_eq!(counts, [16; 3]);
    assert_eq!(leaves.peak(), 8, "2 × 2 × 2");
    // 48 leaves, 8 and then, for the last of three, 4 at once.
    assert!(
        start.elapsed() >= 8 * SECOND && start.elapsed() < 8 * SECOND + 200 * MS,
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn agents_recurse_twenty_deep() {
    let leaves = Gauge::default();
    let count = leaves_no_task(sortie::ask(&tree(&leaves, MS, 64), (20, 1)).into_future()).await.unwrap();
    assert_eq!((count, leaves.begun()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn stopping_the_outermost_of_three_stops_the_leaves() {
    for how in ["deadline", "drop", "timeout"] {
        let leaves = Gauge::default();
        let fan_out = foreach([(2, 5); 5], &tree(&leaves, 60 * SECOND, 64));
        let start = Instant::now();
        leaves_no_task(async {
            match how {
                "deadline" => assert!(fan_out.deadline(SECOND).settled().await.iter().all(Result::is_err)),
                "timeout" => assert!(fan_out.timeout(SECOND).settled().await.iter().all(Result::is_err)),
                _ => assert!(tokio::time::timeout(SECOND, fan_out.settled()).await.is_err()),
            }
        })
        .await;
        assert_eq!((leaves.begun(), leaves.running()), (125, 0), "{how}");
        assert!(start.elapsed() < SECOND + 100 * MS, "{how}: {:?}", start.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn cancellation_reaches_the_leaves_while_there_is_grace() {
    let (cleaned, started) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let leaf = AgentRef::new(agent_fn({
        let (cleaned, started) = (Arc::clone(&cleaned), Arc::clone(&started));
        move |_: u32, cx: AgentContext| {
            let (cleaned, started) = (Arc::clone(&cleaned), Arc::clone(&started));
            async move {
                started.fetch_add(1, Ordering::SeqCst);
                cx.cancelled().await;
                sleep(100 * MS).await;
                cleaned.fetch_add(1, Ordering::SeqCst);
                Ok(())
            }
        }
    }));
    let outer = agent_fn(move |_: u32, cx: AgentContext| {
        let leaf = leaf.clone();
        async move {
            let middle = cx.foreach(0..10, &leaf).concurrency(2).stop_grace(SECOND).settled().await;
            Ok(middle.iter().filter(|outcome| outcome.is_ok()).count())
        }
    });
    let fan_out = foreach(0..3, outer).deadline(SECOND).stop_grace(2 * SECOND);
    let start = Instant::now();
    let counts = leaves_no_task(fan_out.settled()).await;
    assert!(start.elapsed() < SECOND + 200 * MS, "no longer than the clean-up takes: {:?}", start.elapsed());
    assert_eq!(cleaned.load(Ordering::SeqCst), 6);
    assert_eq!(started.load(Ordering::SeqCst), 6, "a cancelled nested run starts nothing more");
    assert!(counts.iter().all(|count| matches!(count, Ok(2))), "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn nested_bodies_that_take_their_grace_are_reported_and_hold_their_slot() {
    // The leaves have ten seconds to clean up, and use them; the outer attempt is dropped at once.
    let leaves = Gauge::default();
    let bodies = leaves.clone();
    let leaf = AgentRef::new(agent_fn(move |_: u32, cx: AgentContext| {
        let body = bodies.enter();
        async move {
            let _body = body;
            cx.cancelled().await;
            sleep(800 * MS).await;
            Ok(())
        }
    }));
    // Whichever way the nested run is started.
    let outer = AgentRef::new(agent_fn(move |n: u32, cx: AgentContext| {
        let leaf = leaf.clone();
        let fan_out = if n == 0 { cx.foreach(0..4, &leaf) } else { foreach(0..4, &leaf) };
        async move { Ok(fan_out.stop_grace(10 * SECOND).all().await?) }
    }));
    leaves_no_task(async {
        let outcomes = foreach([0], &outer).deadline(SECOND).settled().await;
        let failure = outcomes[0].as_ref().unwrap_err();
        assert_eq!(failure.stopped(), leaves.running() == 0, "{failure:?}");
        assert!(!failure.stopped());
    })
    .await;
    assert_eq!((leaves.begun(), leaves.running()), (4, 0));

    // With restarts: no second attempt beside the first, and the next item waits for the slot.
    leaves_no_task(async {
        let restart = sortie::Restart::attempts(2).backoff(sortie::Backoff::none());
        let start = Instant::now();
        let fan_out = foreach([0, 1], &outer).concurrency(1).timeout(SECOND).restart(restart);
        let outcomes = fan_out.settled().await;
        assert!(
            outcomes
                .iter()
                .all(|o| !o.as_ref().unwrap_err().stopped() && o.as_ref().unwrap_err().attempts() == 1)
        );
        assert!(start.elapsed() >= 2 * SECOND + 800 * MS, "{:?}", start.elapsed());
    })
    .await;
    assert_eq!((leaves.begun(), leaves.peak()), (12, 4));
}

#[tokio::test(start_paused = true)]
async fn an_outer_timeout_over_prompt_nested_work_is_retried() {
    let leaves = Gauge::default();
    let inner = tree(&leaves, 60 * SECOND, 4);
    let outer = AgentRef::new(agent_fn(move |(): (), cx: AgentContext| {
        let inner = inner.clone();
        async move { Ok(cx.ask(&inner, (1, 4)).await?) }
    }));
    let restart = sortie::Restart::attempts(3).backoff(sortie::Backoff::none());
    let failure = sortie::ask(&outer, ()).timeout(SECOND).restart(restart).await.unwrap_err();
    assert_eq!((failure.attempts(), failure.stopped()), (3, true), "{failure:?}");
    assert_eq!((leaves.begun(), leaves.running(), leaves.peak()), (12, 0, 4));
}

#[tokio::test(start_paused = true)]
async fn free_functions_nest_in_the_code_that_awaits_them_and_nowhere_else() {
    let leaf = AgentRef::new(agent_fn(|(): (), cx: AgentContext| async move {
        sleep(100 * MS).await;
        Ok(cx.is_cancelled())
    }));
    // Two attempts on one thread, one of which is cancelled while the other one starts its nested run.
    let outer = agent_fn(move |n: u64, cx: AgentContext| {
        let leaf = leaf.clone();
        async move {
            sleep(Duration::from_millis(50 * n)).await;
            let outcomes = foreach([(); 2], &leaf).stop_grace(SECOND).settled().await;
            let cancelled = outcomes.iter().filter(|outcome| *outcome.as_ref().unwrap_or(&true)).count();
            Ok((cancelled, cx.is_cancelled()))
        }
    });
    let fan_out = foreach(0..4, outer).deadline(175 * MS).stop_grace(SECOND);
    let counts: Vec<_> = fan_out.settled().await.into_iter().map(Result::unwrap).collect();
    assert_eq!(counts, [(0, false), (0, false), (2, true), (2, true)]);
    // A spawned task is not the agent's code.
    let spawning = agent_fn(|(): (), _| async {
        let inner = agent_fn(|(): (), cx: AgentContext| async move {
            sleep(SECOND).await;
            Ok(cx.is_cancelled())
        });
        Ok(tokio::spawn(foreach([()], inner).all()))
    });
    let task = foreach([()], spawning).all().await.unwrap().remove(0);
    assert_eq!(task.await.unwrap().unwrap(), [false]);
}

#[tokio::test(start_paused = true)]
async fn all_verbs_nest() {
    let double = AgentRef::new(agent_fn(|n: u32, _| async move { Ok(2 * n) }));
    let outer = AgentRef::new(agent_fn(move |n: u32, cx: AgentContext| {
        let double = double.clone();
        async move {
            let one = cx.ask(&double, n).label("one").await?;
            let (two, three) = cx.branches((double.branch(one), double.branch(one + 1))).all().await?;
            Ok(cx.foreach([two, three], &double).all().await?)
        }
    }));
    assert_eq!(sortie::ask(&outer, 1).await.unwrap(), [8, 12]);
}
