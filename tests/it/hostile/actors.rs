//! Actors of the user's: what makes them, what they are asked by, their handlers and their states.

use std::panic::panic_any;
use std::sync::atomic::{AtomicUsize, Ordering};

use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use sortie::{AgentRef, Intensity, System, actor, foreach};

use super::Bomb;
use super::errors::{HOSTILITIES, Hostile};
use crate::support::{SECOND, leaves_no_task};

/// Where an actor is hostile.
#[derive(Debug, Clone, Copy, PartialEq)]
enum At {
    Make,
    Message,
    PreStart,
    PreStartError(usize),
    PostStart,
    Handle,
    HandleError(usize),
    Reply,
    PostStop,
    State,
}

fn everywhere() -> impl Iterator<Item = At> {
    let plain =
        [At::Make, At::Message, At::PreStart, At::PostStart, At::Handle, At::Reply, At::PostStop, At::State];
    let errors =
        (0..HOSTILITIES.len()).flat_map(|number| [At::PreStartError(number), At::HandleError(number)]);
    plain.into_iter().chain(errors)
}

/// An actor of which the first that is made is hostile.
struct Wild(Option<At>);

struct Ask(u32, Port);
#[cfg(feature = "cluster")]
impl ractor::Message for Ask {}

#[cfg_attr(feature = "async-trait", ractor::async_trait)]
impl Actor for Wild {
    type Msg = Ask;
    type State = Option<Bomb>;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Ask>, (): ()) -> Result<Option<Bomb>, ActorProcessingErr> {
        match self.0 {
            Some(At::PreStart) => panic_any(Bomb),
            Some(At::PreStartError(number)) => Err(Box::new(Hostile(HOSTILITIES[number]))),
            at => Ok((at == Some(At::State)).then(|| Bomb)),
        }
    }

    async fn post_start(&self, _: ActorRef<Ask>, _: &mut Option<Bomb>) -> Result<(), ActorProcessingErr> {
        if self.0 == Some(At::PostStart) {
            panic_any(Bomb);
        }
        Ok(())
    }

    async fn post_stop(&self, _: ActorRef<Ask>, _: &mut Option<Bomb>) -> Result<(), ActorProcessingErr> {
        if self.0 == Some(At::PostStop) {
            panic_any(Bomb);
        }
        Ok(())
    }

    async fn handle(
        &self,
        myself: ActorRef<Ask>,
        Ask(n, reply): Ask,
        _: &mut Option<Bomb>,
    ) -> Result<(), ActorProcessingErr> {
        match self.0 {
            Some(At::Handle) => panic_any(Bomb),
            Some(At::HandleError(number)) => return Err(Box::new(Hostile(HOSTILITIES[number]))),
            Some(At::PostStop | At::State) => myself.stop(None),
            at => drop(reply.send((n, (at == Some(At::Reply)).then(|| Bomb)))),
        }
        Ok(())
    }
}

/// What makes these actors.
fn make(at: At) -> impl Fn() -> (Wild, ()) + Send + Sync + 'static {
    let made = AtomicUsize::new(0);
    move || {
        let is_first = made.fetch_add(1, Ordering::SeqCst) == 0;
        if is_first && at == At::Make {
            panic_any(Bomb);
        }
        (Wild(is_first.then_some(at)), ())
    }
}

/// An answer.
type Port = RpcReplyPort<(u32, Option<Bomb>)>;

/// What they are asked by.
fn message(at: At) -> impl Fn(u32, Port) -> Ask + Send + Sync + 'static {
    let asked = AtomicUsize::new(0);
    move |n, port| {
        if asked.fetch_add(1, Ordering::SeqCst) == 0 && at == At::Message {
            panic_any(Bomb);
        }
        Ask(n, port)
    }
}

/// Takes an answer apart: what is hostile in it is not dropped.
fn value((n, bomb): (u32, Option<Bomb>)) -> u32 {
    std::mem::forget(bomb);
    n
}

#[tokio::test(start_paused = true)]
async fn an_actor_within_a_run_costs_its_own_attempt() {
    for at in everywhere() {
        let agent = actor::spawned("wild", make(at), message(at));
        let outcomes =
            leaves_no_task(foreach(0..4, agent).concurrency(1).timeout(60 * SECOND).settled()).await;
        let failed: Vec<_> = (0..4).filter(|n| outcomes[*n].is_err()).collect();
        let expected: &[usize] = if at == At::Reply { &[] } else { &[0] };
        assert!(failed == expected || at == At::PostStart && failed.len() <= 1, "{at:?}: {failed:?}");
        let answers: Vec<_> = outcomes.into_iter().flatten().map(value).collect();
        assert!(answers.len() >= 3);
    }
}

#[tokio::test(start_paused = true)]
async fn a_resident_costs_its_own_call_and_is_restarted() {
    for at in everywhere() {
        let mut builder = System::builder();
        let wild = builder.supervisor("wild").intensity(Intensity::new(5, SECOND)).resident(actor::resident(
            "wild",
            make(at),
            message(at),
        ));
        let agent: AgentRef<u32, (u32, Option<Bomb>)> = wild;
        // The first start is a part of that of the system.
        if matches!(at, At::Make | At::PreStart | At::PreStartError(_)) {
            let error = builder.start().await.unwrap_err().to_string();
            assert!(
                error.contains("resident `wild` did not start") && error.len() < 10_000,
                "{at:?}: {error}"
            );
            continue;
        }
        let system = builder.start().await.unwrap();
        let first = system.ask(&agent, 1).timeout(60 * SECOND).await.map(value);
        assert!(matches!(at, At::Reply | At::PostStart) || first.is_err(), "{at:?}: {first:?}");
        for n in 0..3 {
            let answer = system.ask(&agent, n).timeout(60 * SECOND).await.map(value);
            assert_eq!(answer.unwrap(), n, "{at:?}");
        }
        let deaths = system.status().supervisors[0].deaths;
        assert_eq!(deaths, u32::from(!matches!(at, At::Message | At::Reply)), "{at:?}");
        system.shutdown(SECOND).await.unwrap();
    }
}
