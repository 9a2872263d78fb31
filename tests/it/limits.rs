//! Timeouts, deadlines, grace, children, labels: every option does what it says, and would be missed.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use sortie::{AgentContext, AgentRef, Cause, agent_fn, branches, foreach};
use tokio::time::{Instant, sleep};

use crate::support::{Gauge, MS, SECOND, leaves_no_task};

#[tokio::test(start_paused = true)]
async fn an_attempts_clock_starts_when_the_attempt_does() {
    let agent = agent_fn(|(): (), _| async {
        sleep(900 * MS).await;
        Ok(())
    });
    // The last of them is queued for nine seconds, far beyond its timeout.
    let outcomes = foreach([(); 10], agent).concurrency(1).timeout(SECOND).settled().await;
    assert!(outcomes.iter().all(Result::is_ok));
}

#[tokio::test(start_paused = true)]
async fn a_timed_out_attempt_is_dropped_at_once() {
    let gauge = Gauge::default();
    let bodies = gauge.clone();
    let agent = AgentRef::new(agent_fn(move |(): (), _| {
        let body = bodies.enter();
        async move {
            let _body = body;
            std::future::pending::<()>().await;
            Ok(())
        }
    }));
    let failure = sortie::ask(&agent, ()).timeout(SECOND).await.unwrap_err();
    assert!(matches!(failure.cause(), Cause::TimedOut { stopped: true, .. }));
    assert!(failure.stopped());
    assert_eq!((gauge.begun(), gauge.running()), (1, 0));
    assert!(failure.elapsed() >= SECOND && failure.elapsed() < SECOND + 10 * MS, "{:?}", failure.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_value_that_is_ready_at_its_limit_counts() {
    let agent = AgentRef::new(agent_fn(|(): (), _| async {
        sleep(SECOND).await;
        Ok(7)
    }));
    assert_eq!(sortie::ask(&agent, ()).timeout(SECOND).await.unwrap(), 7);
}

#[tokio::test(start_paused = true)]
async fn cancelled_attempts_may_clean_up_within_the_grace() {
    let cleaned = Arc::new(AtomicUsize::new(0));
    let agent = || {
        let cleaned = Arc::clone(&cleaned);
        agent_fn(move |clean_up: std::time::Duration, cx: AgentContext| {
            let cleaned = Arc::clone(&cleaned);
            async move {
                cx.cancelled().await;
                sleep(clean_up).await;
                cleaned.fetch_add(1, Ordering::SeqCst);
                Ok("too late")
            }
        })
    };
    let waits = [100 * MS, 10 * SECOND];
    for grace in [None, Some(SECOND)] {
        // Stopped by its timeout …
        let fan_out = foreach(waits, agent()).timeout(SECOND);
        let fan_out = if let Some(grace) = grace { fan_out.stop_grace(grace) } else { fan_out };
        let outcomes = fan_out.settled().await;
        let timed_out =
            |o: &sortie::Outcome<_>| matches!(o, Err(f) if matches!(f.cause(), Cause::TimedOut { .. }));
        assert!(outcomes.iter().all(timed_out), "{outcomes:?}");
        assert_eq!(cleaned.swap(0, Ordering::SeqCst), usize::from(grace.is_some()), "one is quick enough");
        // … by the deadline of the whole …
        let fan_out = foreach(waits, agent()).deadline(SECOND);
        let fan_out = if let Some(grace) = grace { fan_out.stop_grace(grace) } else { fan_out };
        let start = Instant::now();
        let outcomes = fan_out.settled().await;
        // What it returns before the run does is an outcome like any other.
        assert_eq!(outcomes.iter().filter(|o| o.is_ok()).count(), usize::from(grace.is_some()));
        assert_eq!(cleaned.swap(0, Ordering::SeqCst), usize::from(grace.is_some()));
        let most = SECOND + grace.unwrap_or_default() + 100 * MS;
        assert!(start.elapsed() < most, "{:?}", start.elapsed());
        // … and by a caller that goes away.
        let fan_out = foreach(waits, agent());
        let fan_out = if let Some(grace) = grace { fan_out.stop_grace(grace) } else { fan_out };
        leaves_no_task(async {
            let _ = tokio::time::timeout(SECOND, fan_out.settled()).await;
        })
        .await;
        assert_eq!(cleaned.swap(0, Ordering::SeqCst), usize::from(grace.is_some()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_covers_what_was_never_started_and_what_waits_to_be_retried() {
    let agent = agent_fn(|n: u32, _| async move {
        match n {
            0 => Ok(n),
            1 => Err(sortie::AgentError::retry_after(60 * SECOND, "later")),
            _ => std::future::pending().await,
        }
    });
    let restart = sortie::Restart::attempts(2);
    let fan_out = foreach(0..100, agent).concurrency(4).deadline(SECOND).restart(restart);
    let start = Instant::now();
    let outcomes = leaves_no_task(fan_out.settled()).await;
    assert!(start.elapsed() < SECOND + 10 * MS, "{:?}", start.elapsed());
    assert_eq!(outcomes.len(), 100);
    let failures: Vec<_> = outcomes.into_iter().filter_map(Result::err).collect();
    assert_eq!(failures.iter().map(sortie::Failure::index).collect::<Vec<_>>(), (1..100).collect::<Vec<_>>());
    assert!(failures.iter().all(|f| matches!(f.cause(), Cause::DeadlineExceeded { stopped: true, .. })));
    let attempts: Vec<_> = failures.iter().map(sortie::Failure::attempts).collect();
    assert_eq!(attempts[..5], [1, 1, 1, 1, 1], "one waits for its retry, four were running");
    assert!(attempts[5..].iter().all(|attempts| *attempts == 0));
    assert!(failures[9].to_string().ends_with("did not start"), "{}", failures[9]);
}

#[tokio::test(start_paused = true)]
async fn all_cancels_the_rest_at_the_first_final_failure() {
    let gauge = Gauge::default();
    let bodies = gauge.clone();
    let agent = agent_fn(move |n: u32, _| {
        let body = bodies.enter();
        async move {
            let _body = body;
            match n {
                0 => Ok(n),
                3 => {
                    sleep(100 * MS).await;
                    Err("boom".into())
                }
                _ => std::future::pending().await,
            }
        }
    });
    let start = Instant::now();
    let error = leaves_no_task(foreach(0..50, agent).concurrency(8).all()).await.unwrap_err();
    assert!(start.elapsed() < 110 * MS, "{:?}", start.elapsed());
    assert_eq!((gauge.begun(), gauge.running()), (9, 0), "nothing starts after the failure");
    assert_eq!(error.failure().index(), 3);
    let outcomes = error.into_outcomes();
    assert_eq!(outcomes.len(), 50);
    for (index, outcome) in outcomes.iter().enumerate() {
        match (index, outcome) {
            (0, Ok(0)) => {}
            (3, Err(failure)) => assert!(matches!(failure.cause(), Cause::Failed(_))),
            (_, Err(failure)) => assert!(matches!(failure.cause(), Cause::Cancelled { stopped: true, .. })),
            (_, Ok(_)) => panic!("{index} has a value"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn all_waits_for_the_retries_of_a_failure() {
    let agent = agent_fn(|n: u32, cx: AgentContext| async move {
        if cx.attempt() < 3 { Err("not yet".into()) } else { Ok(n) }
    });
    let restart = sortie::Restart::attempts(3);
    assert_eq!(foreach(0..10, agent).restart(restart).all().await.unwrap(), (0..10).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn fresh_children_make_an_actor_for_every_attempt() {
    let tasks = Arc::new(Mutex::new(Vec::new()));
    let agent = || {
        let tasks = Arc::clone(&tasks);
        agent_fn(move |n: u32, _| {
            tasks.lock().unwrap().push(tokio::task::id());
            async move { Ok(n) }
        })
    };
    let distinct = || std::mem::take(&mut *tasks.lock().unwrap()).into_iter().collect::<HashSet<_>>().len();
    foreach(0..100, agent()).concurrency(4).all().await.unwrap();
    assert!(distinct() <= 4, "children make one attempt after the other");
    let values =
        leaves_no_task(foreach(0..100, agent()).concurrency(4).fresh_children().all()).await.unwrap();
    assert_eq!(values, (0..100).collect::<Vec<_>>());
    assert_eq!(distinct(), 100);
}

#[tokio::test(start_paused = true)]
async fn the_default_cap_is_64_and_small_runs_have_few_children() {
    let gauge = Gauge::default();
    let bodies = gauge.clone();
    let agent = agent_fn(move |(): (), _| {
        let body = bodies.enter();
        async move {
            sleep(SECOND).await;
            drop(body);
            Ok(())
        }
    });
    foreach([(); 200], agent).all().await.unwrap();
    assert_eq!(gauge.peak(), 64);

    let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let most = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&most);
    let agent = agent_fn(move |(): (), _| {
        seen.fetch_max(tokio::runtime::Handle::current().metrics().num_alive_tasks(), Ordering::SeqCst);
        async { Ok(()) }
    });
    foreach([(); 1000], agent).all().await.unwrap();
    let actors = most.load(Ordering::SeqCst) - tasks;
    assert!(actors <= 2, "a supervisor and a child for the one thread, not {actors}");
}

#[tokio::test(start_paused = true)]
async fn a_wide_run_is_under_way_at_once() {
    let agent = agent_fn(|(): (), _| async {
        sleep(SECOND).await;
        Ok(())
    });
    let start = Instant::now();
    foreach([(); 1000], agent).concurrency(1000).all().await.unwrap();
    assert!(start.elapsed() < SECOND + 5 * MS, "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn labels_and_keys_name_branches() {
    let agent = AgentRef::new(
        agent_fn(|fail: bool, cx: AgentContext| async move {
            let name = format!("{:?} {:?} {}", cx.label(), cx.key(), cx.index());
            if fail { Err(name.into()) } else { Ok(name) }
        })
        .named("namer"),
    );
    let [labelled, plain] =
        branches([agent.branch(false).label("left"), agent.branch(false)]).all().await.unwrap();
    assert_eq!((labelled.as_str(), plain.as_str()), ("Some(\"left\") None 0", "None None 1"));
    let (left, right) = branches((agent.branch(true).label("left"), agent.branch(true))).settled().await;
    let (left, right) = (left.unwrap_err(), right.unwrap_err());
    assert_eq!((left.label(), left.to_string().as_str()), (Some("left"), "branch `left` failed"));
    assert_eq!((right.label(), right.to_string().as_str()), (None, "branch 1 (`namer`) failed"));
    let keyed = foreach([true, false], &agent).keyed(|fail| *fail).unwrap().settled().await;
    assert_eq!(keyed[0].0, "true");
    assert_eq!(keyed[0].1.as_ref().unwrap_err().label(), Some("true"));
    assert_eq!(keyed[1].1.as_ref().unwrap(), "None Some(\"false\") 1");
    let failure = sortie::ask(&agent, true).label("only").await.unwrap_err();
    assert_eq!(failure.label(), Some("only"));
}

#[tokio::test(start_paused = true)]
async fn a_call_has_a_deadline_over_all_its_attempts() {
    let agent = AgentRef::new(agent_fn(|(): (), _| async { Err::<(), _>("failed".into()) }));
    let restart = sortie::Restart::attempts(u32::MAX).backoff(sortie::Backoff::fixed(100 * MS));
    let start = Instant::now();
    let failure = sortie::ask(&agent, ()).restart(restart).deadline(SECOND).await.unwrap_err();
    assert!(matches!(failure.cause(), Cause::DeadlineExceeded { .. }), "{failure:?}");
    assert!(failure.attempts() >= 9, "{failure:?}");
    assert!(start.elapsed() < SECOND + 10 * MS);
}

#[tokio::test(start_paused = true)]
async fn any_mix_of_twelve_types_keeps_its_places() {
    macro_rules! agent {
        ($value:expr) => {
            AgentRef::new(agent_fn(|(): (), _| async { Ok($value) })).branch(())
        };
    }
    let twelve = (
        agent!(1_u8),
        agent!("two"),
        agent!(3.0_f64),
        agent!('4'),
        agent!(vec![5]),
        agent!(Some(6)),
        agent!(()),
        agent!([8; 8]),
        agent!(9_i128),
        agent!(String::from("ten")),
        agent!((11, 11)),
        agent!(Box::new(12)),
    );
    let (one, two, .., eleven, twelve) = branches(twelve).all().await.unwrap();
    assert_eq!((one, two, eleven, *twelve), (1, "two", (11, 11), 12));
}
