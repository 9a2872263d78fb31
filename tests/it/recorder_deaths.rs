//! What a report keeps when bodies do not stop, runtimes go away and values panic in their `Drop`.

use std::future::{Future, pending};

use sortie::{AgentContext, Cause, Counts, Recorder, Report, Restart, RunEnd, RunReport, agent_fn, foreach};

use crate::support::{MS, SECOND, leaves_no_task, stay_awake, threads};

/// The only run of a report.
fn only(report: &Report) -> &RunReport {
    assert_eq!(report.runs().len(), 1);
    &report.runs()[0]
}

fn ok_and_cancelled(ok: usize, cancelled: usize) -> Counts {
    let mut counts = Counts::default();
    (counts.ok, counts.cancelled) = (ok, cancelled);
    counts
}

#[test]
fn a_body_that_does_not_stop_is_shown_as_given_up() {
    let recorder = Recorder::default();
    let runtime = threads(2);
    stay_awake(&runtime);
    let agent = agent_fn(|n: u64, _| async move {
        if n == 1 {
            std::thread::sleep(500 * MS);
        }
        Ok(n)
    });
    let run = foreach([0, 1, 2], agent).timeout(10 * MS).record(&recorder).settled();
    let outcomes = runtime.block_on(async { tokio::spawn(run).await }).unwrap();
    assert!(outcomes[1].is_err());
    let report = recorder.report();
    let [one, two, three] = only(&report).branches() else { panic!("{report}") };
    assert!(one.failure().is_none() && three.failure().is_none());
    let [attempt] = two.attempts() else { panic!("{report}") };
    let cause = attempt.failure().unwrap().cause();
    assert!(matches!(cause, Cause::TimedOut { stopped: false, .. }), "{cause}");
    assert!(!two.failure().unwrap().stopped());
    assert!(attempt.duration().unwrap() >= 10 * MS, "until it was given up");
}

#[test]
fn a_run_whose_runtime_goes_away_is_lost_and_what_it_did_is_not() {
    let (inner, outer) = (threads(1), threads(1));
    let recorder = Recorder::default();
    let caller = outer.spawn({
        let handle = inner.handle().clone();
        let agent = agent_fn(|n: u32, _| async move { if n < 5 { Ok(n) } else { pending().await } });
        let ending = foreach(0..10, agent).concurrency(3).record(&recorder).settled();
        async move {
            tokio::pin!(ending);
            std::future::poll_fn(move |cx| {
                let _entered = handle.enter();
                ending.as_mut().poll(cx)
            })
            .await
        }
    });
    let counted = || recorder.report().counts();
    while counted().ok < 5 || counted().pending < 3 {
        std::thread::yield_now();
    }
    inner.shutdown_timeout(10 * SECOND);
    let outcomes =
        outer.block_on(async { tokio::time::timeout(10 * SECOND, caller).await }).unwrap().unwrap();
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 5);
    let report = recorder.report();
    assert_eq!(only(&report).end(), Some(RunEnd::Lost));
    assert_eq!(only(&report).counts(), ok_and_cancelled(5, 5));
    assert_eq!(only(&report).branches().iter().filter(|branch| !branch.attempts().is_empty()).count(), 8);
}

/// A value, and an error, that panics when it is dropped.
#[derive(Debug)]
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

impl std::fmt::Display for Bomb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("bomb")
    }
}

impl std::error::Error for Bomb {}

#[tokio::test(start_paused = true)]
async fn values_and_errors_that_panic_in_their_drop_harm_nobody() {
    let recorder = Recorder::default();
    let agent = agent_fn(|n: u32, cx: AgentContext| async move {
        match (n, cx.attempt()) {
            (0, 1) => Err(Bomb.into()),
            (3, _) => pending().await,
            _ => Ok(Bomb),
        }
    });
    let ending = foreach(0..4, agent).restart(Restart::attempts(2)).record(&recorder).settled();
    leaves_no_task(async { assert!(tokio::time::timeout(60 * SECOND, ending).await.is_err()) }).await;
    let report = recorder.report();
    assert_eq!(only(&report).counts(), ok_and_cancelled(3, 1));
    assert_eq!(only(&report).branches()[0].attempts().len(), 2);
    drop(report);
    // The last who knows the error.
    drop(recorder);
}
