//! Actors that live within a run.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use ractor::concurrency::oneshot;
use ractor::{Actor, ActorRef, ActorStatus, RpcReplyPort, SpawnErr};

use super::call::{Call, Callee};
use super::error::CallError;
use super::fallible::Fallible;
use super::guarded::Guarded;
use super::{Make, Message};
use crate::agent::{Agent, AgentContext, AgentRef, IntoAgent};
use crate::outcome::AgentError;
use crate::supervisor::Host;
use crate::sync::lock;
use crate::user_code::{Contained, display};

/// Makes an agent of an actor that lives within a run.
///
/// Each child of the run that makes an attempt of this agent has an actor of its own: started with what `make` gives, when
/// the child needs it, and asked by `message` for one attempt after the other. So its state stays from item to item, no two
/// attempts ever wait for the same actor, and there are never more actors than the run's
/// [concurrency](crate::FanOut::concurrency). An [`ask`](crate::ask) has an actor for itself, and so has every attempt of a
/// fan-out with [`fresh_children`](crate::FanOut::fresh_children).
///
/// The actor is linked to the run's supervisor. When the run ends, it is told to stop, and has 100 ms to finish the message
/// at hand and its `post_stop`; then it is killed. When an attempt exceeds a limit or is no longer wanted, its actor is
/// killed: the handler is dropped at its next `.await`, the state with it, and the child's next attempt has a new actor. An
/// actor that dies fails the attempt with a [`CallError`], which may be retried.
///
/// ```
/// use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
/// use sortie::{AgentRef, actor};
///
/// struct Counter;
/// struct Next(u64, RpcReplyPort<u64>);
/// # #[cfg(feature = "cluster")] impl ractor::Message for Next {}
///
/// # #[cfg_attr(feature = "async-trait", ractor::async_trait)]
/// impl Actor for Counter {
///     type Msg = Next;
///     type State = u64;
///     type Arguments = u64;
///
///     async fn pre_start(&self, _: ActorRef<Next>, from: u64) -> Result<u64, ActorProcessingErr> {
///         Ok(from)
///     }
///
///     async fn handle(
///         &self,
///         _: ActorRef<Next>,
///         Next(step, reply): Next,
///         state: &mut u64,
///     ) -> Result<(), ActorProcessingErr> {
///         *state += step;
///         Ok(reply.send(*state)?)
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let counter = actor::spawned("counter", || (Counter, 100), Next);
/// let counts = sortie::foreach([1, 2, 3], counter).concurrency(1).all().await.unwrap();
/// assert_eq!(counts, [101, 103, 106]); // one child, one actor, one state
/// # }
/// ```
pub fn spawned<A, I, R>(
    name: impl Into<String>,
    make: impl Fn() -> (A, A::Arguments) + Send + Sync + 'static,
    message: impl Fn(I, RpcReplyPort<R>) -> A::Msg + Send + Sync + 'static,
) -> Spawned<A, I, R>
where
    A: Actor,
    I: Send + 'static,
    R: Send + 'static,
{
    let (make, message) = (Box::new(make), Box::new(message));
    Spawned { name: name.into().into(), make, message, living: Mutex::default() }
}

/// An actor within a run, as an agent; [`spawned`] makes it.
pub struct Spawned<A: Actor, I, R> {
    name: Arc<str>,
    make: Box<Make<A>>,
    message: Box<Message<A, I, R>>,
    /// The actor of each place of each run. Those of runs that are no more have ended, and are forgotten now and then.
    living: Mutex<Guests<A::Msg>>,
}

/// Actors by place.
type Guests<M> = HashMap<(usize, usize), Guest<M>>;

/// An actor, and for whom it works. Another run may have the same place later.
struct Guest<M> {
    host: Arc<Host>,
    predecessors: usize,
    actor: ActorRef<M>,
}

impl<A: Actor, I, O, E> Spawned<A, I, Result<O, E>> {
    /// The same actor as an agent that gives the value of its answer, or fails with its error.
    pub fn fallible(self) -> Fallible<Self> {
        Fallible::new(self)
    }
}

impl<A: Actor, I, R> Spawned<A, I, R> {
    /// The actor of the child that makes the attempt.
    async fn actor(&self, cx: &AgentContext) -> Result<ActorRef<A::Msg>, AgentError> {
        let not_started =
            |reason| AgentError::retry(CallError::NotStarted { name: Arc::clone(&self.name), reason });
        let host = Host::of(cx).ok_or_else(|| not_started("its run has no supervisor".to_owned()))?;
        let (place, predecessors) = cx.child();
        if let Some(guest) = lock(&self.living).get(&place).filter(|guest| Arc::ptr_eq(&guest.host, &host)) {
            if guest.predecessors != predecessors {
                guest.actor.stop(None);
            } else if is_alive(&guest.actor) {
                return Ok(guest.actor.clone());
            }
        }
        let (actor, arguments) = (self.make)();
        let (actor, arguments) = (Guarded::new(actor), Contained::new(arguments));
        let spawned = Guarded::spawn_linked(None, actor, arguments, host.invite()).await;
        let (actor, _) = spawned.map_err(|error| match error {
            SpawnErr::StartupFailed(error) => not_started(display(&error)),
            error => not_started(display(&error)),
        })?;
        let mut living = lock(&self.living);
        if living.len() == living.capacity() {
            living.retain(|_, guest| is_alive(&guest.actor));
        }
        living.insert(place, Guest { host, predecessors, actor: actor.clone() });
        Ok(actor)
    }
}

/// Whether an actor takes messages.
pub(super) fn is_alive<M>(actor: &ActorRef<M>) -> bool {
    actor.get_status() < ActorStatus::Draining
}

impl<A: Actor, I: Send + 'static, R: Send + 'static> Agent for Spawned<A, I, R> {
    type Input = I;
    type Output = R;

    fn name(&self) -> &str {
        &self.name
    }

    async fn run(&self, input: I, cx: AgentContext) -> Result<R, AgentError> {
        let actor = self.actor(&cx).await?;
        let (port, answer) = oneshot();
        let message = (self.message)(input, port.into());
        // An actor that has just ended drops the message, and with it the port.
        let _ = actor.send_message(message);
        Call::new(answer, actor, Callee::<A>::Spawned, &cx).answer(&self.name).await
    }
}

impl<A: Actor, I: Send + 'static, R: Send + 'static> IntoAgent<I, R> for Spawned<A, I, R> {
    fn into_agent(self) -> AgentRef<I, R> {
        AgentRef::new(self)
    }
}

impl<A: Actor, I, R> fmt::Debug for Spawned<A, I, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spawned").field("name", &self.name).finish_non_exhaustive()
    }
}
