//! kameo, one actor per item, asked once. The caller has the panics caught and the time limited by the actor, as in the
//! fan-out suite's pool.

use futures::stream::{self, StreamExt};
use kameo::error::SendError;
use kameo::mailbox;
use kameo::prelude::{Actor, ActorRef, Context, Message, Spawn};

use super::waiting::agent;
use crate::suites::contest::attempt::{Outcome, supervised};

pub async fn fan_out(n: usize) -> usize {
    let outcomes: Vec<Outcome> = stream::iter(0..n).map(attempt).buffered(n).collect().await;
    outcomes.len()
}

async fn attempt(item: usize) -> Outcome {
    let actor: ActorRef<Worker> = Worker::spawn_with_mailbox(Worker, mailbox::unbounded());
    match actor.ask(Item(item)).await {
        Ok(output) => Ok(output),
        Err(SendError::HandlerError(failure)) => Err(failure),
        Err(_) => unreachable!("nobody else stops the actor"),
    }
}

#[derive(Actor)]
struct Worker;

struct Item(usize);

impl Message<Item> for Worker {
    type Reply = Outcome;

    async fn handle(&mut self, Item(item): Item, _: &mut Context<Self, Outcome>) -> Outcome {
        supervised(agent(item)).await
    }
}
