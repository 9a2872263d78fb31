//! The actors of a resident, and how one of them is asked.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures::future::BoxFuture;
use ractor::concurrency::oneshot;
use ractor::{Actor, ActorCell, ActorRef, MessagingErr, SpawnErr};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::call::{Call, Callee};
use super::error::CallError;
use super::guarded::Guarded;
use super::spawned::is_alive;
use super::{Make, Message};
use crate::agent::{Agent, AgentContext};
use crate::outcome::AgentError;
use crate::supervisor::tree::Resident;
use crate::sync::lock;
use crate::user_code::{Contained, contain};

/// The actors of a resident. It stays while they come and go.
pub(super) struct Pool<A: Actor> {
    name: Arc<str>,
    make: Contained<Box<Make<A>>>,
    start_limit: Duration,
    places: Mutex<Places<A::Msg>>,
    /// An actor has come, or none will come any more.
    changed: Notify,
}

struct Places<M> {
    places: Vec<Place<M>>,
    closed: bool,
}

struct Place<M> {
    actor: Option<ActorRef<M>>,
    /// Calls under way, for whichever actor they are.
    calls: usize,
}

impl<A: Actor> Pool<A> {
    pub(super) fn new(name: Arc<str>, make: Box<Make<A>>, instances: usize, start_limit: Duration) -> Self {
        let places = (0..instances).map(|_| Place { actor: None, calls: 0 }).collect();
        let places = Mutex::new(Places { places, closed: false });
        Self { name, make: Contained::new(make), start_limit, places, changed: Notify::new() }
    }

    fn places(&self) -> MutexGuard<'_, Places<A::Msg>> {
        lock(&self.places)
    }

    /// The living actor with the fewest calls; waits until there is one.
    async fn pick(self: &Arc<Self>) -> Result<Picked<A>, AgentError> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Registered before the look, or an actor that comes between the two would not be heard of.
            changed.as_mut().enable();
            match self.try_pick() {
                Ok(Some(picked)) => return Ok(picked),
                Ok(None) => changed.await,
                Err(error) => return Err(AgentError::fatal(error).with_code("system_ended")),
            }
        }
    }

    fn try_pick(self: &Arc<Self>) -> Result<Option<Picked<A>>, CallError> {
        let mut places = self.places();
        if places.closed {
            return Err(CallError::SystemEnded(Arc::clone(&self.name)));
        }
        let living = places.places.iter_mut().enumerate();
        let living = living.filter(|(_, place)| place.actor.as_ref().is_some_and(is_alive));
        let Some((number, place)) = living.min_by_key(|(_, place)| place.calls) else { return Ok(None) };
        place.calls += 1;
        Ok(place.actor.clone().map(|actor| (actor, Turn { pool: Arc::clone(self), number })))
    }

    /// This actor takes no messages, whatever its status says. Its place may be another one's by now.
    fn forget(&self, actor: &ActorRef<A::Msg>) {
        for place in &mut self.places().places {
            place.actor.take_if(|living| living.get_id() == actor.get_id());
        }
    }
}

impl<A: Actor> Resident for Pool<A> {
    fn name(&self) -> &str {
        &self.name
    }

    fn instances(&self) -> usize {
        self.places().places.len()
    }

    fn start(&self, place: usize, supervisor: ActorCell) -> BoxFuture<'_, Result<ActorCell, SpawnErr>> {
        Box::pin(async move {
            let failed = |reason: String| SpawnErr::StartupFailed(reason.into());
            // Called in the supervisor, which must not die of it.
            let Some(make) = self.make.get() else { return Err(failed("it is being dropped".to_owned())) };
            let (actor, arguments) = contain(make).map_err(failed)?;
            let (actor, arguments) = (Guarded::new(actor), Contained::new(arguments));
            let started = Guarded::spawn_linked(None, actor, arguments, supervisor);
            let Ok(started) = timeout(self.start_limit, started).await else {
                let limit = humantime::format_duration(self.start_limit);
                return Err(failed(format!("its `pre_start` took longer than {limit}")));
            };
            let (actor, _) = started?;
            if let Some(place) = self.places().places.get_mut(place) {
                place.actor = Some(actor.clone());
            }
            self.changed.notify_waiters();
            Ok(actor.get_cell())
        })
    }

    fn leave(&self, place: usize) {
        if let Some(place) = self.places().places.get_mut(place) {
            place.actor = None;
        }
    }

    fn close(&self) {
        self.places().closed = true;
        self.changed.notify_waiters();
    }

    fn alive(&self) -> usize {
        self.places().places.iter().filter(|place| place.actor.as_ref().is_some_and(is_alive)).count()
    }
}

/// A living actor, and the call of its place.
type Picked<A> = (ActorRef<<A as Actor>::Msg>, Turn<A>);

/// One call of a place, while it is counted.
pub(super) struct Turn<A: Actor> {
    pool: Arc<Pool<A>>,
    number: usize,
}

impl<A: Actor> Drop for Turn<A> {
    fn drop(&mut self) {
        if let Some(place) = self.pool.places().places.get_mut(self.number) {
            place.calls -= 1;
        }
    }
}

/// The agent that asks the actors of a pool.
pub(super) struct Asker<A: Actor, I, R> {
    pool: Arc<Pool<A>>,
    message: Box<Message<A, I, R>>,
}

impl<A: Actor, I, R> Asker<A, I, R> {
    pub(super) fn new(pool: Arc<Pool<A>>, message: Box<Message<A, I, R>>) -> Self {
        Self { pool, message }
    }
}

impl<A: Actor, I: Send + 'static, R: Send + 'static> Agent for Asker<A, I, R> {
    type Input = I;
    type Output = R;

    fn name(&self) -> &str {
        &self.pool.name
    }

    async fn run(&self, input: I, cx: AgentContext) -> Result<R, AgentError> {
        let (port, answer) = oneshot();
        let mut message = (self.message)(input, port.into());
        loop {
            let (actor, turn) = self.pool.pick().await?;
            // An actor that has just ended gives the message back.
            match actor.send_message(message) {
                Err(MessagingErr::SendErr(back)) => {
                    self.pool.forget(&actor);
                    message = back;
                }
                _ => {
                    let call = Call::new(answer, actor, Callee::Resident { _turn: turn }, &cx);
                    return call.answer(&self.pool.name).await;
                }
            }
        }
    }
}
