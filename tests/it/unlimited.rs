//! The largest value of a limit means no limit, and a limit costs nothing that is not used.

use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use sortie::{
    AgentContext, AgentError, AgentRef, Backoff, Cause, MemoryJournal, Restart, System, agent_fn, branches,
    foreach, foreach_stream,
};
use tokio::time::{Instant, sleep};

use crate::support::{Gauge, MS, SECOND, threads};

const LARGE: [usize; 5] = [10_000_000, u32::MAX as usize, usize::MAX / 2 + 1, usize::MAX - 1, usize::MAX];

fn years(count: u64) -> Duration {
    Duration::from_secs(count * 365 * 24 * 3600)
}

fn timed(gauge: &Gauge) -> AgentRef<u32, u32> {
    let gauge = gauge.clone();
    AgentRef::new(agent_fn(move |n: u32, _| {
        let body = gauge.enter();
        async move {
            let _body = body;
            sleep(MS).await;
            Ok(n)
        }
    }))
}

#[tokio::test(start_paused = true)]
async fn the_largest_concurrency_and_the_most_lanes_run_everything_at_once() {
    for large in LARGE {
        for lanes in [1, 64, large] {
            let gauge = Gauge::default();
            let agent = timed(&gauge);
            let run = || foreach(0..1000, &agent).concurrency(large).lanes(lanes);
            assert_eq!(run().all().await.unwrap().len(), 1000, "{large} {lanes}");
            assert_eq!(gauge.peak(), 1000, "{large} {lanes}");
            assert_eq!(run().settled().await.len(), 1000);
            assert!(run().any().await.is_ok());
            assert_eq!(run().quorum(10).await.unwrap().len(), 10);
            assert_eq!(run().stream().count().await, 1000);
            assert_eq!(run().keyed(|n| *n).unwrap().all().await.unwrap().len(), 1000);
            let streamed = foreach_stream(stream::iter(0..1000), &agent).concurrency(large).lanes(lanes);
            assert_eq!(streamed.all().await.unwrap().len(), 1000);
            let few: Vec<_> = (0..10).map(|n| agent.branch(n)).collect();
            assert_eq!(branches(few).concurrency(large).lanes(lanes).all().await.unwrap().len(), 10);
            assert_eq!(run().fresh_children().all().await.unwrap().len(), 1000);
        }
    }
}

#[test]
fn the_largest_limits_cost_no_more_than_small_ones_on_threads() {
    let runtime = threads(2);
    let took = |large: usize, lanes: usize| {
        runtime.block_on(async move {
            let agent = AgentRef::new(agent_fn(|n: u32, _| async move { Ok(n) }));
            let start = std::time::Instant::now();
            for _ in 0..200 {
                let run = foreach([1, 2], &agent).concurrency(large).lanes(lanes).all();
                assert_eq!(tokio::spawn(run).await.unwrap().unwrap(), [1, 2]);
            }
            start.elapsed()
        })
    };
    let small = took(64, 64);
    for large in LARGE {
        let large = took(large, large);
        assert!(large < 10 * small + 500 * MS, "{large:?} instead of {small:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_longest_times_are_no_limits() {
    let long = [Duration::MAX, Duration::MAX - Duration::from_nanos(1), years(584), years(200)];
    for limit in long {
        let gauge = Gauge::default();
        let agent = timed(&gauge);
        let run =
            || foreach(0..20, &agent).concurrency(4).timeout(limit).deadline(limit).queue_timeout(limit);
        assert_eq!(run().all().await.unwrap().len(), 20, "{limit:?}");
        assert!(run().stop_grace(limit).any().await.is_ok(), "{limit:?}");
        assert_eq!(run().stream().count().await, 20, "{limit:?}");
        let streamed = foreach_stream(stream::iter(0..20), &agent).queue_timeout(limit).deadline(limit);
        assert_eq!(streamed.all().await.unwrap().len(), 20, "{limit:?}");
        assert_eq!(sortie::ask(&agent.clone().timeout(limit), 1).await.unwrap(), 1);
    }
}

/// A grace without an end is waited for as long as it takes.
#[tokio::test(start_paused = true)]
async fn the_longest_grace_has_no_end() {
    let agent = agent_fn(|n: u32, cx: AgentContext| async move {
        cx.cancelled().await;
        sleep(48 * 3600 * SECOND).await;
        Ok(n)
    });
    let start = Instant::now();
    let outcomes = foreach([1], agent).deadline(SECOND).stop_grace(Duration::MAX).settled().await;
    assert_eq!(*outcomes[0].as_ref().unwrap(), 1);
    assert!(start.elapsed() >= 48 * 3600 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn more_than_there_can_be_is_a_quorum_that_is_not_reached() {
    let agent = timed(&Gauge::default());
    for large in LARGE {
        let error = foreach(0..5, &agent).quorum(large).await.unwrap_err();
        assert_eq!(error.into_values().len(), 5);
        let error = foreach_stream(stream::iter(0..5), &agent).quorum(large).await.unwrap_err();
        assert_eq!(error.into_values().len(), 5);
        let failing = agent_fn(|_: u32, _| async { Err::<u32, _>("on purpose".into()) });
        assert!(foreach(0..5, failing).quorum(large).await.is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn as_many_attempts_as_there_are_numbers_are_made_until_one_succeeds() {
    let agent = AgentRef::new(agent_fn(|n: u32, cx: AgentContext| async move {
        if cx.attempt() < 1000 { Err("not yet".into()) } else { Ok(n) }
    }));
    for backoff in [Backoff::none(), Backoff::fixed(MS), Backoff::exponential(MS).factor(f64::MAX)] {
        let restart = Restart::attempts(u32::MAX).backoff(backoff);
        assert_eq!(foreach([7], &agent).restart(restart).all().await.unwrap(), [7]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_nobody_would_see_the_end_of_is_no_wait_in_a_fan_out_and_in_a_launch() {
    let ever = [Duration::MAX, Restart::LONGEST_WAIT + Duration::from_nanos(1), years(584)];
    for delay in ever {
        let agent = agent_fn(move |_: u32, _| async move {
            Err::<u32, _>(AgentError::retry_after(delay, "never").with_code("later"))
        });
        let agent = AgentRef::new(agent.named("never")).restart(Restart::attempts(5));
        let start = Instant::now();
        let failure = sortie::ask(&agent, 1).await.unwrap_err();
        assert_eq!((failure.attempts(), failure.code()), (1, "later"));
        let mut builder = System::builder().journal(MemoryJournal::new());
        let agent = builder.register(agent);
        let system = builder.start().await.unwrap();
        let failure = system.launch(&agent, 1).await.unwrap().result().await.unwrap().unwrap_err();
        assert_eq!((failure.attempts(), failure.code()), (1, "later"));
        system.shutdown(SECOND).await.unwrap();
        assert!(start.elapsed() < 10 * SECOND, "{:?}", start.elapsed());
    }
    // The backoff is judged in the same way.
    let agent = agent_fn(|_: u32, _| async { Err::<u32, _>("at once".into()) });
    let restart = Restart::attempts(5).backoff(Backoff::fixed(Duration::MAX));
    let outcomes = foreach([1], agent).restart(restart).settled().await;
    let failure = outcomes[0].as_ref().unwrap_err();
    assert!(matches!(failure.cause(), Cause::Failed(_)) && failure.attempts() == 1, "{failure:?}");
}

/// The longest wait itself is one: both wait for it.
#[tokio::test(start_paused = true)]
async fn the_longest_wait_is_waited_for_in_a_fan_out_and_in_a_launch() {
    let agent = agent_fn(|n: u32, cx: AgentContext| async move {
        if cx.attempt() == 1 { Err(AgentError::retry_after(Restart::LONGEST_WAIT, "later")) } else { Ok(n) }
    });
    let agent = AgentRef::new(agent.named("later")).restart(Restart::attempts(2));
    let asked = tokio::time::timeout(3600 * SECOND, async { sortie::ask(&agent, 1).await }).await;
    assert!(asked.is_err(), "it waits");
    let mut builder = System::builder().journal(MemoryJournal::new());
    let agent = builder.register(agent);
    let system = builder.start().await.unwrap();
    let ticket = system.launch(&agent, 1).await.unwrap();
    assert!(ticket.result_within(3600 * SECOND).await.is_err(), "it waits");
    system.shutdown(SECOND).await.unwrap();
}
