//! Where parts of the engine meet that have tests of their own: lanes and streams, guests and supervisors, shutdowns and ushers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant as Wall;

use futures::{StreamExt, stream};
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use sortie::{AgentRef, Cause, Recorder, RunEnd, System, actor, agent_fn, foreach, foreach_stream};
use tokio::task;
use tokio::time::{sleep, timeout};

use crate::support::{MS, SECOND, leaves_no_task, stay_awake, threads};

/// Holds its thread until it is released, or for much longer than any test takes.
fn spin(release: &AtomicBool) {
    let start = Wall::now();
    while !release.load(Ordering::SeqCst) && start.elapsed() < 20 * SECOND {
        std::thread::sleep(MS);
    }
}

/// The item 0 does not yield until it is released; all others wait for 10 ms.
fn zero_spins(release: &Arc<AtomicBool>) -> AgentRef<u32, u32> {
    let release = Arc::clone(release);
    AgentRef::new(agent_fn(move |n: u32, _| {
        let release = Arc::clone(&release);
        async move {
            if n == 0 {
                spin(&release);
            } else {
                sleep(10 * MS).await;
            }
            Ok(n)
        }
    }))
}

#[test]
fn a_lane_that_was_opened_beside_a_body_that_does_not_yield_does_not_hold_the_run() {
    let runtime = threads(2);
    stay_awake(&runtime);
    let release = Arc::new(AtomicBool::new(false));
    let run = foreach(0..20, &zero_spins(&release)).concurrency(4).lanes(2).timeout(200 * MS).settled();
    let start = Wall::now();
    let outcomes = runtime.block_on(async { task::spawn(run).await.unwrap() });
    let elapsed = start.elapsed();
    release.store(true, Ordering::SeqCst);
    assert!(elapsed < 10 * SECOND, "{elapsed:?}");
    assert!(matches!(outcomes[0].as_ref().unwrap_err().cause(), Cause::TimedOut { stopped: false, .. }));
    assert!(outcomes[1..].iter().all(Result::is_ok), "{outcomes:?}");
    runtime.shutdown_timeout(10 * SECOND);
}

#[test]
fn what_arrives_goes_to_a_child_that_does_not_compute() {
    let runtime = threads(2);
    stay_awake(&runtime);
    for _ in 0..8 {
        let (release, computes) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (held, begun) = (Arc::clone(&release), Arc::clone(&computes));
        let agent = agent_fn(move |n: u32, _| {
            let (held, begun) = (Arc::clone(&held), Arc::clone(&begun));
            async move {
                if n == 0 {
                    begun.store(true, Ordering::SeqCst);
                    spin(&held);
                } else {
                    sleep(10 * MS).await;
                }
                Ok(n)
            }
        });
        // Four at once open all lanes of both children; then one computes, and one more arrives.
        let items = stream::unfold(0, move |turn| {
            let computes = Arc::clone(&computes);
            async move {
                if turn == 4 {
                    sleep(50 * MS).await;
                }
                while turn == 5 && !computes.load(Ordering::SeqCst) {
                    sleep(MS).await;
                }
                let item = [1, 2, 3, 4, 0, 5].get(turn).copied();
                item.map(|item| (item, turn + 1))
            }
        });
        let run = foreach_stream(items, agent).concurrency(4).lanes(2);
        let seen = runtime.block_on(async {
            let mut outcomes = run.stream();
            let run = async move {
                while let Some(done) = outcomes.next().await {
                    if done.outcome.is_ok_and(|item| item == 5) {
                        return true;
                    }
                }
                false
            };
            timeout(10 * SECOND, task::spawn(run)).await
        });
        release.store(true, Ordering::SeqCst);
        assert!(seen.is_ok_and(Result::unwrap), "the item waited for one that computes");
    }
    runtime.shutdown_timeout(10 * SECOND);
}

#[test]
fn a_stream_that_does_not_return_counts_as_not_stopped() {
    let runtime = threads(2);
    stay_awake(&runtime);
    let release = Arc::new(AtomicBool::new(false));
    let spins = Arc::clone(&release);
    let left = runtime.block_on(async {
        let system = System::builder().start().await.unwrap();
        let items = stream::poll_fn(move |_| {
            spin(&spins);
            std::task::Poll::Ready(None::<u32>)
        });
        let run = task::spawn(system.foreach_stream(items, &zero_spins(&Arc::default())).settled());
        sleep(50 * MS).await;
        let left = system.shutdown(std::time::Duration::ZERO).await.unwrap();
        assert_eq!(run.await.unwrap().len(), 0);
        left
    });
    release.store(true, Ordering::SeqCst);
    assert_eq!((left.cut_short, left.not_stopped), (1, 1));
    runtime.shutdown_timeout(10 * SECOND);
}

/// An actor whose state, and whose error, do not bear being looked at.
struct Brittle;

/// Panics when it is dropped.
struct State;

impl Drop for State {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("the state of an actor panics in its drop");
        }
    }
}

/// Panics when it is shown.
#[derive(Debug)]
struct Unspeakable;

impl std::fmt::Display for Unspeakable {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic!("the error of an actor panics when it is shown");
    }
}

impl std::error::Error for Unspeakable {}

struct Request(&'static str, RpcReplyPort<&'static str>);

#[cfg(feature = "cluster")]
impl ractor::Message for Request {}

#[cfg_attr(feature = "async-trait", ractor::async_trait)]
impl Actor for Brittle {
    type Msg = Request;
    type State = State;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Request>, (): ()) -> Result<State, ActorProcessingErr> {
        Ok(State)
    }

    async fn handle(
        &self,
        myself: ActorRef<Request>,
        Request(word, reply): Request,
        _: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match word {
            "stop" => myself.stop(None),
            "fail" => return Err(Box::new(Unspeakable)),
            word => reply.send(word)?,
        }
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn actors_that_panic_when_they_are_dropped_harm_neither_their_run_nor_their_supervisor() {
    let words = ["one", "stop", "two", "fail", "three", "stop"];
    let brittle = AgentRef::new(actor::spawned("brittle", || (Brittle, ()), Request));
    let outcomes = leaves_no_task(foreach(words, &brittle).concurrency(1).settled()).await;
    let ended = outcomes.iter().map(Result::is_ok).collect::<Vec<_>>();
    assert_eq!(ended, [true, false, true, false, true, false], "{outcomes:?}");

    let mut builder = System::builder();
    let resident = actor::resident("brittle", || (Brittle, ()), Request);
    let brittle = builder.supervisor("only").intensity(sortie::Intensity::new(10, SECOND)).resident(resident);
    let system = builder.start().await.unwrap();
    let outcomes = system.foreach(words, &brittle).concurrency(1).settled().await;
    let ended = outcomes.iter().map(Result::is_ok).collect::<Vec<_>>();
    assert_eq!(ended, [true, false, true, false, true, false], "{outcomes:?}");
    sleep(MS).await;
    let only = &system.status().supervisors[0];
    assert_eq!((only.deaths, only.restarts), (3, 0), "{only:?}");
    system.shutdown(SECOND).await.unwrap();
}

#[test]
fn streams_have_a_child_for_each_thread_before_children_have_lanes() {
    let runtime = threads(2);
    // Items come one by one, and wait. With both threads' children there, each has a lane of its own at first.
    let children = Arc::new(std::sync::Mutex::new(std::collections::HashSet::new()));
    let noted = Arc::clone(&children);
    let agent = AgentRef::new(agent_fn(move |n: u32, _| {
        noted.lock().unwrap().insert(task::id());
        async move {
            sleep(200 * MS).await;
            Ok(n)
        }
    }));
    let items = stream::unfold(0, |turn| async move {
        sleep(20 * MS).await;
        (turn < 2).then_some((turn, turn + 1))
    });
    runtime.block_on(foreach_stream(items, &agent).concurrency(8).lanes(4).settled());
    assert_eq!(children.lock().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_arrives_is_shown_out_time_after_time_while_every_slot_is_taken() {
    async fn hour(n: u32) -> Result<u32, std::convert::Infallible> {
        sleep(3600 * SECOND).await;
        Ok(n)
    }
    let run = foreach_stream(stream::iter(0..20), hour).concurrency(2).queue_timeout(SECOND);
    let start = tokio::time::Instant::now();
    let mut late = Vec::new();
    let mut outcomes = run.stream();
    while let Some(done) = outcomes.next().await {
        if done.outcome.is_err() {
            late.push(start.elapsed().as_secs());
        }
    }
    // Two have started, and two at a time arrive and wait for a second each.
    assert_eq!(late, (0..18).map(|n| n / 2 + 1).collect::<Vec<u64>>());
}

#[tokio::test(start_paused = true)]
async fn a_refused_run_is_recorded_as_one_that_a_shutdown_ended() {
    let system = System::builder().start().await.unwrap();
    system.shutdown(std::time::Duration::ZERO).await.unwrap();
    let recorder = Recorder::default();
    let agent = zero_spins(&Arc::default());
    system.foreach(0..3, &agent).record(&recorder).settled().await;
    system.foreach_stream(stream::iter(0..3), &agent).record(&recorder).settled().await;
    assert_eq!(system.foreach(0..3, &agent).record(&recorder).stream().count().await, 3);
    drop(system.foreach(0..3, &agent).record(&recorder).stream());
    assert_eq!(recorder.report().runs().len(), 3, "nobody has polled the last");
    for (run, branches) in recorder.report().runs().iter().zip([3, 0, 3]) {
        assert_eq!((run.end(), run.branches().len()), (Some(RunEnd::ShutDown), branches), "{run}");
        assert!(run.branches().iter().all(|branch| branch.attempts().is_empty()));
    }
}

#[test]
fn a_system_whose_runtime_goes_away_has_ended_for_those_on_another_one() {
    for mut builder in
        [tokio::runtime::Builder::new_current_thread(), tokio::runtime::Builder::new_multi_thread()]
    {
        let (theirs, ours) = (builder.enable_all().build().unwrap(), threads(1));
        let mut built = System::builder();
        let resident = actor::resident("brittle", || (Brittle, ()), Request);
        let resident = built.supervisor("only").resident(resident);
        let system = theirs.block_on(built.start()).unwrap();
        let recorder = Recorder::default();
        let agent = AgentRef::new(agent_fn(|(): (), _| async {
            sleep(100 * SECOND).await;
            Ok(())
        }));
        let run = theirs.spawn(system.foreach([(); 3], &agent).record(&recorder).settled());
        theirs.block_on(async { sleep(10 * MS).await });
        theirs.shutdown_background();
        ours.block_on(async {
            timeout(10 * SECOND, system.wait()).await.unwrap().unwrap_err();
            timeout(10 * SECOND, system.shutdown(SECOND)).await.unwrap().unwrap_err();
            assert!(timeout(10 * SECOND, run).await.unwrap().is_err());
            let refused = timeout(10 * SECOND, system.foreach([()], &agent).settled()).await.unwrap();
            assert!(matches!(refused[0].as_ref().unwrap_err().cause(), Cause::ShutDown { .. }));
            assert!(timeout(10 * SECOND, sortie::ask(&resident, "one")).await.unwrap().is_err());
        });
        assert!(recorder.report().runs()[0].end().is_some());
        assert_eq!(system.status().runs, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn systems_within_each_other_end() {
    let (a, b) = (System::builder().start().await.unwrap(), System::builder().start().await.unwrap());
    let wait = AgentRef::new(agent_fn(|(): (), _| async {
        sleep(10 * SECOND).await;
        Ok(())
    }));
    let (in_a, in_b) = (a.clone(), b.clone());
    let inner = AgentRef::new(agent_fn(move |(): (), _| {
        let (in_a, wait) = (in_a.clone(), wait.clone());
        async move { Ok(in_a.foreach([(); 2], &wait).all().await?.len()) }
    }));
    let outer = AgentRef::new(agent_fn(move |(): (), _| {
        let (in_b, inner) = (in_b.clone(), inner.clone());
        async move { Ok(in_b.foreach([(); 2], &inner).all().await?.len()) }
    }));
    for turn in 0..2 {
        let run = task::spawn(a.foreach([(); 2], &outer).settled());
        sleep(SECOND).await;
        let (first, second) = if turn == 0 { (&b, &a) } else { (&a, &b) };
        if turn == 0 {
            assert_eq!(run.await.unwrap().into_iter().filter(Result::is_ok).count(), 2);
        } else {
            let (one, two) = tokio::join!(first.shutdown(SECOND), second.shutdown(2 * SECOND));
            assert_eq!((one.unwrap().not_stopped, two.unwrap().not_stopped), (0, 0));
            assert!(run.await.unwrap().iter().all(Result::is_err));
        }
    }
}
