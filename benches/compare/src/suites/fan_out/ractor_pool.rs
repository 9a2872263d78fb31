//! A pool of resident ractor actors, fed by calls.
//!
//! The attempt's timeout and panic guard are within the actor: a timeout around the call would also count the
//! time in the mailbox and would not stop the attempt, and a panic would cost the pool an actor.

use ractor::rpc::CallResult;
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};

use super::drivers::Resident;
use crate::suites::contest::attempt::{CAP, Outcome, attempt};

/// Starts the actors. They live until the runtime ends.
pub async fn start() -> Vec<impl Resident> {
    let mut actors = Vec::with_capacity(CAP);
    for _ in 0..CAP {
        let (actor, _) = Actor::spawn(None, Worker, ()).await.expect("an unnamed actor starts");
        actors.push(actor);
    }
    actors
}

struct Worker;

struct Ask {
    item: usize,
    reply: RpcReplyPort<Outcome>,
}

impl Actor for Worker {
    type Msg = Ask;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Ask>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle(&self, _: ActorRef<Ask>, ask: Ask, (): &mut ()) -> Result<(), ActorProcessingErr> {
        // A caller that is gone needs no answer.
        let _ = ask.reply.send(attempt(ask.item).await);
        Ok(())
    }
}

impl Resident for ActorRef<Ask> {
    async fn ask(&self, item: usize) -> Outcome {
        match self.call(|reply| Ask { item, reply }, None).await {
            Ok(CallResult::Success(outcome)) => outcome,
            _ => unreachable!("nobody stops the pool"),
        }
    }
}
