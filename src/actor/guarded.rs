//! An actor of the user's, each of whose steps is contained.

use std::future::Future;

use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};

use crate::user_code::{Contained, contain_async, discard, display};

/// An actor of the user's. What panics or fails in it ends it with a text, in which nothing of the user's is left; so its
/// supervisor always learns of its end. Messages are dropped by ractor, which is not contained.
pub(super) struct Guarded<A>(Contained<A>);

impl<A> Guarded<A> {
    pub(super) fn new(actor: A) -> Self {
        Self(Contained::new(actor))
    }
}

/// Runs one step of the actor.
async fn step<T, F>(make: impl FnOnce() -> F) -> Result<T, ActorProcessingErr>
where
    F: Future<Output = Result<T, ActorProcessingErr>>,
{
    match contain_async(make).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => {
            let text = display(&error);
            discard(error);
            Err(text.into())
        }
        Err(panic) => Err(panic.into()),
    }
}

/// An actor without its parts: they are there until it is dropped.
fn gone() -> ActorProcessingErr {
    "the actor is being dropped".into()
}

#[cfg_attr(feature = "async-trait", ractor::async_trait)]
impl<A: Actor> Actor for Guarded<A> {
    type Msg = A::Msg;
    type State = Contained<A::State>;
    type Arguments = Contained<A::Arguments>;

    async fn pre_start(
        &self,
        myself: ActorRef<A::Msg>,
        mut arguments: Self::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        let (Some(actor), Some(arguments)) = (self.0.get(), arguments.take()) else { return Err(gone()) };
        step(|| actor.pre_start(myself, arguments)).await.map(Contained::new)
    }

    async fn post_start(
        &self,
        myself: ActorRef<A::Msg>,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        let (Some(actor), Some(state)) = (self.0.get(), state.get_mut()) else { return Err(gone()) };
        step(|| actor.post_start(myself, state)).await
    }

    async fn post_stop(
        &self,
        myself: ActorRef<A::Msg>,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        let (Some(actor), Some(state)) = (self.0.get(), state.get_mut()) else { return Err(gone()) };
        step(|| actor.post_stop(myself, state)).await
    }

    async fn handle(
        &self,
        myself: ActorRef<A::Msg>,
        message: A::Msg,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        let (Some(actor), Some(state)) = (self.0.get(), state.get_mut()) else { return Err(gone()) };
        step(|| actor.handle(myself, message, state)).await
    }

    #[cfg(feature = "cluster")]
    async fn handle_serialized(
        &self,
        myself: ActorRef<A::Msg>,
        message: ractor::message::SerializedMessage,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        let (Some(actor), Some(state)) = (self.0.get(), state.get_mut()) else { return Err(gone()) };
        step(|| actor.handle_serialized(myself, message, state)).await
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<A::Msg>,
        event: SupervisionEvent,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        let (Some(actor), Some(state)) = (self.0.get(), state.get_mut()) else { return Err(gone()) };
        step(|| actor.handle_supervisor_evt(myself, event, state)).await
    }
}
