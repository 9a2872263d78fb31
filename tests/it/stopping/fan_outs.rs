//! Fan-outs that are stopped while their agents wait for nested work.

use std::future::{Future, pending};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sortie::{
    AgentContext, AgentError, AgentRef, Backoff, Cause, Failure, Outcome, Recorder, Restart, RunEnd, System,
    agent_fn, foreach,
};
use tokio::time::sleep;

use super::{FORMS, Form, rounds, waits};
use crate::support::{Gauge, MS, SECOND, eventually, threads};

fn failures<T>(outcomes: &[Outcome<T>]) -> impl Iterator<Item = &Failure> {
    outcomes.iter().filter_map(|outcome| outcome.as_ref().err())
}

// On real threads, and where the machine is busy, what is stopped may take longer than a run waits for that. So `stopped`
// is not looked at here.
fn is_deadline(failure: &Failure) -> bool {
    matches!(failure.cause(), Cause::DeadlineExceeded { .. })
}

fn is_cancelled(failure: &Failure) -> bool {
    matches!(failure.cause(), Cause::Cancelled { .. })
}

/// Tries it on one thread and on two, at many moments.
fn at_many_moments<F: Future<Output = ()>>(seed: u64, count: u64, round: impl Fn(Form, u32, Duration) -> F) {
    for threads_used in [1, 2] {
        let runtime = threads(threads_used);
        for (form, (moment, depth)) in FORMS.into_iter().cycle().zip(rounds(seed, count)) {
            runtime.block_on(round(form, 1 + depth as u32 % 3, Duration::from_micros(moment)));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_over_nested_work_is_a_deadline_of_every_branch() {
    for form in FORMS {
        for depth in 1..=3 {
            for grace in [Duration::ZERO, SECOND] {
                let agent = waits(form, depth, &Gauge::default());
                let outcomes = foreach(0..10, &agent).deadline(SECOND).stop_grace(grace).settled().await;
                assert_eq!(
                    failures(&outcomes).filter(|f| is_deadline(f)).count(),
                    10,
                    "{form:?}: {outcomes:?}"
                );
            }
        }
    }
}

#[test]
fn a_deadline_over_nested_work_is_one_at_any_moment_and_on_any_number_of_threads() {
    at_many_moments(6, 200, |form, depth, moment| async move {
        let agent = waits(form, depth, &Gauge::default());
        let grace = if moment.as_micros() % 2 == 0 { Duration::ZERO } else { 20 * MS };
        let fan_out = foreach(0..20, &agent).deadline(MS + moment).stop_grace(grace);
        let outcomes = tokio::spawn(fan_out.settled()).await.unwrap();
        assert_eq!(failures(&outcomes).filter(|f| is_deadline(f)).count(), 20, "{form:?}: {outcomes:?}");
    });
}

#[test]
fn the_losers_of_an_ending_that_chooses_are_cancelled_and_have_not_failed() {
    at_many_moments(7, 100, |form, depth, moment| async move {
        let (below, recorder) = (waits(form, depth, &Gauge::default()), Recorder::default());
        let agent = agent_fn(move |n: u32, cx: AgentContext| {
            let below = below.clone();
            async move {
                if n >= 8 {
                    sleep(MS + moment).await;
                    return if n == 8 { Ok(n) } else { Err(AgentError::fatal("on purpose")) };
                }
                Ok(cx.ask(&below, n).await?)
            }
        });
        let agent = AgentRef::new(agent);
        let chosen = foreach(0..9, &agent).stop_grace(20 * MS).record(&recorder);
        assert_eq!(tokio::spawn(chosen.any()).await.unwrap().unwrap(), 8);
        let chosen = foreach([0, 1, 2, 3, 8], &agent).stop_grace(20 * MS).record(&recorder);
        assert_eq!(tokio::spawn(chosen.quorum(1)).await.unwrap().unwrap(), [8]);
        let all = foreach([0, 1, 2, 3, 9], &agent).record(&recorder).all();
        let error = tokio::spawn(all).await.unwrap().unwrap_err();
        assert_eq!(error.failure().index(), 4, "{form:?}: {error:?}");
        for run in recorder.report().runs() {
            let counts = run.counts();
            assert_eq!(counts.cancelled, counts.total() - 1, "{form:?}: {counts:?}");
        }
    });
}

#[tokio::test(start_paused = true)]
async fn a_timeout_over_nested_work_is_one_and_the_restart_policy_applies() {
    for form in FORMS {
        for depth in 1..=3 {
            let agent = waits(form, depth, &Gauge::default());
            let restart = Restart::attempts(3).backoff(Backoff::none());
            let fan_out = foreach(0..5, &agent).timeout(SECOND).restart(restart).stop_grace(SECOND);
            let outcomes = fan_out.settled().await;
            for failure in failures(&outcomes) {
                assert!(matches!(failure.cause(), Cause::TimedOut { .. }), "{form:?}: {failure:?}");
                assert_eq!(failure.attempts(), 3, "{form:?}");
            }
        }
    }
}

/// The nested work may keep the time itself: it is up at the same moment, and the attempt is what has timed out.
#[test]
fn nested_work_that_keeps_the_time_of_its_attempt_does_not_make_its_end_a_failure() {
    at_many_moments(8, 100, |form, _, moment| async move {
        let below = waits(form, 1, &Gauge::default());
        let agent = agent_fn(move |n: u32, cx: AgentContext| {
            let below = below.clone();
            async move {
                let left = cx.remaining().unwrap().max(MS / 100);
                Ok::<_, AgentError>(cx.foreach([n], &below).deadline(left).all().await?[0])
            }
        });
        let agent = AgentRef::new(agent);
        let restart = Restart::attempts(2).backoff(Backoff::none());
        let outcomes = foreach(0..4, &agent).timeout(MS + moment).restart(restart).settled();
        for failure in failures(&tokio::spawn(outcomes).await.unwrap()) {
            assert!(matches!(failure.cause(), Cause::TimedOut { .. }), "{form:?}: {failure:?}");
            // There is no further attempt beside what has not stopped in time.
            assert!(failure.attempts() == 2 || !failure.stopped(), "{form:?}: {failure:?}");
        }
        let outcomes = tokio::spawn(foreach(0..4, &agent).deadline(MS + moment).settled()).await.unwrap();
        assert_eq!(failures(&outcomes).filter(|f| is_deadline(f)).count(), 4, "{form:?}: {outcomes:?}");
    });
}

#[test]
fn the_reports_of_a_dropped_fan_out_say_so_at_every_depth() {
    at_many_moments(9, 60, |form, _, moment| async move {
        let (recorder, leaves) = (Recorder::default(), Gauge::default());
        let below = waits(form, 1, &leaves);
        let theirs = recorder.clone();
        let agent = agent_fn(move |n: u32, cx: AgentContext| {
            let (below, recorder) = (below.clone(), theirs.clone());
            async move { Ok::<_, AgentError>(cx.foreach([n], &below).record(&recorder).all().await?[0]) }
        });
        let run = foreach(0..4, agent).stop_grace(20 * MS).record(&recorder).settled();
        let dropped = tokio::spawn(tokio::time::timeout(MS + moment, run)).await.unwrap();
        assert!(dropped.is_err());
        eventually("nothing of it", || leaves.running() == 0).await;
        eventually("an end of every run", || recorder.report().runs().iter().all(|run| run.end().is_some()))
            .await;
        eventually("an outcome of every branch", || recorder.report().counts().pending == 0).await;
        let report = recorder.report();
        let counts = report.counts();
        assert_eq!(counts.cancelled, counts.total(), "{form:?}: {report:?}");
        for run in report.runs() {
            let end = run.end().unwrap();
            assert!(matches!(end, RunEnd::Dropped | RunEnd::Cancelled), "{form:?}: {end:?}");
        }
    });
}

#[test]
fn the_branches_of_a_system_that_shuts_down_say_so() {
    at_many_moments(10, 60, |form, depth, moment| async move {
        let system = System::builder().start().await.unwrap();
        let (recorder, leaves) = (Recorder::default(), Gauge::default());
        let agent = waits(form, depth, &leaves);
        let grace = if moment.as_micros() % 2 == 0 { Duration::ZERO } else { 20 * MS };
        let run = system.foreach(0..10, &agent).stop_grace(grace).record(&recorder).settled();
        let run = tokio::spawn(run);
        sleep(moment).await;
        system.shutdown(Duration::ZERO).await.unwrap();
        let outcomes = run.await.unwrap();
        let shut_down = |failure: &&Failure| matches!(failure.cause(), Cause::ShutDown { .. });
        assert_eq!(failures(&outcomes).filter(shut_down).count(), 10, "{form:?}: {outcomes:?}");
        assert_eq!(recorder.report().counts().shut_down, 10);
    });
}

/// An error that came before the order is the attempt's own, also if what the attempt has left running ends later.
#[tokio::test(start_paused = true)]
async fn a_failure_before_the_order_stays_one() {
    let agent = agent_fn(|n: u32, cx: AgentContext| async move {
        match n {
            // Fails at once, and leaves a nested run behind that takes until after the deadline to end.
            0 => {
                let below = AgentRef::new(agent_fn(|(): (), cx: AgentContext| async move {
                    cx.cancelled().await;
                    sleep(2 * SECOND).await;
                    Ok(())
                }));
                let cx = cx.clone();
                let nested = cx.foreach([()], &below).stop_grace(5 * SECOND).settled();
                drop(tokio::time::timeout(MS, nested).await);
                Err(AgentError::fatal("by itself"))
            }
            1 => Err("at once".into()),
            _ => pending::<Result<u32, AgentError>>().await,
        }
    });
    let outcomes = foreach(0..3, agent).deadline(SECOND).stop_grace(3 * SECOND).settled().await;
    let causes: Vec<_> = failures(&outcomes).map(|failure| failure.cause().to_string()).collect();
    assert_eq!(causes[..2], ["by itself", "at once"], "{outcomes:?}");
    assert!(is_deadline(outcomes[2].as_ref().unwrap_err()));
}

/// A value that an attempt gives within the grace counts, and a panic of its own code stays a panic; an error does not
/// count any more.
#[tokio::test(start_paused = true)]
async fn within_the_grace_a_value_counts_and_an_error_does_not() {
    let cleaned = Arc::new(AtomicUsize::new(0));
    let counts = Arc::clone(&cleaned);
    let agent = agent_fn(move |n: u32, cx: AgentContext| {
        let cleaned = Arc::clone(&counts);
        async move {
            cx.cancelled().await;
            sleep(10 * MS).await;
            cleaned.fetch_add(1, Ordering::SeqCst);
            match n {
                0 => Ok(n),
                1 => Err("was stopped".into()),
                _ => panic!("of its own"),
            }
        }
    });
    let outcomes = foreach(0..3, agent).deadline(SECOND).stop_grace(SECOND).settled().await;
    assert_eq!(cleaned.load(Ordering::SeqCst), 3);
    assert_eq!(*outcomes[0].as_ref().unwrap(), 0);
    assert!(is_deadline(outcomes[1].as_ref().unwrap_err()), "{outcomes:?}");
    assert!(
        matches!(outcomes[2].as_ref().unwrap_err().cause(), Cause::Panicked(text) if text == "of its own")
    );
}

/// What nested runs report of themselves when the attempt around them is stopped.
#[test]
fn nested_branches_say_that_they_were_cancelled_and_not_that_they_failed() {
    at_many_moments(11, 60, |form, depth, moment| async move {
        let recorder = Recorder::default();
        let (below, theirs) = (waits(form, depth, &Gauge::default()), recorder.clone());
        let agent = agent_fn(move |n: u32, cx: AgentContext| {
            let (below, recorder) = (below.clone(), theirs.clone());
            async move {
                let fan_out = cx.foreach([n, n, n], &below).record(&recorder).stop_grace(20 * MS);
                let outcomes = fan_out.settled().await;
                let cancelled = failures(&outcomes).filter(|failure| is_cancelled(failure)).count();
                if cancelled == 3 { Ok(()) } else { Err(AgentError::fatal(format!("{outcomes:?}"))) }
            }
        });
        let fan_out = foreach(0..3, agent).deadline(MS + moment).stop_grace(100 * MS);
        let outcomes = tokio::spawn(fan_out.settled()).await.unwrap();
        let counts = recorder.report().counts();
        // A branch that the deadline has found in the queue has no nested run.
        assert_eq!(counts.cancelled, counts.total() - counts.pending, "{form:?}: {counts:?} {outcomes:?}");
    });
}
