//! Resident actors under named supervisors.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::poll_immediate;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use sortie::actor::{self, CallError};
use sortie::{AgentRef, Backoff, Cause, Intensity, Restart, System};
use tokio::time::{Instant, sleep};

use crate::actors::{Adder, Ask, call_error, words};
use crate::support::{Gauge, MS, SECOND, eventually, leaves_no_task};

/// A system with a pool of adders under the supervisor "sums".
async fn with_adders(adder: &Adder, instances: usize) -> (System, AgentRef<&'static str, u64>) {
    let mut builder = System::builder();
    let adder = adder.clone();
    let resident = actor::resident("adder", move || (adder.clone(), 100), words).instances(instances);
    let agent = builder.supervisor("sums").resident(resident);
    (builder.start().await.unwrap(), agent)
}

fn alive(system: &System) -> usize {
    system.status().supervisors[0].residents[0].alive
}

#[tokio::test(start_paused = true)]
async fn a_resident_keeps_its_state_from_call_to_call_and_stops_with_its_system() {
    let adder = Adder::default();
    leaves_no_task(async {
        let (system, agent) = with_adders(&adder, 1).await;
        assert_eq!(system.ask(&agent, "1").await.unwrap(), 101);
        assert_eq!(sortie::ask(&agent, "2").await.unwrap(), 103);
        assert_eq!(system.foreach(["1"; 3], &agent).all().await.unwrap().into_iter().max(), Some(106));
        assert_eq!(alive(&system), 1);
        system.shutdown(SECOND).await.unwrap();
        assert_eq!((adder.living.running(), adder.said_goodbye.load(Ordering::SeqCst)), (0, 1));
        // Afterwards calls fail at once, and are not tried again.
        let failure = sortie::ask(&agent, "1")
            .restart(Restart::attempts(5).backoff(Backoff::none()))
            .await
            .unwrap_err();
        assert!(matches!(call_error(&failure), CallError::SystemEnded(_)), "{failure:?}");
        assert_eq!(failure.attempts(), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_resident_that_dies_is_restarted_and_only_its_own_call_fails() {
    for death in ["panic", "fail", "stop"] {
        let adder = Adder::default();
        let (system, agent) = with_adders(&adder, 1).await;
        assert_eq!(system.ask(&agent, "1").await.unwrap(), 101);
        let failure = system.ask(&agent, death).await.unwrap_err();
        assert!(matches!(call_error(&failure), CallError::Ended(_)), "{failure:?}");
        // The next one waits for the successor.
        assert_eq!(system.ask(&agent, "2").await.unwrap(), 102);
        let status = system.status();
        assert_eq!((status.supervisors[0].deaths, status.supervisors[0].restarts), (1, 0), "{death}");
        system.shutdown(SECOND).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn calls_are_spread_over_a_pool() {
    let adder = Adder::default();
    let (system, agent) = with_adders(&adder, 3).await;
    assert_eq!((adder.living.running(), alive(&system)), (3, 3));
    let start = Instant::now();
    system.foreach(["slowly"; 6], &agent).all().await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 2, "three at once, one after the other in each");
    system.shutdown(SECOND).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_timeout_leaves_the_resident_alone_and_says_that_it_works_on() {
    let adder = Adder::default();
    let (system, agent) = with_adders(&adder, 1).await;
    let start = Instant::now();
    let failure = system.ask(&agent, "slowly").timeout(100 * MS).await.unwrap_err();
    assert!(matches!(failure.cause(), Cause::TimedOut { stopped: false, .. }), "{failure:?}");
    assert!(start.elapsed() < 300 * MS, "{:?}", start.elapsed());
    assert_eq!(system.ask(&agent, "1").await.unwrap(), 101, "the same actor, with its state");
    assert_eq!(start.elapsed().as_secs(), 1, "which has finished what it was at");
    assert_eq!(adder.started.load(Ordering::SeqCst), 1);
    system.shutdown(SECOND).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_abandoned_call_keeps_its_slot_until_it_is_answered() {
    let adder = Adder::default();
    let (system, agent) = with_adders(&adder, 1).await;
    let start = Instant::now();
    let run = system.foreach(["slowly", "1"], &agent).concurrency(1).timeout(500 * MS);
    let outcomes = run.settled().await;
    assert!(outcomes[0].is_err());
    assert_eq!(outcomes[1].as_ref().unwrap(), &101, "it would have timed out behind the other call");
    assert_eq!(start.elapsed().as_secs(), 1);
    system.shutdown(SECOND).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn too_many_deaths_fail_the_supervisor_and_the_root_restarts_it_with_all_its_residents() {
    let mut builder = System::builder();
    let (frail, sturdy) = (Adder::default(), Adder::default());
    let mail = builder.supervisor("mail").intensity(Intensity::new(1, SECOND));
    let (one, two) = (frail.clone(), sturdy.clone());
    let agent = mail.resident(actor::resident("frail", move || (one.clone(), 0), words));
    let beside = mail.resident(actor::resident("sturdy", move || (two.clone(), 0), words));
    let apart = Adder::default();
    let three = apart.clone();
    let elsewhere =
        builder.supervisor("elsewhere").resident(actor::resident("apart", move || (three.clone(), 0), words));
    let system = builder.start().await.unwrap();

    assert_eq!(system.ask(&beside, "1").await.unwrap(), 1);
    assert_eq!(system.ask(&elsewhere, "1").await.unwrap(), 1);
    system.ask(&agent, "panic").await.unwrap_err();
    system.ask(&agent, "panic").await.unwrap_err();
    assert_eq!(system.ask(&agent, "1").await.unwrap(), 1);
    assert_eq!(system.ask(&beside, "1").await.unwrap(), 1, "it went with its supervisor");
    assert_eq!(system.ask(&elsewhere, "1").await.unwrap(), 2, "it did not");
    let supervisors = system.status().supervisors;
    assert_eq!((supervisors[0].deaths, supervisors[0].restarts), (2, 1));
    assert_eq!((supervisors[1].deaths, supervisors[1].restarts), (0, 0));
    assert_eq!((frail.living.peak(), sturdy.living.peak()), (1, 1), "never two in one place");
    system.shutdown(SECOND).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s33_a_resident_that_keeps_dying_ends_the_system_with_an_error() {
    /// Dies as soon as it lives.
    struct Doomed(Arc<AtomicUsize>);

    #[cfg_attr(feature = "async-trait", ractor::async_trait)]
    impl Actor for Doomed {
        type Msg = Ask;
        type State = ();
        type Arguments = ();

        async fn pre_start(&self, _: ActorRef<Ask>, (): ()) -> Result<(), ActorProcessingErr> {
            self.0.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }

        async fn post_start(&self, _: ActorRef<Ask>, (): &mut ()) -> Result<(), ActorProcessingErr> {
            panic!("no disk")
        }
    }

    let lives = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&lives);
    leaves_no_task(async {
        let mut builder = System::builder();
        let doomed = actor::resident("doomed", move || (Doomed(Arc::clone(&counted)), ()), words);
        let agent = builder.supervisor("frail").resident(doomed);
        let system = builder.start().await.unwrap();
        let error = system.wait().await.unwrap_err();
        assert!(error.is_escalated());
        let text = error.to_string();
        for part in ["`frail`", "`doomed`", "no disk", "more than 3 deaths of supervisors in 5s"] {
            assert!(text.contains(part), "{text}");
        }
        let failure = system.ask(&agent, "1").await.unwrap_err();
        assert!(matches!(failure.cause(), Cause::ShutDown { .. }), "{failure:?}");
        assert_eq!(system.status().supervisors[0].restarts, 3);
    })
    .await;
    // Four lives of the supervisor, each with four deaths.
    assert_eq!(lives.load(Ordering::SeqCst), 16);
}

#[tokio::test(start_paused = true)]
async fn s32_a_supervisor_whose_actor_panics_is_restarted_and_calls_in_flight_are_tried_again() {
    let adder = Adder::default();
    let (system, agent) = with_adders(&adder, 1).await;
    let restart = Restart::attempts(2).backoff(Backoff::none());
    let call = tokio::spawn(system.ask(&agent, "slowly").restart(restart).into_future());
    let aside = tokio::spawn(system.foreach([SECOND; 3], nap).settled());
    sleep(500 * MS).await;
    assert!(system.break_supervisor("sums"));
    assert_eq!(call.await.unwrap().unwrap(), 100, "the second attempt, with a new resident");
    assert!(aside.await.unwrap().iter().all(Result::is_ok), "runs do not depend on it");
    assert_eq!(system.status().supervisors[0].restarts, 1);
    assert_eq!(adder.started.load(Ordering::SeqCst), 2);
    assert_eq!(system.ask(&agent, "1").await.unwrap(), 101);
    system.shutdown(SECOND).await.unwrap();
}

async fn nap(time: std::time::Duration) -> Result<(), std::convert::Infallible> {
    sleep(time).await;
    Ok(())
}

/// An actor whose start takes a while, or fails.
struct Starter {
    takes: std::time::Duration,
    succeeds: bool,
    living: Gauge,
}

#[cfg_attr(feature = "async-trait", ractor::async_trait)]
impl Actor for Starter {
    type Msg = Ask;
    type State = crate::support::Body;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Ask>, (): ()) -> Result<crate::support::Body, ActorProcessingErr> {
        let body = self.living.enter();
        sleep(self.takes).await;
        if self.succeeds { Ok(body) } else { Err("no disk".into()) }
    }
}

#[tokio::test(start_paused = true)]
async fn a_resident_that_does_not_start_fails_the_start_and_takes_the_others_along() {
    let adder = Adder::default();
    let living = Gauge::default();
    let start = |takes, succeeds| {
        let (adder, living) = (adder.clone(), living.clone());
        let mut builder = System::builder();
        let make = move || (Starter { takes, succeeds, living: living.clone() }, ());
        let slow = actor::resident("slow", make, words).start_limit(SECOND);
        builder.supervisor("first").resident(actor::resident("adder", move || (adder.clone(), 0), words));
        builder.supervisor("second").resident(slow);
        builder.start()
    };
    for (takes, succeeds, reason) in
        [(MS, false, "no disk"), (2 * SECOND, true, "its `pre_start` took longer than 1s")]
    {
        let error = leaves_no_task(start(takes, succeeds)).await.unwrap_err().to_string();
        for part in ["`second`", "`slow`", reason] {
            assert!(error.contains(part), "{error}");
        }
        assert_eq!((adder.living.running(), living.running()), (0, 0));
    }
    // A start that is dropped while a resident starts.
    leaves_no_task(async {
        let mut start = Box::pin(start(500 * MS, true));
        assert!(poll_immediate(&mut start).await.is_none());
        tokio::time::timeout(100 * MS, start).await.unwrap_err();
        eventually("nobody", || adder.living.running() + living.running() == 0).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_resident_that_does_not_stop_in_time_is_killed() {
    let adder = Adder::default();
    leaves_no_task(async {
        let (system, agent) = with_adders(&adder, 2).await;
        let call = tokio::spawn(system.ask(&agent, "slowly").into_future());
        eventually("a call", || system.status().runs == 1).await;
        let start = Instant::now();
        let left = system.shutdown(MS).await.unwrap();
        assert_eq!((left.cut_short, left.not_stopped), (1, 0));
        // The grace for runs, and the moment that residents have at least.
        assert!(start.elapsed() < 350 * MS, "{:?}", start.elapsed());
        assert_eq!(adder.living.running(), 0);
        assert_eq!(adder.said_goodbye.load(Ordering::SeqCst), 1, "the idle one");
        let failure = call.await.unwrap().unwrap_err();
        assert!(matches!(failure.cause(), Cause::ShutDown { .. }), "{failure:?}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_resident_that_will_never_be_started() {
    let mut builder = System::builder();
    let agent =
        builder.supervisor("sums").resident(actor::resident("adder", || (Adder::default(), 0), words));
    let waiting = tokio::spawn(sortie::ask(&agent, "1").into_future());
    sleep(SECOND).await;
    drop(builder);
    let failure = waiting.await.unwrap().unwrap_err();
    assert!(matches!(call_error(&failure), CallError::SystemEnded(_)), "{failure:?}");
}

#[tokio::test(start_paused = true)]
async fn a_call_before_the_start_waits_for_it() {
    let mut builder = System::builder();
    let agent =
        builder.supervisor("sums").resident(actor::resident("adder", || (Adder::default(), 7), words));
    let waiting = tokio::spawn(sortie::ask(&agent, "1").into_future());
    sleep(SECOND).await;
    let system = builder.start().await.unwrap();
    assert_eq!(waiting.await.unwrap().unwrap(), 8);
    system.shutdown(SECOND).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_recipe_that_panics_does_not_take_the_supervisor_along_unless_it_goes_on() {
    let makes = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&makes);
    let mut builder = System::builder();
    let resident = actor::resident(
        "adder",
        move || {
            assert_ne!(counted.fetch_add(1, Ordering::SeqCst), 1, "the second one is never made");
            (Adder::default(), 0)
        },
        words,
    );
    let agent = builder.supervisor("sums").resident(resident);
    let system = builder.start().await.unwrap();
    system.ask(&agent, "panic").await.unwrap_err();
    assert_eq!(system.ask(&agent, "1").await.unwrap(), 1);
    let supervisor = &system.status().supervisors[0];
    assert_eq!((supervisor.deaths, supervisor.restarts), (2, 0));
    system.shutdown(SECOND).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_does_not_wait_for_a_resident_that_is_starting() {
    let living = Gauge::default();
    let starting = living.clone();
    let mut builder = System::builder();
    let takes = Arc::new(AtomicUsize::new(0));
    let make = move || {
        let takes = if takes.fetch_add(1, Ordering::SeqCst) == 0 { MS } else { 9 * SECOND };
        (Starter { takes, succeeds: true, living: starting.clone() }, ())
    };
    builder.supervisor("slow").resident(actor::resident("starter", make, words));
    leaves_no_task(async {
        let system = builder.start().await.unwrap();
        assert!(system.break_supervisor("slow"));
        eventually("a start under way", || living.begun() == 2).await;
        let start = Instant::now();
        system.shutdown(MS).await.unwrap();
        assert!(start.elapsed() < 350 * MS, "{:?}", start.elapsed());
    })
    .await;
    assert_eq!(living.running(), 0);
}
