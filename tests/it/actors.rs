//! Actors of the user's within runs, and systems under actors of the user's.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent};
use sortie::actor::{self, CallError};
use sortie::{AgentRef, Backoff, Cause, Failure, Restart, System};
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::support::{Body, Gauge, MS, SECOND, eventually, leaves_no_task};

/// An actor with a state: it adds up what it is told, and says how it came to its end.
#[derive(Clone, Default)]
pub struct Adder {
    pub living: Gauge,
    /// How many have run their `post_stop`.
    pub said_goodbye: Arc<AtomicUsize>,
    /// How many have been started.
    pub started: Arc<AtomicUsize>,
}

pub enum Ask {
    Add(u64, RpcReplyPort<u64>),
    /// Answers after a second.
    Slowly(RpcReplyPort<u64>),
    Panic(RpcReplyPort<u64>),
    Fail(RpcReplyPort<u64>),
    Stop(RpcReplyPort<u64>),
    /// Drops the request.
    Ignore(RpcReplyPort<u64>),
    Parse(String, RpcReplyPort<Result<u64, std::num::ParseIntError>>),
}

#[cfg(feature = "cluster")]
impl ractor::Message for Ask {}

#[cfg_attr(feature = "async-trait", ractor::async_trait)]
impl Actor for Adder {
    type Msg = Ask;
    type State = (u64, Body);
    type Arguments = u64;

    async fn pre_start(&self, _: ActorRef<Ask>, from: u64) -> Result<(u64, Body), ActorProcessingErr> {
        self.started.fetch_add(1, Ordering::SeqCst);
        Ok((from, self.living.enter()))
    }

    async fn handle(
        &self,
        myself: ActorRef<Ask>,
        message: Ask,
        (sum, _): &mut (u64, Body),
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Ask::Add(number, reply) => {
                *sum += number;
                reply.send(*sum)?;
            }
            Ask::Slowly(reply) => {
                sleep(SECOND).await;
                reply.send(*sum)?;
            }
            Ask::Panic(_reply) => panic!("the adder was told to"),
            Ask::Fail(_reply) => return Err("the adder fails".into()),
            Ask::Stop(_reply) => myself.stop(None),
            Ask::Ignore(_reply) => {}
            Ask::Parse(text, reply) => reply.send(text.parse())?,
        }
        Ok(())
    }

    async fn post_stop(&self, _: ActorRef<Ask>, _: &mut (u64, Body)) -> Result<(), ActorProcessingErr> {
        self.said_goodbye.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

impl Adder {
    fn goodbyes(&self) -> usize {
        self.said_goodbye.load(Ordering::SeqCst)
    }

    fn starts(&self) -> usize {
        self.started.load(Ordering::SeqCst)
    }

    /// The adder within runs, asked by words.
    fn spawned(&self) -> AgentRef<&'static str, u64> {
        let adder = self.clone();
        AgentRef::new(actor::spawned("adder", move || (adder.clone(), 0), words))
    }
}

pub fn words(word: &'static str, reply: RpcReplyPort<u64>) -> Ask {
    match word {
        "slowly" => Ask::Slowly(reply),
        "panic" => Ask::Panic(reply),
        "fail" => Ask::Fail(reply),
        "stop" => Ask::Stop(reply),
        "ignore" => Ask::Ignore(reply),
        number => Ask::Add(number.parse().unwrap(), reply),
    }
}

/// The error of the call that failed.
pub fn call_error(failure: &Failure) -> &CallError {
    let Cause::Failed(error) = failure.cause() else { panic!("{failure:?}") };
    error.downcast_ref().unwrap_or_else(|| panic!("{error}"))
}

#[tokio::test(start_paused = true)]
async fn a_spawned_actor_keeps_its_state_within_a_run_and_stops_with_it() {
    let adder = Adder::default();
    leaves_no_task(async {
        let sums = sortie::foreach(["1", "2", "3"], &adder.spawned()).concurrency(1).all().await.unwrap();
        assert_eq!(sums, [1, 3, 6]);
    })
    .await;
    assert_eq!((adder.starts(), adder.goodbyes(), adder.living.running()), (1, 1, 0));
    // Another run has another actor.
    assert_eq!(sortie::ask(&adder.spawned(), "5").await.unwrap(), 5);
}

#[tokio::test(start_paused = true)]
async fn each_child_has_an_actor_of_its_own() {
    let adder = Adder::default();
    let sums = sortie::foreach(["slowly"; 12], &adder.spawned()).concurrency(4).all().await.unwrap();
    assert_eq!(sums, [0; 12]);
    assert_eq!((adder.living.peak(), adder.starts(), adder.goodbyes()), (4, 4, 4));
}

#[tokio::test(start_paused = true)]
async fn fresh_children_have_fresh_actors() {
    let adder = Adder::default();
    let run = sortie::foreach(["1", "2", "3"], &adder.spawned()).concurrency(1).fresh_children();
    assert_eq!(run.all().await.unwrap(), [1, 2, 3]);
    assert_eq!((adder.starts(), adder.goodbyes()), (3, 3));
}

#[tokio::test(start_paused = true)]
async fn an_actor_that_dies_fails_one_attempt_and_the_next_has_a_new_one() {
    for death in ["panic", "fail", "stop"] {
        let adder = Adder::default();
        let run = sortie::foreach(["1", death, "2", "3"], &adder.spawned()).concurrency(1);
        let outcomes = run.settled().await;
        let sums: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.as_ref().ok()).collect();
        assert_eq!(sums, [&1, &2, &5], "{death}");
        let failure = outcomes[1].as_ref().unwrap_err();
        assert!(matches!(call_error(failure), CallError::Ended(_)), "{failure:?}");
        assert_eq!(adder.starts(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_request_is_an_error_and_the_actor_lives_on() {
    let adder = Adder::default();
    let run = sortie::foreach(["1", "ignore", "2"], &adder.spawned()).concurrency(1);
    let outcomes = run.settled().await;
    assert!(matches!(call_error(outcomes[1].as_ref().unwrap_err()), CallError::NoAnswer(_)));
    assert_eq!(outcomes[2].as_ref().unwrap(), &3);
    assert_eq!(adder.starts(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_kills_the_actor_that_works_for_the_attempt_alone() {
    let adder = Adder::default();
    leaves_no_task(async {
        let run = sortie::foreach(["1", "slowly", "2"], &adder.spawned()).concurrency(1).timeout(100 * MS);
        let outcomes = run.settled().await;
        let failure = outcomes[1].as_ref().unwrap_err();
        assert!(matches!(failure.cause(), Cause::TimedOut { stopped: true, .. }), "{failure:?}");
        // The state went with the actor.
        assert_eq!(outcomes[2].as_ref().unwrap(), &2);
    })
    .await;
    assert_eq!((adder.starts(), adder.living.running()), (2, 0));
    // Killed actors do not say goodbye.
    assert_eq!(adder.goodbyes(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_dropped_takes_its_actors_along() {
    let adder = Adder::default();
    leaves_no_task(async {
        let run = sortie::foreach(["slowly"; 8], &adder.spawned()).settled();
        assert!(tokio::time::timeout(100 * MS, run).await.is_err());
        eventually("no actor", || adder.living.running() == 0).await;
    })
    .await;
    assert_eq!(adder.living.peak(), 8);
}

#[tokio::test(start_paused = true)]
async fn an_actor_that_does_not_start_says_why() {
    struct Broken;

    #[cfg_attr(feature = "async-trait", ractor::async_trait)]
    impl Actor for Broken {
        type Msg = Ask;
        type State = ();
        type Arguments = ();

        async fn pre_start(&self, _: ActorRef<Ask>, (): ()) -> Result<(), ActorProcessingErr> {
            Err("no connection".into())
        }
    }

    let broken = AgentRef::new(actor::spawned("broken", || (Broken, ()), words));
    let failure = sortie::ask(&broken, "1").restart(Restart::attempts(2).backoff(Backoff::none())).await;
    let failure = failure.unwrap_err();
    assert_eq!(failure.attempts(), 2);
    assert!(format!("{failure:#}").contains("`broken` did not start: no connection"), "{failure:#}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_a_result_is_the_agents_result() {
    let parse = actor::spawned("parse", || (Adder::default(), 0), Ask::Parse).fallible();
    let outcomes = sortie::foreach(["7", "seven"].map(String::from), parse).settled().await;
    assert_eq!(outcomes[0].as_ref().unwrap(), &7);
    let Cause::Failed(error) = outcomes[1].as_ref().unwrap_err().cause() else { panic!() };
    assert!(error.downcast_ref::<std::num::ParseIntError>().is_some());
}

/// A service that is an actor, and has a system under it.
struct Service(mpsc::UnboundedSender<String>);

#[cfg_attr(feature = "async-trait", ractor::async_trait)]
impl Actor for Service {
    type Msg = Ask;
    type State = System;
    type Arguments = mpsc::UnboundedSender<System>;

    async fn pre_start(
        &self,
        myself: ActorRef<Ask>,
        systems: mpsc::UnboundedSender<System>,
    ) -> Result<System, ActorProcessingErr> {
        let mut builder = System::builder();
        builder.supervisor("mail");
        actor::link(&mut builder, myself.get_cell());
        let system = builder.start().await?;
        systems.send(system.clone())?;
        Ok(system)
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<Ask>,
        event: SupervisionEvent,
        system: &mut System,
    ) -> Result<(), ActorProcessingErr> {
        let root = actor::root(system).unwrap().get_id();
        let news = match event {
            SupervisionEvent::ActorTerminated(cell, ..) if cell.get_id() == root => "terminated".to_owned(),
            SupervisionEvent::ActorFailed(cell, error) if cell.get_id() == root => error.to_string(),
            _ => return Ok(()),
        };
        Ok(self.0.send(news)?)
    }
}

#[tokio::test(start_paused = true)]
async fn a_system_under_an_actor_ends_with_it_and_tells_it_of_its_own_end() {
    leaves_no_task(async {
        for end in ["shutdown", "failure", "the actor's"] {
            let (news, mut heard) = mpsc::unbounded_channel();
            let (systems, mut system) = mpsc::unbounded_channel();
            let (service, ended) = Service::spawn(None, Service(news), systems).await.unwrap();
            let system = system.recv().await.unwrap();
            match end {
                "shutdown" => {
                    system.shutdown(SECOND).await.unwrap();
                    assert_eq!(heard.recv().await.unwrap(), "terminated");
                }
                "failure" => {
                    for death in 1..=4 {
                        system.break_supervisor("mail");
                        let ends = || system.status().supervisors[0].restarts == death || death == 4;
                        eventually("a restart", ends).await;
                    }
                    assert!(system.wait().await.unwrap_err().is_escalated());
                    assert!(heard.recv().await.unwrap().contains("`mail`"));
                }
                _ => {
                    let adder = Adder::default();
                    let run = tokio::spawn(system.foreach(["slowly"; 3], &adder.spawned()).settled());
                    eventually("actors", || adder.living.running() == 3).await;
                    service.stop(None);
                    assert!(!system.wait().await.unwrap_err().is_escalated());
                    assert!(run.await.unwrap().iter().all(Result::is_err));
                    assert_eq!(adder.living.running(), 0);
                }
            }
            service.stop(None);
            ended.await.unwrap();
        }
    })
    .await;
}
