//! ractor by hand, one actor per item, as in the fan-out suite: started under a supervisor and asked once.

use futures::stream::{self, StreamExt};
use ractor::rpc::CallResult;
use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent};

use super::waiting::agent;
use crate::suites::contest::attempt::{Failure, LIMIT, Outcome};

pub async fn fan_out(n: usize) -> usize {
    let (supervisor, stopped) = Actor::spawn(None, Supervisor, ()).await.expect("an unnamed actor starts");
    let attempts = stream::iter(0..n).map(|item| attempt(item, supervisor.get_cell()));
    let outcomes: Vec<Outcome> = attempts.buffered(n).collect().await;
    supervisor.stop(None);
    stopped.await.expect("the supervisor does not panic");
    outcomes.len()
}

async fn attempt(item: usize, supervisor: ActorCell) -> Outcome {
    let (child, stopped) =
        Actor::spawn_linked(None, Child, (), supervisor).await.expect("an unnamed actor starts");
    let outcome = match child.call(|reply| Ask { item, reply }, Some(LIMIT)).await {
        Ok(CallResult::Success(outcome)) => outcome,
        Ok(CallResult::Timeout) => {
            child.kill();
            Err(Failure::timed_out())
        }
        Ok(CallResult::SenderError) => Err(Failure::panicked()),
        Err(_) => unreachable!("nobody else stops the child"),
    };
    stopped.await.expect("ractor catches the agent's panic");
    outcome
}

/// Owns the children; learns of each death and survives it.
struct Supervisor;

impl Actor for Supervisor {
    type Msg = ();
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    /// The default would end the supervisor with its first child.
    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<()>,
        _: SupervisionEvent,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        Ok(())
    }
}

struct Child;

struct Ask {
    item: usize,
    reply: RpcReplyPort<Outcome>,
}

impl Actor for Child {
    type Msg = Ask;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Ask>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle(&self, myself: ActorRef<Ask>, ask: Ask, (): &mut ()) -> Result<(), ActorProcessingErr> {
        let outcome = agent(ask.item).await.map_err(Failure::failed);
        // A caller that is gone needs no answer.
        let _ = ask.reply.send(outcome);
        myself.stop(None);
        Ok(())
    }
}
