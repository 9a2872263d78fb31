//! The acceptance scenarios that need neither a system nor a journal, by number.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use sortie::{AgentError, AgentRef, Backoff, Cause, Restart, agent_fn, branches, foreach};
use tokio::time::{Instant, sleep};

use crate::support::{Gauge, MS, SECOND, leaves_no_task};

const TEXTS: [&str; 3] = [
    "Machine learning is transforming technology",
    "Quantum computing promises exponential speedup",
    "AI assistants are becoming ubiquitous",
];

#[tokio::test(start_paused = true)]
async fn s01_two_typed_branches_run_at_once() {
    let words = AgentRef::new(agent_fn(|texts: Vec<&'static str>, _| async move {
        sleep(200 * MS).await;
        Ok(texts.iter().map(|text| text.split_whitespace().count()).collect::<Vec<_>>())
    }));
    let first = AgentRef::new(agent_fn(|texts: Vec<&'static str>, _| async move {
        sleep(300 * MS).await;
        Ok(texts.iter().map(|text| text.chars().take(2).collect()).collect::<Vec<String>>())
    }));
    let start = Instant::now();
    let (words, first) =
        branches((words.branch(TEXTS.to_vec()), first.branch(TEXTS.to_vec()))).all().await.unwrap();
    assert_eq!(words, [5, 5, 5]);
    assert_eq!(first, ["Ma", "Qu", "AI"]);
    assert_eq!(start.elapsed(), 300 * MS, "the slower of the two");
}

#[tokio::test(start_paused = true)]
async fn s02_results_come_in_input_order() {
    async fn rate(text: String) -> Result<String, std::io::Error> {
        // The earlier, the slower.
        sleep((100 - text.len() as u32) * MS).await;
        Ok(format!("rated: {text}"))
    }
    let texts = [
        "I love this new feature!",
        "This is absolutely terrible.",
        "It's okay, nothing special.",
        "Amazing work, keep it up!",
        "007",
        "true",
    ];
    let rated = foreach(texts.map(String::from), rate).all().await.unwrap();
    assert_eq!(rated, texts.map(|text| format!("rated: {text}")));
}

#[tokio::test(start_paused = true)]
async fn s03_keyed_items_share_their_agents_configuration() {
    #[derive(Clone)]
    struct Item(&'static str, &'static str);
    let threshold = Arc::new("configured".to_owned());
    let agent = agent_fn(move |Item(id, priority): Item, cx| {
        let threshold = Arc::clone(&threshold);
        async move {
            assert_eq!(cx.key(), Some(id));
            Ok(format!("{priority}, {threshold}"))
        }
    });
    let items = [Item("item1", "high"), Item("item2", "medium"), Item("item3", "low")];
    let results = foreach(items, agent).keyed(|item| item.0).unwrap().all().await.unwrap();
    let expected = [("item1", "high"), ("item2", "medium"), ("item3", "low")];
    assert_eq!(results, expected.map(|(key, priority)| (key.to_owned(), format!("{priority}, configured"))));
}

#[tokio::test(start_paused = true)]
async fn s04_nothing_in_nothing_out() {
    async fn never(_: String) -> Result<(), AgentError> {
        unreachable!()
    }
    assert!(foreach(Vec::new(), never).settled().await.is_empty());
    assert!(foreach(Vec::new(), never).all().await.unwrap().is_empty());
    assert!(foreach(Vec::new(), never).keyed(String::clone).unwrap().settled().await.is_empty());
    assert!(foreach(Vec::new(), never).keyed(String::clone).unwrap().all().await.unwrap().is_empty());
    assert!(branches(Vec::<sortie::Branch<(), ()>>::new()).settled().await.is_empty());
    let none: [sortie::Branch<(), ()>; 0] = [];
    let [] = branches(none).all().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s05_a_duplicate_key_is_refused_before_anything_runs() {
    let gauge = Gauge::default();
    let bodies = gauge.clone();
    let agent = agent_fn(move |_: &str, _| {
        let body = bodies.enter();
        async move {
            drop(body);
            Ok(())
        }
    });
    let error = foreach(["x", "x", "y"], agent).keyed(|key| *key).unwrap_err();
    assert_eq!(error.key(), "x");
    assert!(error.to_string().contains("`x`"), "{error}");
    assert_eq!(gauge.begun(), 0);
}

#[tokio::test(start_paused = true)]
async fn s06_the_same_agent_twice_gives_two_results() {
    let calls = Arc::new(AtomicU32::new(0));
    let agent = AgentRef::new(agent_fn({
        let calls = Arc::clone(&calls);
        move |(): (), _| {
            let calls = Arc::clone(&calls);
            async move { Ok(calls.fetch_add(1, Ordering::SeqCst)) }
        }
    }));
    let mut results = branches([agent.branch(()), agent.branch(())]).all().await.unwrap();
    results.sort_unstable();
    assert_eq!(results, [0, 1]);
}

#[tokio::test(start_paused = true)]
async fn s07_a_failure_does_not_lose_the_values_beside_it() {
    let ok = AgentRef::new(agent_fn(|(): (), _| async { Ok(7) }));
    let failing = AgentRef::new(agent_fn(|(): (), _| async { Err::<(), _>("boom".into()) }));

    let (value, failure) = branches((ok.branch(()), failing.branch(()))).settled().await;
    assert_eq!(value.unwrap(), 7);
    let failure = failure.unwrap_err();
    assert!(matches!(failure.cause(), Cause::Failed(error) if error.to_string() == "boom"));

    let error = branches((ok.branch(()), failing.branch(()).label("second"))).all().await.unwrap_err();
    assert_eq!(error.failure().label(), Some("second"));
    assert!(format!("{error:#}").contains("boom"), "{error:#}");
    let (value, failure) = error.into_outcomes();
    assert_eq!(value.unwrap(), 7);
    assert!(failure.is_err());
}

#[tokio::test(start_paused = true)]
async fn s08_settled_deadline_returns_what_is_done() {
    let gauge = Gauge::default();
    let bodies = gauge.clone();
    let agent = agent_fn(move |wait, _| {
        let body = bodies.enter();
        async move {
            sleep(wait).await;
            drop(body);
            Ok(wait)
        }
    });
    let start = Instant::now();
    let outcomes = leaves_no_task(foreach([50 * MS, SECOND], agent).deadline(200 * MS).settled()).await;
    assert!(start.elapsed() < 210 * MS, "{:?}", start.elapsed());
    assert_eq!(*outcomes[0].as_ref().unwrap(), 50 * MS);
    let failure = outcomes[1].as_ref().unwrap_err();
    assert!(
        matches!(failure.cause(), Cause::DeadlineExceeded { limit, stopped: true, .. } if *limit == 200 * MS),
        "{failure:?}"
    );
    assert_eq!((gauge.begun(), gauge.running()), (2, 0), "the slow body is gone");
}

#[tokio::test(start_paused = true)]
async fn s19_attempts_fatal_errors_and_the_retry_after_floor() {
    let calls = Arc::new(AtomicU32::new(0));
    let agent = |fail: fn(u32) -> Result<u32, AgentError>| {
        let calls = Arc::clone(&calls);
        agent_fn(move |(): (), _| {
            let call = calls.fetch_add(1, Ordering::SeqCst) + 1;
            async move { fail(call) }
        })
    };
    let restart = Restart::attempts(3);

    // Fails twice, then succeeds. A transport error is retried without being told to.
    let refused = || std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
    assert!(AgentError::from(refused()).delay().is_none());
    let flaky = agent(|call| {
        if call < 3 { Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()) } else { Ok(call) }
    });
    assert_eq!(foreach([()], flaky).restart(restart.clone()).all().await.unwrap(), [3]);
    assert_eq!(calls.swap(0, Ordering::SeqCst), 3);

    let fatal = agent(|_| Err(AgentError::fatal("no use")));
    let outcomes = foreach([()], fatal).restart(restart.clone()).settled().await;
    assert_eq!(outcomes[0].as_ref().unwrap_err().attempts(), 1);
    assert_eq!(calls.swap(0, Ordering::SeqCst), 1);

    // A backoff of at most 10 ms, and an agent that asks for 300 ms.
    let quick = restart.backoff(Backoff::exponential(MS).max(10 * MS));
    let start = Instant::now();
    let later =
        agent(|call| if call < 2 { Err(AgentError::retry_after(300 * MS, "busy")) } else { Ok(call) });
    assert_eq!(foreach([()], later).restart(quick).all().await.unwrap(), [2]);
    assert!(start.elapsed() >= 300 * MS && start.elapsed() < 320 * MS, "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn s24_concurrency_is_a_cap_and_is_used() {
    let gauge = Gauge::default();
    let bodies = gauge.clone();
    let agent = agent_fn(move |(): (), _| {
        let body = bodies.enter();
        async move {
            sleep(100 * MS).await;
            drop(body);
            Ok(())
        }
    });
    let start = Instant::now();
    foreach([(); 5], agent).concurrency(2).all().await.unwrap();
    assert_eq!(gauge.peak(), 2);
    assert!(start.elapsed() >= 300 * MS && start.elapsed() < 310 * MS, "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn s26_every_attempt_has_the_whole_limit() {
    let calls = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&calls);
    let agent = AgentRef::new(agent_fn(move |(): (), _| {
        count.fetch_add(1, Ordering::SeqCst);
        sleep_and_return(5 * SECOND)
    }));
    let start = Instant::now();
    let restart = Restart::attempts(3).backoff(Backoff::none());
    let failure = sortie::ask(&agent, ()).timeout(SECOND).restart(restart).await.unwrap_err();
    assert_eq!(calls.swap(0, Ordering::SeqCst), 3);
    assert!(start.elapsed() >= 3 * SECOND && start.elapsed() < 3 * SECOND + 50 * MS, "{:?}", start.elapsed());
    assert_eq!(format!("{failure:#}").split(": ").last(), Some("timed out after 1s"), "{failure:#}");
    assert_eq!(failure.attempts(), 3);

    let failure = sortie::ask(&agent, ()).timeout(SECOND).await.unwrap_err();
    assert_eq!((calls.load(Ordering::SeqCst), failure.attempts()), (1, 1), "no restart unless asked for");
}

async fn sleep_and_return(wait: std::time::Duration) -> Result<(), AgentError> {
    sleep(wait).await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn s29_one_panic_among_many_is_one_failure() {
    let agent = agent_fn(|n: u32, _| async move {
        if n == 13 {
            panic!("unlucky {n}");
        }
        Ok(n)
    });
    let outcomes = leaves_no_task(foreach(0..50, agent).concurrency(4).settled()).await;
    assert_eq!(outcomes.len(), 50);
    for (n, outcome) in outcomes.into_iter().enumerate() {
        match outcome {
            Ok(value) => assert_eq!(value as usize, n),
            Err(failure) => {
                assert_eq!((n, failure.index()), (13, 13));
                assert!(
                    matches!(failure.cause(), Cause::Panicked(text) if text == "unlucky 13"),
                    "{failure:?}"
                );
            }
        }
    }
}

/// Takes a second for every call, as a service does, and says what it was asked.
fn service() -> AgentRef<String, String> {
    AgentRef::new(agent_fn(|prompt: String, _| async move {
        sleep(SECOND).await;
        if prompt.contains("refuse") { Err(AgentError::fatal("refused")) } else { Ok(format!("<{prompt}>")) }
    }))
}

#[tokio::test(start_paused = true)]
async fn s28_calls_run_at_once_and_come_back_in_order() {
    let service = service();
    let prompts = |texts: &'static [&'static str]| {
        let languages = ["French", "Spanish", "German"];
        texts.iter().flat_map(move |text| languages.map(|language| format!("{text} in {language}")))
    };
    let start = Instant::now();
    let calls = foreach(prompts(&TEXTS), &service).all().await.unwrap();
    assert_eq!(calls, prompts(&TEXTS).map(|prompt| format!("<{prompt}>")).collect::<Vec<_>>());
    assert_eq!((calls.len(), start.elapsed()), (9, SECOND), "nine calls take as long as one");
    assert!(foreach(prompts(&[]), &service).all().await.unwrap().is_empty());
    assert_eq!(start.elapsed(), SECOND, "and none take no time");
}

#[tokio::test(start_paused = true)]
async fn s28_one_call_of_three_fails_and_is_made_again_alone() {
    let service = service();
    let prompts = ["one", "refuse", "three"];
    let mut outcomes = foreach(prompts.map(String::from), &service).settled().await;
    let brief: Vec<_> = outcomes.iter().map(|outcome| outcome.as_deref().ok()).collect();
    assert_eq!(brief, [Some("<one>"), None, Some("<three>")]);
    let failed: Vec<_> =
        outcomes.iter().filter_map(|outcome| Some(outcome.as_ref().err()?.index())).collect();
    assert_eq!(failed, [1]);
    let again = foreach(
        failed.clone(),
        agent_fn(move |index: usize, _| {
            let service = service.clone();
            async move { Ok(sortie::ask(&service, prompts[index].replace("refuse", "two")).await?) }
        }),
    );
    for (index, outcome) in failed.into_iter().zip(again.settled().await) {
        outcomes[index] = outcome;
    }
    let values: Vec<_> = outcomes.into_iter().map(Result::unwrap).collect();
    assert_eq!(values, ["<one>", "<two>", "<three>"]);
}

#[tokio::test(start_paused = true)]
async fn s28_waves_follow_what_they_depend_on() {
    let service = service();
    let start = Instant::now();
    let joke = sortie::ask(&service, "joke".into()).await.unwrap();
    assert_eq!(start.elapsed(), SECOND);
    let translations = ["French", "Spanish"].map(|language| service.branch(format!("{joke} in {language}")));
    let [french, spanish] = branches(translations).all().await.unwrap();
    assert_eq!((french.as_str(), spanish.as_str()), ("<<joke> in French>", "<<joke> in Spanish>"));
    assert_eq!(start.elapsed(), 2 * SECOND, "two waves");

    let [a, b, c] = branches(["a", "b", "c"].map(|part| service.branch(part.into()))).all().await.unwrap();
    let combined = sortie::ask(&service, format!("{a} {b} {c}")).await.unwrap();
    assert_eq!((combined.as_str(), start.elapsed()), ("<<a> <b> <c>>", 4 * SECOND));
}
