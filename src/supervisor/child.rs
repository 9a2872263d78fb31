//! The child actor.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::time::Instant;

use super::control::Control;
use super::queue::Backlog;
use super::seat::{Occupant, Seat};
use crate::outcome::Cause;

/// A run as its actors see it, whatever its types.
pub(super) trait Crew: Send + Sync + 'static {
    fn control(&self) -> &Control;

    fn shortest_timeout(&self) -> Option<Duration>;

    /// One more place for a child.
    fn new_seat(&self) -> Arc<Seat>;

    /// Makes attempts in the seat with this number, one after the other.
    fn drive(self: Arc<Self>, seat: usize) -> BoxFuture<'static, Leave>;

    fn backlog(&self, now: Instant) -> Backlog;

    /// Concludes the attempt of a child that cannot do so itself, unless it has.
    fn give_up(&self, seat: &Seat, occupant: &Occupant, cause: Cause);
}

/// Why a child has stopped working.
pub(super) enum Leave {
    /// There is nothing to do for now.
    Parked,
    /// It has done what it was for.
    Spent,
    /// Its agent panicked.
    Panicked(String),
}

/// Hosts the attempts of one seat, one at a time, and dies of the first that panics: what the agent's code has left
/// behind dies with it.
pub(super) struct Child;

pub(super) struct Post {
    pub(super) crew: Arc<dyn Crew>,
    pub(super) seat: Arc<Seat>,
}

/// There is work again.
pub(super) struct Resume;

#[cfg(feature = "cluster")]
impl ractor::Message for Resume {}

#[cfg_attr(feature = "async-trait", ractor::async_trait)]
impl Actor for Child {
    type Msg = Resume;
    type State = Post;
    type Arguments = Post;

    async fn pre_start(&self, _: ActorRef<Resume>, post: Post) -> Result<Post, ActorProcessingErr> {
        Ok(post)
    }

    async fn post_start(&self, myself: ActorRef<Resume>, post: &mut Post) -> Result<(), ActorProcessingErr> {
        work(myself, post).await
    }

    async fn handle(
        &self,
        myself: ActorRef<Resume>,
        _: Resume,
        post: &mut Post,
    ) -> Result<(), ActorProcessingErr> {
        work(myself, post).await
    }
}

async fn work(myself: ActorRef<Resume>, post: &mut Post) -> Result<(), ActorProcessingErr> {
    match Arc::clone(&post.crew).drive(post.seat.number).await {
        Leave::Parked => Ok(()),
        Leave::Spent => {
            myself.stop(None);
            Ok(())
        }
        Leave::Panicked(message) => Err(message.into()),
    }
}
