//! Agents that hold a thread, on a runtime with two of them.

use std::time::{Duration, Instant};

use sortie::{AgentRef, agent_fn, foreach};

use crate::support::{MS, threads};

#[test]
fn s31_a_blocking_agent_freezes_nobody_else() {
    let runtime = threads(2);
    let quick = AgentRef::new(agent_fn(|n: u32, _| async move { Ok(n) }));
    let slowest = runtime.block_on(async {
        tokio::spawn(async move {
            // One of the two threads is blocked for 200 ms by an agent that does not care.
            let blocker = agent_fn(|n: u32, _| async move {
                if n == 5 {
                    std::thread::sleep(200 * MS);
                }
                tokio::time::sleep(MS).await;
                Ok(n)
            });
            let blocked = tokio::spawn(foreach(0..2000, blocker).concurrency(8).all());
            let mut slowest = Duration::ZERO;
            let mut calls = 0;
            while !blocked.is_finished() {
                let start = Instant::now();
                sortie::ask(&quick, 1).await.unwrap();
                slowest = slowest.max(start.elapsed());
                calls += 1;
                tokio::task::yield_now().await;
            }
            assert_eq!(blocked.await.unwrap().unwrap().len(), 2000);
            assert!(calls > 100, "{calls}");
            slowest
        })
        .await
        .unwrap()
    });
    // Nowhere near the 200 ms for which the thread is blocked; machines that are busy need some room.
    assert!(slowest < 100 * MS, "{slowest:?}");
}

#[test]
fn siblings_go_on_beside_a_body_that_blocks() {
    let runtime = threads(2);
    let agent = agent_fn(|n: u32, _| async move {
        if n == 0 {
            std::thread::sleep(300 * MS);
        } else {
            tokio::time::sleep(MS).await;
        }
        Ok(Instant::now())
    });
    let ends = runtime.block_on(async { tokio::spawn(foreach(0..50, agent).concurrency(4).all()).await });
    let ends = ends.unwrap().unwrap();
    assert!(ends[1..].iter().all(|end| *end < ends[0]), "all others were done before the one that blocks");
}

#[test]
fn a_deadline_is_kept_beside_an_agent_that_yields_once_and_then_blocks() {
    let runtime = threads(4);
    let agent = agent_fn(|n: u32, _| async move {
        if n == 0 {
            tokio::task::yield_now().await;
            std::thread::sleep(Duration::from_secs(2));
            return Ok(n);
        }
        std::future::pending().await
    });
    // Of unknown length, so that the supervisor is woken when the first attempt waits.
    let mut items = 0..3;
    let items = std::iter::from_fn(move || items.next());
    let start = Instant::now();
    let run = foreach(items, agent).deadline(100 * MS).settled();
    let outcomes = runtime.block_on(async { tokio::spawn(run).await }).unwrap();
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    assert_eq!(outcomes.iter().filter(|o| o.as_ref().is_err_and(|f| !f.stopped())).count(), 1);
    runtime.shutdown_timeout(Duration::from_secs(10));
}

#[test]
fn computing_children_share_their_threads() {
    let runtime = threads(2);
    // 4,000 attempts of 100 µs each without an `.await`, 0.2 s of both threads.
    let computing = agent_fn(|n: u32, _| async move {
        let start = Instant::now();
        while start.elapsed() < Duration::from_micros(100) {
            std::hint::spin_loop();
        }
        Ok(n)
    });
    let quick = AgentRef::new(agent_fn(|n: u32, _| async move { Ok(n) }));
    let mut waits = runtime.block_on(async {
        tokio::spawn(async move {
            let run = tokio::spawn(foreach(0..4000, computing).concurrency(8).all());
            let mut waits = Vec::new();
            while !run.is_finished() {
                let start = Instant::now();
                sortie::ask(&quick, 1).await.unwrap();
                waits.push(start.elapsed());
            }
            run.await.unwrap().unwrap();
            waits
        })
        .await
        .unwrap()
    });
    waits.sort_unstable();
    let median = waits[waits.len() / 2];
    assert!(waits.len() > 20 && median < 20 * MS, "{} calls, median {median:?}", waits.len());
}

#[test]
fn real_threads_give_the_same_results_in_the_same_order() {
    let runtime = threads(4);
    for lanes in [1, 4].repeat(10) {
        let agent = agent_fn(|n: u64, cx: sortie::AgentContext| async move {
            if n % 7 == 0 {
                tokio::time::sleep(Duration::from_micros(n % 500)).await;
            }
            if n % 11 == 0 && cx.attempt() == 1 {
                panic!("once");
            }
            if n % 13 == 0 && cx.attempt() < 3 {
                return Err("twice".into());
            }
            Ok(n * n)
        });
        let restart = sortie::Restart::attempts(4).backoff(sortie::Backoff::fixed(MS));
        let fan_out = foreach(0..2000, agent).concurrency(32).lanes(lanes).restart(restart);
        let values = runtime.block_on(async { tokio::spawn(fan_out.all()).await }).unwrap().unwrap();
        assert!(values.iter().enumerate().all(|(n, square)| *square == (n * n) as u64));
    }
    runtime.block_on(crate::support::eventually("no task", || runtime.metrics().num_alive_tasks() == 0));
}

#[test]
fn many_small_runs_that_retry_neither_stall_nor_lose_a_retry() {
    let runtime = threads(4);
    let agent = AgentRef::new(agent_fn(|n: u64, cx: sortie::AgentContext| async move {
        if n % 3 == 0 {
            tokio::task::yield_now().await;
        }
        // Backoffs end at all moments relative to the ends of the siblings' attempts.
        if u64::from(cx.attempt()) <= n % 4 { Err("again".into()) } else { Ok(n) }
    }));
    let run = move |cap: usize, lanes| {
        let agent = agent.clone();
        async move {
            let restart =
                sortie::Restart::attempts(4).backoff(sortie::Backoff::fixed(Duration::from_micros(300)));
            let values =
                foreach(0..12, &agent).concurrency(cap).lanes(lanes).restart(restart).all().await.unwrap();
            assert_eq!(values, (0..12).collect::<Vec<_>>());
        }
    };
    runtime.block_on(async {
        for _ in 0..25 {
            let runs: Vec<_> = (0..80).map(|n| tokio::spawn(run(1 + n % 4, 1 + n % 3))).collect();
            for run in runs {
                tokio::time::timeout(30 * crate::support::SECOND, run).await.expect("no run stalls").unwrap();
            }
        }
    });
}
