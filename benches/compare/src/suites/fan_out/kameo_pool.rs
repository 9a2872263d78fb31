//! A pool of resident kameo actors, fed by asks; see the pool of ractor actors for where the guards are.
//!
//! Unbounded mailboxes, which were 5 % faster than the default, and kameo's tracing left out, which saves 5 %
//! more.

use kameo::error::SendError;
use kameo::mailbox;
use kameo::prelude::{Actor, ActorRef, Context, Message, Spawn};

use super::drivers::Resident;
use crate::suites::contest::attempt::{CAP, Outcome, attempt};

/// Starts the actors. They live until the runtime ends.
pub async fn start() -> Vec<impl Resident> {
    let actors = Vec::from_iter((0..CAP).map(|_| Worker::spawn_with_mailbox(Worker, mailbox::unbounded())));
    for actor in &actors {
        actor.wait_for_startup().await;
    }
    actors
}

#[derive(Actor)]
struct Worker;

struct Item(usize);

impl Message<Item> for Worker {
    type Reply = Outcome;

    async fn handle(&mut self, Item(item): Item, _: &mut Context<Self, Outcome>) -> Outcome {
        attempt(item).await
    }
}

impl Resident for ActorRef<Worker> {
    async fn ask(&self, item: usize) -> Outcome {
        match ActorRef::ask(self, Item(item)).await {
            Ok(output) => Ok(output),
            Err(SendError::HandlerError(failure)) => Err(failure),
            Err(_) => unreachable!("nobody stops the pool"),
        }
    }
}
