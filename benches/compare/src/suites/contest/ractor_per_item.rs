//! ractor by hand, one actor per item: started under a supervisor, asked once, stopped.
//!
//! ractor catches the panics; a caller whose actor panicked sees its reply port dropped. An attempt ends when
//! its actor has ended, because otherwise far more actors are alive than there are slots. (On two threads that is also
//! the faster way, on one thread it costs 7 %.) Results come in order through `buffered`, which was faster
//! than a `JoinSet` around the same calls.

use std::future::Future;
use std::io;

use futures::stream::{self, StreamExt};
use ractor::rpc::CallResult;
use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent};

use super::attempt::{Failure, LIMIT, Outcome};

/// At most `cap` actors at once, each of which runs `agent` once.
pub async fn fan_out<F>(n: usize, cap: usize, agent: fn(usize) -> F) -> Vec<Outcome>
where
    F: Future<Output = io::Result<usize>> + Send + 'static,
{
    let (supervisor, stopped) = Actor::spawn(None, Supervisor, ()).await.expect("an unnamed actor starts");
    let attempts = stream::iter(0..n).map(|item| attempt(item, Child(agent), supervisor.get_cell()));
    let outcomes = attempts.buffered(cap).collect().await;
    supervisor.stop(None);
    stopped.await.expect("the supervisor does not panic");
    outcomes
}

async fn attempt<F>(item: usize, child: Child<F>, supervisor: ActorCell) -> Outcome
where
    F: Future<Output = io::Result<usize>> + Send + 'static,
{
    let (child, stopped) =
        Actor::spawn_linked(None, child, (), supervisor).await.expect("an unnamed actor starts");
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

struct Child<F>(fn(usize) -> F);

struct Ask {
    item: usize,
    reply: RpcReplyPort<Outcome>,
}

impl<F> Actor for Child<F>
where
    F: Future<Output = io::Result<usize>> + Send + 'static,
{
    type Msg = Ask;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Ask>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle(&self, myself: ActorRef<Ask>, ask: Ask, (): &mut ()) -> Result<(), ActorProcessingErr> {
        let outcome = (self.0)(ask.item).await.map_err(Failure::failed);
        // A caller that is gone needs no answer.
        let _ = ask.reply.send(outcome);
        myself.stop(None);
        Ok(())
    }
}
