//! Items of a stream under keys of their own.

use std::time::Duration;

use futures::stream::{self, StreamExt};
use sortie::{
    AgentContext, AgentError, AgentRef, Backoff, Cause, DuplicateKey, Failure, Restart, agent_fn,
    foreach_stream,
};
use tokio::time::sleep;

use crate::support::{Gauge, MS, SECOND, leaves_no_task};

/// Gives back its key and its item, after as many milliseconds as that has bytes.
fn with_key() -> AgentRef<&'static str, (String, &'static str)> {
    AgentRef::new(agent_fn(|item: &'static str, cx: AgentContext| async move {
        sleep(item.len() as u32 * MS).await;
        Ok((cx.key().unwrap().to_owned(), item))
    }))
}

fn duplicate(failure: &Failure) -> Option<&str> {
    match failure.cause() {
        Cause::Failed(error) if error.is_fatal() => error.downcast_ref().map(DuplicateKey::key),
        _ => None,
    }
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_key_fails_its_item_and_nothing_else() {
    let items = ["three", "1", "three", "2", "1", "1"];
    let fan_out = foreach_stream(stream::iter(items), &with_key()).keyed(|item| *item);
    let restart = Restart::attempts(5).backoff(Backoff::none());
    let outcomes = leaves_no_task(fan_out.concurrency(2).restart(restart).settled()).await;
    for (index, (key, outcome)) in outcomes.into_iter().enumerate() {
        assert_eq!(key, items[index], "in the order of arrival");
        match outcome {
            Ok(output) => assert_eq!(output, (key, items[index])),
            Err(failure) => {
                assert!([2, 4, 5].contains(&index));
                assert_eq!(
                    (failure.index(), failure.attempts(), failure.label()),
                    (index, 0, Some(items[index]))
                );
                assert_eq!((duplicate(&failure), failure.elapsed()), (Some(items[index]), Duration::ZERO));
                let text = format!("{failure:#}");
                assert!(text.starts_with(&format!("branch `{key}` did not start: two items")), "{text}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_ending_knows_the_keys() {
    let run =
        |items: &'static [&'static str]| foreach_stream(stream::iter(items), &by_ref()).keyed(|item| **item);
    let of = |key: &str, item: &'static str| (key.to_owned(), (key.to_owned(), item));
    assert_eq!(run(&["b", "a"]).all().await.unwrap(), [of("b", "b"), of("a", "a")]);
    assert_eq!(run(&["long", "a"]).any().await.unwrap(), ("a".to_owned(), "a"));
    assert_eq!(run(&["a", "a", "b"]).quorum(2).await.unwrap().len(), 2);
    let error = run(&["a", "a", "long"]).all().await.unwrap_err();
    assert_eq!(duplicate(error.failure()), Some("a"));
    let keys: Vec<_> = error.into_outcomes().into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys[..2], ["a", "a"]);
    let completed: Vec<_> = run(&["three", "two", "1", "1"]).stream().collect().await;
    let mut keys: Vec<_> = completed.into_iter().map(|branch| (branch.index, branch.key.unwrap())).collect();
    keys.sort();
    assert_eq!(keys, [(0, "three"), (1, "two"), (2, "1"), (3, "1")].map(|(n, key)| (n, key.to_owned())));
}

fn by_ref() -> AgentRef<&'static &'static str, (String, &'static str)> {
    let agent = with_key();
    AgentRef::new(agent_fn(move |item: &'static &'static str, cx: AgentContext| {
        let agent = agent.clone();
        async move {
            assert_eq!(cx.key(), Some(*item));
            sleep(item.len() as u32 * MS).await;
            drop(agent);
            Ok((cx.key().unwrap().to_owned(), *item))
        }
    }))
}

#[tokio::test(start_paused = true)]
async fn failures_of_every_kind_name_the_key() {
    let agent = agent_fn(|n: u32, cx: AgentContext| async move {
        assert_eq!(cx.key(), Some(format!("key {n}").as_str()));
        match n {
            0 => Err("wrong".into()),
            1 => panic!("broken"),
            2 if cx.attempt() == 2 => Ok(cx),
            2 => Err("once".into()),
            3 => Err(AgentError::retry_after(60 * SECOND, "much later")),
            _ => std::future::pending().await,
        }
    });
    let items = stream::iter(0..20).chain(stream::pending());
    let fan_out = foreach_stream(items, agent).keyed(|n| format!("key {n}")).concurrency(2);
    let restart = Restart::attempts(2).backoff(Backoff::none());
    let outcomes = fan_out.timeout(2 * SECOND).restart(restart).deadline(5 * SECOND).settled().await;
    assert!(outcomes.len() > 6);
    for (n, (key, outcome)) in outcomes.iter().enumerate() {
        assert_eq!(*key, format!("key {n}"));
        match outcome {
            // Also after the run.
            Ok(cx) => assert_eq!((n, cx.key()), (2, Some("key 2"))),
            Err(failure) => assert_eq!((failure.index(), failure.label()), (n, Some(key.as_str()))),
        }
    }
    let causes: Vec<_> =
        outcomes.iter().filter_map(|(_, outcome)| Some(outcome.as_ref().err()?.cause())).collect();
    assert!(matches!(causes[..3], [Cause::Failed(_), Cause::Panicked(_), Cause::DeadlineExceeded { .. }]));
}

#[tokio::test(start_paused = true)]
async fn a_key_function_that_panics_ends_the_list() {
    /// An item whose drop panics, which ends the process if it happens while another panic unwinds.
    struct Bad(u32);
    impl Drop for Bad {
        fn drop(&mut self) {
            assert!(self.0 != 2, "and worse");
        }
    }
    async fn number(item: Bad) -> Result<u32, AgentError> {
        Ok(item.0)
    }
    let key = |bad: &Bad| if bad.0 == 2 { panic!("no key") } else { bad.0 };
    let outcomes =
        leaves_no_task(foreach_stream(stream::iter([0, 1, 2, 3].map(Bad)), number).keyed(key).settled())
            .await;
    assert_eq!(outcomes.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), ["0", "1", ""]);
    let failure = outcomes[2].1.as_ref().unwrap_err();
    assert!(matches!(failure.cause(), Cause::Panicked(text) if text.contains("no key")), "{failure:?}");
    // A duplicate whose drop panics is a duplicate like any other.
    let outcomes = foreach_stream(
        stream::iter([2, 2, 5].map(Bad)),
        agent_fn(|bad: Bad, _| async move {
            let n = bad.0;
            std::mem::forget(bad);
            Ok(n)
        }),
    )
    .keyed(|bad| bad.0)
    .settled()
    .await;
    assert!(matches!(outcomes[..], [(_, Ok(2)), (_, Err(_)), (_, Ok(5))]), "{outcomes:?}");
    assert_eq!(duplicate(outcomes[1].1.as_ref().unwrap_err()), Some("2"));
}

#[tokio::test(start_paused = true)]
async fn many_items_with_a_slow_consumer_are_few_at_a_time() {
    const MANY: usize = 100_000;
    let live = Gauge::default();
    let bodies = live.clone();
    let items = stream::iter(0..MANY).map(move |n| (n, bodies.enter()));
    let agent = agent_fn(|item: (usize, crate::support::Body), _| async move { Ok(item) });
    // Every hundredth key is the one before.
    let key = |(n, _): &(usize, crate::support::Body)| n - usize::from(n % 100 == 99);
    let mut completed = foreach_stream(items, agent).keyed(key).concurrency(8).stream();
    let (mut taken, mut refused) = (0, 0);
    while let Some(branch) = completed.next().await {
        taken += 1;
        refused += usize::from(branch.outcome.is_err());
        if taken % 1000 == 0 {
            sleep(MS).await;
        }
    }
    assert_eq!((taken, refused, live.begun()), (MANY, MANY / 100, MANY));
    assert!(live.peak() <= 3 * 8 + 1, "{}", live.peak());
}

#[tokio::test(start_paused = true)]
async fn a_report_names_the_keys_also_of_what_was_handed_out() {
    for ending in ["settled", "stream"] {
        let recorder = sortie::Recorder::default();
        let run = foreach_stream(
            stream::iter(["a", "b"]),
            agent_fn(|text: &'static str, _| async move { Ok(text) }),
        )
        .keyed(|text| format!("key of {text}"))
        .record(&recorder);
        match ending {
            "settled" => drop(run.settled().await),
            _ => drop(run.stream().collect::<Vec<_>>().await),
        }
        let report = recorder.report();
        let labels: Vec<_> = report.runs()[0].branches().iter().map(|branch| branch.label()).collect();
        assert_eq!(labels, [Some("key of a"), Some("key of b")], "{ending}");
    }
}
