//! The child actor.

use std::sync::Arc;

use ractor::{Actor, ActorProcessingErr, ActorRef};

use super::finish::Leave;
use crate::supervisor::message::Resume;
use crate::supervisor::run::bench::Bench;
use crate::supervisor::run::crew::Crew;

/// Hosts the attempts of one seat, one at a time, and dies of the first that panics: what the agent's code has left
/// behind dies with it. One with several lanes hosts as many attempts at a time, and outlives those that panic: the
/// others are not to die of them.
pub(in crate::supervisor::run) struct Child;

/// The place of a child. However the child ends, also before it has done anything, and also without a supervisor that
/// would bury it, the seat shows it.
pub(in crate::supervisor::run) struct Post {
    crew: Arc<dyn Crew>,
    bench: Arc<Bench>,
    /// How many children had the bench before.
    predecessors: usize,
}

impl Post {
    pub(in crate::supervisor::run) fn new(crew: &Arc<dyn Crew>, bench: &Arc<Bench>) -> Self {
        let (crew, bench) = (Arc::clone(crew), Arc::clone(bench));
        let predecessors = bench.predecessors();
        Self { crew, bench, predecessors }
    }
}

impl Drop for Post {
    fn drop(&mut self) {
        // A child that was buried may have a successor by now, or get one at this very moment.
        self.bench.vacate_after(self.predecessors, self.crew.control());
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
    match Arc::clone(&post.crew).drive(post.bench.number).await {
        Leave::Parked => Ok(()),
        Leave::Spent => {
            myself.stop(None);
            Ok(())
        }
        Leave::Panicked(message) => Err(message.into()),
    }
}
