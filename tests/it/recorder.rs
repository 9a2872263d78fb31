//! The report of a run says what happened, attempt by attempt, however the run ended.

use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use sortie::{
    AgentContext, AgentError, AgentRef, Backoff, BranchReport, Cause, Counts, Recorder, Report, Restart,
    RunEnd, agent_fn, ask, branches, foreach,
};
use tokio::time::sleep;

use crate::support::{MS, SECOND, eventually, leaves_no_task, threads};

/// Waits for as many milliseconds as it is told.
async fn wait(millis: u64) -> Result<u64, AgentError> {
    sleep(Duration::from_millis(millis)).await;
    Ok(millis)
}

/// The only run of a report.
fn only(report: &Report) -> &sortie::RunReport {
    assert_eq!(report.runs().len(), 1);
    &report.runs()[0]
}

/// A time as it was meant: the paused clock is a little late where timers were rounded up.
fn millis(duration: Duration) -> u128 {
    (duration.as_micros() + 100) / 1000
}

/// Per attempt: number, start, end.
fn spans(branch: &BranchReport) -> Vec<(u32, u128, Option<u128>)> {
    branch.attempts().iter().map(|a| (a.number(), millis(a.start()), a.end().map(millis))).collect()
}

fn counts(change: impl FnOnce(&mut Counts)) -> Counts {
    let mut counts = Counts::default();
    change(&mut counts);
    counts
}

#[tokio::test(start_paused = true)]
async fn a_finished_run_shows_who_waited_and_ran_when() {
    let recorder = Recorder::default();
    foreach([300, 100, 50, 0], wait).concurrency(2).record(&recorder).settled().await;
    let report = recorder.report();
    let run = only(&report);
    assert_eq!((run.end(), run.duration().map(millis)), (Some(RunEnd::Finished), Some(300)));
    assert_eq!(run.counts(), counts(|c| c.ok = 4));
    assert!(run.parent().is_none());
    assert!(run.started_at().elapsed().unwrap() < 60 * SECOND);
    let queued: Vec<_> = run.branches().iter().map(|b| b.queue_wait().map(millis).unwrap()).collect();
    assert_eq!(queued, [0, 0, 100, 150]);
    let all: Vec<_> = run.branches().iter().flat_map(spans).collect();
    assert_eq!(all, [(1, 0, Some(300)), (1, 0, Some(100)), (1, 100, Some(150)), (1, 150, Some(150))]);
    assert!(run.branches().iter().all(|b| matches!(b.outcome(), Some(Ok(())))));
    assert_eq!(run.mean_queue_wait().map(millis), Some(62));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_does_not_wait_ends_where_it_started() {
    // The child of the second one has nothing more to do and waits for five seconds; one child goes on at once.
    let recorder = Recorder::default();
    let agent = agent_fn(|millis: u64, _| async move { if millis > 0 { wait(millis).await } else { Ok(0) } });
    foreach([5000, 0], agent).record(&recorder).all().await.unwrap();
    let agent = agent_fn(|millis: u64, _| async move { if millis > 0 { wait(millis).await } else { Ok(0) } });
    foreach([100, 0, 0, 100], agent).concurrency(1).record(&recorder).all().await.unwrap();
    let report = recorder.report();
    assert_eq!(spans(&report.runs()[0].branches()[1]), [(1, 0, Some(0))]);
    assert_eq!(spans(&report.runs()[1].branches()[1]), [(1, 100, Some(100))]);
    assert_eq!(spans(&report.runs()[1].branches()[2]), [(1, 100, Some(100))]);
    assert_eq!(report.runs()[1].mean_attempt().map(millis), Some(50));
}

#[tokio::test(start_paused = true)]
async fn retried_attempts_keep_their_causes() {
    let recorder = Recorder::default();
    let agent = AgentRef::new(agent_fn(|(): (), cx: AgentContext| async move {
        sleep(100 * MS).await;
        match cx.attempt() {
            1 => Err(AgentError::retry("first").with_code("one")),
            2 => panic!("second"),
            3 => pending().await,
            _ => Ok(()),
        }
    }));
    let restart = Restart::attempts(4).backoff(Backoff::fixed(SECOND));
    ask(&agent, ()).label("only").timeout(SECOND).restart(restart).record(&recorder).await.unwrap();
    let report = recorder.report();
    let branch = &only(&report).branches()[0];
    assert_eq!((branch.label(), branch.agent()), (Some("only"), agent.name()));
    assert_eq!(
        spans(branch),
        [(1, 0, Some(100)), (2, 1100, Some(1200)), (3, 2200, Some(3200)), (4, 4200, Some(4300))]
    );
    let causes: Vec<_> =
        branch.attempts().iter().map(|a| a.failure().map(|f| f.cause().to_string())).collect();
    assert_eq!(
        causes,
        [Some("first"), Some("panicked: second"), Some("timed out after 1s"), None]
            .map(|c| c.map(String::from))
    );
    let first = branch.attempts()[0].failure().unwrap();
    assert!(matches!(first.cause(), Cause::Failed(error) if error.code() == Some("one")));
    assert_eq!((first.attempts(), first.label(), first.elapsed() >= 100 * MS), (1, Some("only"), true));
    assert!(matches!(branch.outcome(), Some(Ok(()))));
    assert_eq!(only(&report).counts(), counts(|c| c.ok = 1), "what was retried is not counted");
}

#[tokio::test(start_paused = true)]
async fn a_failed_all_shows_its_failure_and_whom_it_cancelled() {
    let recorder = Recorder::default();
    let agent = agent_fn(|n: u64, _| async move {
        match n {
            0 => Ok(n),
            1 => {
                sleep(200 * MS).await;
                Err("boom".into())
            }
            _ => pending().await,
        }
    });
    let error = foreach(0..6, agent).concurrency(3).record(&recorder).all().await.unwrap_err();
    let report = recorder.report();
    let run = only(&report);
    assert_eq!((run.end(), run.duration().map(millis)), (Some(RunEnd::Decided), Some(200)));
    let expected = counts(|c| {
        c.ok = 1;
        c.failed = 1;
        c.cancelled = 4;
    });
    assert_eq!((run.counts(), run.counts().total(), run.counts().without_output()), (expected, 6, 5));
    assert_eq!(run.branches()[1].failure().unwrap().to_string(), error.failure().to_string());
    assert_eq!(spans(&run.branches()[2]), [(1, 0, Some(200))], "cut short");
    let cause = run.branches()[2].attempts()[0].failure().unwrap().cause();
    assert!(matches!(cause, Cause::Cancelled { stopped: true, .. }));
    assert_eq!(
        (run.branches()[5].queue_wait(), run.branches()[5].attempts().len()),
        (None, 0),
        "never started"
    );
}

#[tokio::test(start_paused = true)]
async fn a_deadline_leaves_what_was_done_what_was_cut_and_what_never_started() {
    let recorder = Recorder::default();
    let agent = agent_fn(|n: u64, _| async move {
        match n {
            0 => Ok(n),
            1 => Err(AgentError::retry_after(60 * SECOND, "later")),
            _ => pending().await,
        }
    });
    let fan_out = foreach(0..10, agent).concurrency(2).restart(Restart::attempts(2)).deadline(SECOND);
    fan_out.record(&recorder).settled().await;
    let report = recorder.report();
    let run = only(&report);
    assert_eq!((run.end(), run.duration().map(millis)), (Some(RunEnd::DeadlineExceeded), Some(1000)));
    let expected = counts(|c| {
        c.ok = 1;
        c.deadline_exceeded = 9;
    });
    assert_eq!(run.counts(), expected);
    let [one, two, .., nine] = run.branches() else { panic!("{run:?}") };
    assert_eq!(one.index(), 0);
    assert_eq!(
        (spans(two), two.attempts()[0].failure().unwrap().cause().to_string().as_str()),
        (vec![(1, 0, Some(0))], "later")
    );
    assert_eq!(two.failure().unwrap().attempts(), 1, "the branch ended while it waited");
    assert_eq!((spans(&run.branches()[2]), nine.queue_wait()), (vec![(1, 0, Some(1000))], None));
}

#[tokio::test(start_paused = true)]
async fn a_run_under_way_shows_how_far_it_is() {
    let recorder = Recorder::default();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let agent = AgentRef::new(agent_fn({
        let (recorder, seen) = (recorder.clone(), Arc::clone(&seen));
        move |n: u64, _| {
            let (recorder, seen) = (recorder.clone(), Arc::clone(&seen));
            async move {
                sleep(100 * MS).await;
                seen.lock().unwrap().push(recorder.report());
                Ok(n)
            }
        }
    }));
    branches([agent.branch(1), agent.branch(2), agent.branch(3)])
        .concurrency(1)
        .record(&recorder)
        .all()
        .await
        .unwrap();
    let second = &seen.lock().unwrap()[1];
    let run = only(second);
    assert_eq!((run.end(), run.duration()), (None, None));
    let expected = counts(|c| {
        c.ok = 1;
        c.pending = 2;
    });
    assert_eq!(run.counts(), expected, "an array is known to the end");
    assert_eq!(spans(&run.branches()[0]), [(1, 0, Some(100))]);
    assert_eq!(spans(&run.branches()[1]), [(1, 100, None)]);
    assert!(run.branches()[1].attempts()[0].duration().is_none() && run.branches()[1].outcome().is_none());
    assert!(run.branches()[2].attempts().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_dropped_run_keeps_its_report() {
    let recorder = Recorder::default();
    let ending =
        foreach([100, 600_000, 200, 700_000, 800_000], wait).concurrency(2).record(&recorder).settled();
    leaves_no_task(async { assert!(tokio::time::timeout(SECOND, ending).await.is_err()) }).await;
    let report = recorder.report();
    let run = only(&report);
    assert_eq!((run.end(), run.duration().map(millis)), (Some(RunEnd::Dropped), Some(1000)));
    assert_eq!(run.branches().len(), 4, "it had not come to the fifth");
    let expected = counts(|c| {
        c.ok = 2;
        c.cancelled = 2;
    });
    assert_eq!(run.counts(), expected);
    assert_eq!(spans(&run.branches()[0]), [(1, 0, Some(100))]);
    assert_eq!(spans(&run.branches()[2]), [(1, 100, Some(300))]);
    let (_, start, end) = spans(&run.branches()[3])[0];
    assert!(start == 300 && end.is_some_and(|end| (1000..1010).contains(&end)), "{end:?}");
}

#[tokio::test(start_paused = true)]
async fn what_finishes_within_the_grace_of_a_dropped_run_is_in_its_report() {
    let recorder = Recorder::default();
    let agent = agent_fn(|n: u32, cx: AgentContext| async move {
        cx.cancelled().await;
        sleep(100 * MS).await;
        Ok(n)
    });
    let fan_out = foreach(0..3, agent).stop_grace(SECOND).record(&recorder);
    leaves_no_task(async { drop(tokio::time::timeout(SECOND, fan_out.settled()).await) }).await;
    let report = recorder.report();
    assert_eq!(only(&report).end(), Some(RunEnd::Dropped));
    assert_eq!(only(&report).counts(), counts(|c| c.ok = 3));
    assert!(only(&report).branches().iter().all(|b| spans(b) == [(1, 0, Some(1100))]));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_stream_keeps_its_report() {
    let recorder = Recorder::default();
    leaves_no_task(async {
        let mut stream = foreach([100, 200, 300, 400], wait).concurrency(2).record(&recorder).stream();
        assert_eq!(stream.next().await.unwrap().index, 0);
        assert_eq!(stream.next().await.unwrap().index, 1);
    })
    .await;
    let report = recorder.report();
    assert_eq!(only(&report).end(), Some(RunEnd::Dropped));
    assert_eq!(spans(&only(&report).branches()[1]), [(1, 0, Some(200))]);
    let expected = counts(|c| {
        c.ok = 2;
        c.cancelled = 2;
    });
    assert_eq!(only(&report).counts(), expected);

    // One that is taken to its end is finished; one that was cut by its deadline has every branch.
    let recorder = Recorder::default();
    foreach([1, 2], wait).record(&recorder).stream().collect::<Vec<_>>().await;
    let fan_out = foreach([1, 20_000, 3], wait).concurrency(1).deadline(SECOND).record(&recorder);
    fan_out.stream().collect::<Vec<_>>().await;
    let report = recorder.report();
    let ends: Vec<_> = report.runs().iter().map(|run| (run.end().unwrap(), run.branches().len())).collect();
    assert_eq!(ends, [(RunEnd::Finished, 2), (RunEnd::DeadlineExceeded, 3)]);
    let expected = counts(|c| {
        c.ok = 3;
        c.deadline_exceeded = 2;
    });
    assert_eq!(report.counts(), expected, "of both runs");
}

#[tokio::test(start_paused = true)]
async fn branches_whose_number_is_known_are_all_there() {
    let agent = AgentRef::new(agent_fn(|millis: u64, _| wait(millis)));
    // Dropped …
    let recorder = Recorder::default();
    let set = ["a", "b", "c"].map(|label| agent.branch(60_000).label(label));
    let ending = branches(set).concurrency(1).record(&recorder).settled();
    leaves_no_task(async { drop(tokio::time::timeout(SECOND, ending).await) }).await;
    let report = recorder.report();
    let labels: Vec<_> = only(&report).branches().iter().map(|b| b.label().unwrap()).collect();
    assert_eq!((labels, only(&report).counts()), (vec!["a", "b", "c"], counts(|c| c.cancelled = 3)));
    // … and won before the end.
    let recorder = Recorder::default();
    let keyed = foreach([10, 20, 30, 40], &agent).keyed(|millis| format!("key {millis}")).unwrap();
    keyed.concurrency(1).record(&recorder).any().await.unwrap();
    let report = recorder.report();
    let expected = counts(|c| {
        c.ok = 1;
        c.cancelled = 3;
    });
    assert_eq!((only(&report).end(), only(&report).counts()), (Some(RunEnd::Decided), expected));
    assert_eq!(only(&report).branches()[3].label(), Some("key 40"));
}

#[tokio::test(start_paused = true)]
async fn every_cause_is_counted_as_itself() {
    let recorder = Recorder::default();
    let agent = agent_fn(|n: u32, _| async move {
        match n {
            0 => Ok(n),
            1 => Err("no".into()),
            2 => panic!("no"),
            _ => pending().await,
        }
    });
    let items = (0..5).map(|n| if n == 4 { panic!("the iterator") } else { n });
    let outcomes = foreach(items, agent).timeout(SECOND).record(&recorder).settled().await;
    assert_eq!(outcomes.len(), 5);
    let expected = counts(|c| {
        c.ok = 1;
        c.failed = 1;
        c.panicked = 2;
        c.timed_out = 1;
    });
    let report = recorder.report();
    assert_eq!(only(&report).counts(), expected);
    assert!(
        only(&report).branches()[4].attempts().is_empty(),
        "nothing was attempted in the iterator's place"
    );
}

#[tokio::test(start_paused = true)]
async fn a_nested_run_names_the_attempt_it_is_nested_in() {
    let recorder = Recorder::default();
    let inner = AgentRef::new(agent_fn(|millis: u64, _| wait(millis)));
    let outer = agent_fn({
        let recorder = recorder.clone();
        move |n: u64, cx: AgentContext| {
            let (recorder, inner) = (recorder.clone(), inner.clone());
            async move {
                if cx.attempt() == 1 {
                    return Err("once".into());
                }
                Ok(cx.foreach([n], &inner).record(&recorder).all().await?)
            }
        }
    });
    let restart = Restart::attempts(2).backoff(Backoff::none());
    foreach([5, 60_000], outer).restart(restart).deadline(SECOND).record(&recorder).settled().await;
    eventually("both nested runs have ended", || {
        recorder.report().runs().iter().all(|run| run.end().is_some())
    })
    .await;
    let report = recorder.report();
    let [outer, rest @ ..] = report.runs() else { panic!("no run") };
    assert!(outer.parent().is_none());
    let mut parents: Vec<_> = rest.iter().map(|run| run.parent().unwrap()).collect();
    parents.sort_by_key(|parent| parent.index);
    assert!(parents.iter().all(|parent| parent.run == outer.id() && parent.attempt == 2), "{parents:?}");
    assert_eq!(parents.iter().map(|parent| parent.index).collect::<Vec<_>>(), [0, 1]);
}

#[tokio::test(start_paused = true)]
async fn nothing_and_nobody_have_reports_without_nonsense() {
    let recorder = Recorder::default();
    assert!(recorder.report().runs().is_empty());
    assert_eq!(recorder.report().to_string(), "");
    drop(foreach([1], wait).record(&recorder).settled());
    assert!(recorder.report().runs().is_empty(), "what was never polled has not run");
    foreach([], wait).record(&recorder).settled().await;
    let report = recorder.report();
    let run = only(&report);
    assert_eq!(
        (run.end(), run.branches().len(), run.counts()),
        (Some(RunEnd::Finished), 0, Counts::default())
    );
    assert_eq!((run.mean_queue_wait(), run.mean_attempt()), (None, None));
    assert!(run.to_string().ends_with(": no branches\n"), "{run}");
}

#[tokio::test(start_paused = true)]
async fn a_report_is_readable() {
    let recorder = Recorder::default();
    let agent = AgentRef::new(
        agent_fn(|fail: bool, cx: AgentContext| async move {
            sleep(100 * MS).await;
            if fail && cx.attempt() == 1 { Err("refused".into()) } else { Ok(()) }
        })
        .named("fetch"),
    );
    let restart = Restart::attempts(2).backoff(Backoff::fixed(SECOND));
    let set = [agent.branch(true).label("near"), agent.branch(false)];
    branches(set).concurrency(1).restart(restart).record(&recorder).all().await.unwrap();
    let report = recorder.report();
    let text = report.to_string();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 6, "{text}");
    assert!(lines[0].starts_with(&format!("run {} finished after 1s", only(&report).id())), "{text}");
    assert!(lines[0].ends_with(": 2 ok"), "{text}");
    assert!(lines[1].starts_with("     0 fetch `near`: ok, queued for 0s"), "{text}");
    assert!(lines[2].starts_with("       1. 0s … 100ms") && lines[2].ends_with(" refused"), "{text}");
    assert!(lines[3].starts_with("       2. 1s 100ms") && lines[3].ends_with(" ok"), "{text}");
    assert!(lines[4].starts_with("     1 fetch: ok, queued for 100ms"), "{text}");
    assert!(format!("{report:?}").contains("BranchReport") && format!("{recorder:?}").contains("runs: 1"));
}

#[test]
fn children_on_several_threads_meet_in_one_report() {
    const ITEMS: usize = 20_000;
    let recorder = Recorder::default();
    let record = recorder.clone();
    let work = async move {
        let agent = agent_fn(|n: usize, _| async move {
            if n % 100 == 0 {
                tokio::task::yield_now().await;
            }
            if n % 1000 == 7 { panic!("now and then") } else { Ok(n) }
        });
        foreach(0..ITEMS, agent).record(&record).settled().await.len()
    };
    let runtime = threads(2);
    assert_eq!(runtime.block_on(async { tokio::spawn(work).await }).unwrap(), ITEMS);
    let report = recorder.report();
    let run = only(&report);
    assert_eq!((run.counts().ok, run.counts().panicked), (ITEMS - 20, 20));
    let duration = run.duration().unwrap();
    for (index, branch) in run.branches().iter().enumerate() {
        let [attempt] = branch.attempts() else { panic!("{branch:?}") };
        assert_eq!((branch.index(), attempt.number()), (index, 1));
        let end = attempt.end().unwrap();
        assert!(attempt.start() <= end && end <= duration, "{attempt:?} in {duration:?}");
    }
}
