//! The child actor.

use std::sync::Arc;

use ractor::{Actor, ActorProcessingErr, ActorRef};

use super::crew::Crew;
use super::message::Resume;
use super::seat::Seat;
use super::shift::Leave;

/// Hosts the attempts of one seat, one at a time, and dies of the first that panics: what the agent's code has left
/// behind dies with it.
pub(super) struct Child;

/// The place of a child. However the child ends, also before it has done anything, and also without a supervisor that
/// would bury it, the seat shows it.
pub(super) struct Post {
    crew: Arc<dyn Crew>,
    seat: Arc<Seat>,
    /// How many children had the seat before.
    predecessors: usize,
}

impl Post {
    pub(super) fn new(crew: &Arc<dyn Crew>, seat: &Arc<Seat>) -> Self {
        let (crew, seat) = (Arc::clone(crew), Arc::clone(seat));
        let predecessors = seat.bodies.predecessors();
        Self { crew, seat, predecessors }
    }
}

impl Drop for Post {
    fn drop(&mut self) {
        // A child that was buried may have a successor by now.
        if self.seat.bodies.predecessors() == self.predecessors {
            self.crew.control().vacate(&self.seat);
        }
    }
}

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
