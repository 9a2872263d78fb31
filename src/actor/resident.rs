//! Actors that live as long as their system.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ractor::{Actor, RpcReplyPort};

use super::fallible::Fallible;
use super::pool::{Asker, Pool};
use super::{Make, Message};
use crate::agent::AgentRef;
use crate::policy::positive;
use crate::supervisor::tree::{IntoResident, Resident as AnyPool};

/// Makes a resident of an actor: it is started with its system, under a named supervisor, keeps its state from call to
/// call, and is restarted with what `make` gives when it dies. Give it to a
/// [supervisor](crate::SupervisorBuilder::resident), and get the agent through which it is called, by `message`.
///
/// A call to a resident that is being restarted waits for the new actor. A call whose actor dies before it answers fails
/// with a [`CallError`](super::CallError), which may be retried. A call that exceeds its timeout leaves the actor alone,
/// because it works for others too: the attempt is reported as not stopped if the answer does not come within 50 ms more,
/// and keeps its slot until it does. Every end of a resident counts for its supervisor's
/// [intensity](crate::SupervisorBuilder::intensity), also a stop of its own accord.
///
/// A request that kills the actor whenever it comes is tried again as often as a restart policy of the agent allows, and kills
/// as many actors: give such agents few attempts, or none of the intensity is left for others. Where a death ends the
/// whole system, the call that caused it ends as `CallError::Ended` or as [`Cause::ShutDown`](crate::Cause::ShutDown),
/// whichever comes first.
///
/// The agent may be used anywhere, also outside its system; once that has ended, calls fail at once.
///
/// ```
/// # use std::time::Duration;
/// # use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
/// # struct Counter;
/// # struct Next(u64, RpcReplyPort<u64>);
/// # #[cfg(feature = "cluster")] impl ractor::Message for Next {}
/// # #[cfg_attr(feature = "async-trait", ractor::async_trait)]
/// # impl Actor for Counter {
/// #     type Msg = Next;
/// #     type State = u64;
/// #     type Arguments = u64;
/// #     async fn pre_start(&self, _: ActorRef<Next>, from: u64) -> Result<u64, ActorProcessingErr> { Ok(from) }
/// #     async fn handle(&self, _: ActorRef<Next>, Next(step, reply): Next, state: &mut u64) -> Result<(), ActorProcessingErr> {
/// #         *state += step;
/// #         Ok(reply.send(*state)?)
/// #     }
/// # }
/// use sortie::{System, actor};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut builder = System::builder();
/// let counter = builder.supervisor("counters").resident(actor::resident("counter", || (Counter, 100), Next));
/// let system = builder.start().await?;
///
/// assert_eq!(system.ask(&counter, 1).await?, 101);
/// assert_eq!(system.ask(&counter, 2).await?, 103);
/// system.shutdown(Duration::from_secs(1)).await?;
/// # Ok(()) }
/// ```
pub fn resident<A, I, R>(
    name: impl Into<String>,
    make: impl Fn() -> (A, A::Arguments) + Send + Sync + 'static,
    message: impl Fn(I, RpcReplyPort<R>) -> A::Msg + Send + Sync + 'static,
) -> Resident<A, I, R>
where
    A: Actor,
    I: Send + 'static,
    R: Send + 'static,
{
    let (make, message) = (Box::new(make), Box::new(message));
    Resident { name: name.into().into(), make, message, instances: 1, start_limit: Duration::from_secs(10) }
}

/// A resident actor that is being described; [`resident`] makes it.
pub struct Resident<A: Actor, I, R> {
    name: Arc<str>,
    make: Box<Make<A>>,
    message: Box<Message<A, I, R>>,
    instances: usize,
    start_limit: Duration,
}

impl<A: Actor, I, R> Resident<A, I, R> {
    /// How many actors a pool may have.
    pub const MOST_INSTANCES: usize = 1 << 20;

    /// A pool of so many actors of this kind; 1 unless set. A call goes to the living one with the fewest calls. This is an
    /// amount and no limit: all of them are started with the system, and each takes some 7 KB.
    ///
    /// # Panics
    /// If `instances` is zero, or more than [`MOST_INSTANCES`](Self::MOST_INSTANCES).
    #[track_caller]
    pub fn instances(mut self, instances: usize) -> Self {
        assert!(instances > 0, "a resident needs at least 1 instance: nobody would ever answer");
        assert!(
            instances <= Self::MOST_INSTANCES,
            "a resident has at most {} instances, and not {instances}: all of them are started with the system",
            Self::MOST_INSTANCES
        );
        self.instances = instances;
        self
    }

    /// How long the `pre_start` of an actor may take; 10 s unless set. Its supervisor waits for it, and cannot restart
    /// another resident meanwhile. One that takes longer has failed to start.
    ///
    /// # Panics
    /// If `limit` is zero.
    #[track_caller]
    pub fn start_limit(mut self, limit: Duration) -> Self {
        self.start_limit = positive(limit, "a start limit", "10 s are the default");
        self
    }
}

impl<A: Actor, I, O, E> Resident<A, I, Result<O, E>> {
    /// The same resident, whose agent gives the value of its answer, or fails with its error.
    pub fn fallible(self) -> Fallible<Self> {
        Fallible::new(self)
    }
}

impl<A: Actor, I: Send + 'static, R: Send + 'static> IntoResident<I, R> for Resident<A, I, R> {
    fn into_resident(self) -> (Arc<dyn AnyPool>, AgentRef<I, R>) {
        let pool = Arc::new(Pool::new(self.name, self.make, self.instances, self.start_limit));
        let asker = Asker::new(Arc::clone(&pool), self.message);
        (pool, AgentRef::new(asker))
    }
}

impl<A: Actor, I, R> fmt::Debug for Resident<A, I, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resident")
            .field("name", &self.name)
            .field("instances", &self.instances)
            .finish_non_exhaustive()
    }
}
