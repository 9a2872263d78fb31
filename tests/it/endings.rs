//! Endings that choose, `any` and `quorum`, and the one that does not wait, `stream`.

use std::error::Error;
use std::time::Duration;

use futures::StreamExt;
use sortie::{AgentRef, Backoff, Cause, Restart, agent_fn, branches, foreach};
use tokio::time::{Instant, sleep};

use crate::support::{Gauge, MS, SECOND, leaves_no_task};

/// Succeeds with its wait in milliseconds, or fails after it if that is odd.
fn timed(gauge: &Gauge) -> AgentRef<u32, u32> {
    let gauge = gauge.clone();
    AgentRef::new(agent_fn(move |millis: u32, _| {
        let body = gauge.enter();
        async move {
            let _body = body;
            sleep(millis * MS).await;
            if millis % 2 == 1 { Err(format!("failed after {millis} ms").into()) } else { Ok(millis) }
        }
    }))
}

#[tokio::test(start_paused = true)]
async fn s09_a_failure_does_not_win_and_the_loser_is_stopped() {
    let gauge = Gauge::default();
    let agent = timed(&gauge);
    let start = Instant::now();
    let first = leaves_no_task(branches([1, 50, 1000].map(|wait| agent.branch(wait))).any()).await;
    assert_eq!(first.unwrap(), 50);
    assert!(start.elapsed() < 60 * MS, "{:?}", start.elapsed());
    assert_eq!((gauge.begun(), gauge.running()), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn s09_all_fail() {
    let agent = timed(&Gauge::default());
    let error = branches((agent.branch(31).label("slow"), agent.branch(1), agent.branch(11)))
        .any()
        .await
        .unwrap_err();
    let texts: Vec<_> = error.failures().iter().map(|failure| failure.cause().to_string()).collect();
    assert_eq!(texts, ["failed after 31 ms", "failed after 1 ms", "failed after 11 ms"], "in branch order");
    assert_eq!(error.to_string(), "no branch succeeded");
    let text = format!("{error:#}");
    assert!(
        text.starts_with("no branch succeeded: branch `slow` failed: failed after 31 ms; branch 1"),
        "{text}"
    );
    assert!(error.source().is_some_and(|failure| failure.is::<sortie::Failure>()));
}

#[tokio::test(start_paused = true)]
async fn s09_a_deadline_is_not_an_empty_success() {
    let agent = timed(&Gauge::default());
    let error = foreach([1, 1000], &agent).deadline(100 * MS).any().await.unwrap_err();
    let causes: Vec<_> = error.failures().iter().map(sortie::Failure::cause).collect();
    assert!(matches!(causes[0], Cause::Failed(_)));
    assert!(matches!(causes[1], Cause::DeadlineExceeded { stopped: true, .. }));
}

#[tokio::test(start_paused = true)]
async fn s04_nothing_to_choose_from_is_an_error() {
    let agent = timed(&Gauge::default());
    let error = foreach(Vec::new(), &agent).any().await.unwrap_err();
    assert!(error.failures().is_empty());
    assert!(error.to_string().contains("no branches"), "{error}");
    let error = foreach(Vec::new(), &agent).quorum(1).await.unwrap_err();
    assert!(error.to_string().contains("no branches"), "{error}");
    assert_eq!(error.wanted(), 1);
}

#[tokio::test(start_paused = true)]
async fn any_works_on_tuples_of_one_output_type_and_on_keyed_items() {
    let number = AgentRef::new(agent_fn(|n: u32, _| async move {
        sleep(10 * MS).await;
        Ok(n.to_string())
    }));
    let text = AgentRef::new(agent_fn(|text: &'static str, _| async move {
        sleep(5 * MS).await;
        Ok(text.to_owned())
    }));
    assert_eq!(branches((number.branch(7), text.branch("seven"))).any().await.unwrap(), "seven");
    let two = branches((number.branch(7), text.branch("seven"), number.branch(8))).quorum(2).await.unwrap();
    assert_eq!(two, ["7", "seven"], "in branch order, and 8 was a moment later");
    assert_eq!(foreach([1, 2], &number).keyed(|n| *n).unwrap().any().await.unwrap(), "1");
}

#[tokio::test(start_paused = true)]
async fn any_waits_for_retries_and_takes_the_first_of_an_endless_supply() {
    let agent = agent_fn(|n: u64, cx: sortie::AgentContext| async move {
        sleep(10 * MS).await;
        if n < 100 || cx.attempt() < 2 { Err("not this one".into()) } else { Ok(n) }
    });
    let restart = Restart::attempts(2).backoff(Backoff::none());
    let first = leaves_no_task(foreach(0.., agent).concurrency(4).restart(restart).any()).await.unwrap();
    assert!((100..104).contains(&first), "{first}");
}

#[tokio::test(start_paused = true)]
async fn quorum_takes_the_first_successes_in_branch_order() {
    let gauge = Gauge::default();
    let agent = timed(&gauge);
    let start = Instant::now();
    let waits = [40, 1, 10, 1000, 20, 30];
    let values = leaves_no_task(foreach(waits, &agent).quorum(3)).await.unwrap();
    assert_eq!(values, [10, 20, 30], "the first three in time");
    assert!(start.elapsed() < 40 * MS, "{:?}", start.elapsed());
    assert_eq!(gauge.running(), 0);
    assert_eq!(foreach(waits, &agent).quorum(4).await.unwrap(), [40, 10, 20, 30]);
    assert!(foreach(waits, &agent).quorum(0).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn quorum_fails_as_soon_as_it_cannot_be_reached_and_keeps_what_succeeded() {
    let agent = timed(&Gauge::default());
    let start = Instant::now();
    let error = leaves_no_task(foreach([1, 2, 3, 5000], &agent).quorum(3)).await.unwrap_err();
    assert!(start.elapsed() < 10 * MS, "two failures of four decide it: {:?}", start.elapsed());
    assert_eq!((error.wanted(), error.failures().len()), (3, 3));
    assert!(matches!(error.failures()[2].cause(), Cause::Cancelled { stopped: true, .. }));
    assert_eq!(error.to_string(), "1 of 4 branches succeeded, where 3 are wanted");
    assert_eq!(error.into_values(), [2]);
    // More than there are can never be reached; the first failure says so, or the end does.
    let error = foreach([2, 4], &agent).quorum(3).await.unwrap_err();
    assert_eq!(error.into_values(), [2, 4]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_gives_outcomes_as_they_come_with_index_and_key() {
    let gauge = Gauge::default();
    let agent = timed(&gauge);
    let start = Instant::now();
    let mut stream = foreach([30, 2, 11, 20], &agent).keyed(|wait| format!("after {wait}")).unwrap().stream();
    assert_eq!(gauge.begun(), 0, "nothing runs before the first poll");
    let mut seen = Vec::new();
    while let Some(completed) = stream.next().await {
        assert!(
            start.elapsed()
                < Duration::from_millis(completed.outcome.as_ref().map_or(11, |n| u64::from(*n)) + 5)
        );
        seen.push((completed.index, completed.key.unwrap(), completed.outcome.is_ok()));
    }
    let expected =
        [(1, "after 2", true), (2, "after 11", false), (3, "after 20", true), (0, "after 30", true)];
    assert_eq!(seen, expected.map(|(index, key, ok)| (index, key.to_owned(), ok)));
    let labelled = branches((agent.branch(2).label("one"), agent.branch(4))).stream();
    let keys: Vec<_> = labelled.map(|completed| completed.key).collect().await;
    assert_eq!(keys, [Some("one".to_owned()), None]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_gives_every_branch_its_outcome_also_at_a_deadline() {
    let agent = timed(&Gauge::default());
    let waits = (0..100).map(|n| if n % 2 == 0 { 10 } else { 100_000 });
    let fan_out = foreach(waits, &agent).concurrency(8).deadline(SECOND);
    let mut outcomes: Vec<_> = leaves_no_task(fan_out.stream().collect::<Vec<_>>()).await;
    outcomes.sort_by_key(|completed| completed.index);
    assert_eq!(
        outcomes.iter().map(|completed| completed.index).collect::<Vec<_>>(),
        (0..100).collect::<Vec<_>>()
    );
    let ok = outcomes.iter().filter(|completed| completed.outcome.is_ok()).count();
    assert_eq!(ok, 8, "until eight long ones hold all slots");
    let exceeded = |o: &sortie::Completed<u32>| match &o.outcome {
        Ok(_) => true,
        Err(failure) => matches!(failure.cause(), Cause::DeadlineExceeded { .. }),
    };
    assert!(outcomes.iter().all(exceeded));
}

#[tokio::test(start_paused = true)]
async fn a_slow_consumer_slows_the_run_down() {
    let gauge = Gauge::default();
    let bodies = gauge.clone();
    let agent = agent_fn(move |n: u32, _| {
        let body = bodies.enter();
        async move {
            drop(body);
            Ok(n)
        }
    });
    let mut stream = foreach(0..1000, agent).concurrency(4).stream();
    let mut taken = 0;
    while let Some(completed) = stream.next().await {
        assert!(completed.outcome.is_ok());
        taken += 1;
        sleep(10 * MS).await;
        assert!(gauge.begun() <= taken + 2 * 4, "{} begun, {taken} taken", gauge.begun());
    }
    assert_eq!((taken, gauge.begun()), (1000, 1000));
}

#[tokio::test(start_paused = true)]
async fn dropping_a_stream_stops_the_run_and_next_is_cancel_safe() {
    let gauge = Gauge::default();
    let agent = timed(&gauge);
    leaves_no_task(async {
        let mut stream = foreach(std::iter::repeat(100), &agent).concurrency(4).stream();
        let mut taken = 0;
        while taken < 20 {
            if let Ok(Some(completed)) = tokio::time::timeout(7 * MS, stream.next()).await {
                assert!(completed.outcome.is_ok());
                taken += 1;
            }
        }
    })
    .await;
    assert_eq!(gauge.running(), 0);
    assert!(gauge.begun() <= 28, "{}", gauge.begun());
}

#[tokio::test(start_paused = true)]
async fn streams_retry_and_panic_like_any_ending() {
    let agent = agent_fn(|n: u32, cx: sortie::AgentContext| async move {
        match (n % 3, cx.attempt()) {
            (0, 1) => Err("once".into()),
            (1, 1) => panic!("once"),
            (2, _) if n == 50 => panic!("always"),
            _ => Ok(n),
        }
    });
    let restart = Restart::attempts(3).backoff(Backoff::fixed(MS));
    let mut outcomes: Vec<_> =
        foreach(0..100, agent).concurrency(5).restart(restart).stream().collect().await;
    outcomes.sort_by_key(|completed| completed.index);
    assert_eq!(outcomes.len(), 100);
    for completed in outcomes {
        assert_eq!(completed.outcome.is_err(), completed.index == 50);
    }
    assert!(foreach(Vec::new(), &timed(&Gauge::default())).stream().next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn s20_five_samples_of_which_two_fail() {
    let agent = agent_fn(|sample: u32, _| async move {
        sleep(Duration::from_millis(u64::from(50 - 10 * sample))).await;
        if sample == 1 || sample == 3 { Err("bad sample".into()) } else { Ok(sample) }
    });
    let outcomes = foreach(0..5, agent).settled().await;
    let (values, failures): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!(values.into_iter().map(Result::unwrap).collect::<Vec<_>>(), [0, 2, 4]);
    assert_eq!(failures.len(), 2);
    let failing = agent_fn(|_: u32, _| async { Err::<u32, _>("bad sample".into()) });
    assert!(foreach(0..5, failing).quorum(1).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_quorum_error_is_a_proper_error_for_any_output() {
    fn is_error<T: Error + Send + Sync + 'static>(error: T) -> String {
        error.to_string()
    }
    let agent =
        agent_fn(
            |n: u32, _| async move { if n == 0 { Err("zero".into()) } else { Ok(std::cell::Cell::new(n)) } },
        );
    let error = foreach([1, 0], agent).quorum(2).await.unwrap_err();
    assert!(format!("{error:?}").contains("wanted: 2"));
    assert!(is_error(error).contains("1 of 2"));
}
