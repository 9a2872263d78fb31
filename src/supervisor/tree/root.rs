//! The actor on top of a system.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{Either, select};
use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, SpawnErr, SupervisionEvent};
use tokio::time::Instant;

use super::gate::Phase;
use super::named::{Named, Supervisor};
use super::{Shutdown, SystemError, Tree, reason_of};
use crate::policy::Deaths;
use crate::supervisor::death::Death;
use crate::supervisor::message::Wake;
use crate::supervisor::run::LOOK_AGAIN;
use crate::supervisor::run::YIELD_GRACE;
use crate::supervisor::timer::Timer;
use crate::user_code::printable;

/// Owns the supervisors: starts them, restarts those that die, and takes everything down in the end, children first.
///
/// However it dies, the tree gets its end with it.
pub(super) struct Root(Arc<Tree>);

/// How long actors of the user's that are told to stop have at least, whatever is left of a grace.
pub(in crate::supervisor) const LAST_WORDS: Duration = Duration::from_millis(100);

pub(super) struct State {
    tree: Arc<Tree>,
    started: Instant,
    deaths: Deaths,
    supervisors: HashMap<ActorId, Member>,
    timer: Timer,
    /// The death that was one too many.
    failure: Option<SystemError>,
    /// When supervisors that have not ended are killed, once they are told to end.
    kill_at: Option<Instant>,
    /// How long bodies that are about to end may take for it, once nothing else is left.
    bodies_until: Option<Instant>,
}

struct Member {
    supervisor: Arc<Supervisor>,
    actor: ActorRef<Wake>,
}

impl Root {
    pub(super) fn over(tree: &Arc<Tree>) -> Self {
        Self(Arc::clone(tree))
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        // If it has ended in good order, that is noted already.
        self.0.set_end(Err(SystemError::killed()));
    }
}

#[cfg_attr(feature = "async-trait", ractor::async_trait)]
impl Actor for Root {
    type Msg = Wake;
    type State = State;
    type Arguments = Arc<Tree>;

    async fn pre_start(&self, myself: ActorRef<Wake>, tree: Arc<Tree>) -> Result<State, ActorProcessingErr> {
        let mut state = State {
            started: Instant::now(),
            deaths: Deaths::default(),
            supervisors: HashMap::new(),
            timer: Timer::default(),
            failure: None,
            kill_at: None,
            bodies_until: None,
            tree: Arc::clone(&tree),
        };
        for supervisor in &tree.supervisors {
            let start = state.start(supervisor, &myself).await;
            start.map_err(|error| format!("supervisor `{}`: {}", supervisor.name(), reason_of(error)))?;
        }
        tree.root.send_replace(Some(myself));
        Ok(state)
    }

    async fn handle(
        &self,
        myself: ActorRef<Wake>,
        _: Wake,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        state.look(&myself).await
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<Wake>,
        event: SupervisionEvent,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        let Some(death) = Death::of(event) else { return Ok(()) };
        state.bury(death, &myself).await;
        state.look(&myself).await
    }
}

impl State {
    async fn start(&mut self, supervisor: &Arc<Supervisor>, myself: &ActorRef<Wake>) -> Result<(), SpawnErr> {
        let (actor, _) = Named::spawn_linked(None, Named, Arc::clone(supervisor), myself.get_cell()).await?;
        self.supervisors.insert(actor.get_id(), Member { supervisor: Arc::clone(supervisor), actor });
        Ok(())
    }

    /// An actor under the root has ended. Runs do that all the time; a supervisor does so only if it has failed, or was
    /// told to.
    async fn bury(&mut self, Death { actor, mut reason, .. }: Death, myself: &ActorRef<Wake>) {
        let Some(Member { supervisor, .. }) = self.supervisors.remove(&actor.get_id()) else { return };
        supervisor.leave().await;
        while self.tree.phase() < Phase::Stopping {
            let last = format!("supervisor `{}`: {reason}", supervisor.name());
            if !self.deaths.bearable(self.tree.intensity, self.started.elapsed()) {
                log_error!(
                    supervisor = %printable(supervisor.name()),
                    reason = %printable(&reason),
                    "one death too many: the system stops"
                );
                self.failure = Some(SystemError::escalated(self.tree.intensity, last));
                return self.tree.gate.stop();
            }
            log_warn!(
                supervisor = %printable(supervisor.name()),
                reason = %printable(&reason),
                "a supervisor has died and is restarted"
            );
            supervisor.count_restart();
            let tree = Arc::clone(&self.tree);
            match select(pin!(self.start(&supervisor, myself)), pin!(tree.gate.drain_begins())).await {
                Either::Left((Err(error), _)) => reason = reason_of(error),
                // A shutdown does not wait until a supervisor has started in order to stop it.
                Either::Left((Ok(()), _)) | Either::Right(_) => return,
            }
        }
    }

    /// Looks how far a shutdown has come, and does the next step.
    async fn look(&mut self, myself: &ActorRef<Wake>) -> Result<(), ActorProcessingErr> {
        let (tree, now) = (Arc::clone(&self.tree), Instant::now());
        if tree.phase() == Phase::Draining {
            let until = tree.gate.drain_until().unwrap_or(now);
            if until > now && !tree.gate.is_drained() {
                self.timer.set(until, now, myself);
                return Ok(());
            }
            tree.gate.stop();
        }
        // A run ends by itself once it is stopped, and says so.
        if tree.phase() != Phase::Stopping || !tree.gate.is_empty() {
            return Ok(());
        }
        let kill_at = *self.kill_at.get_or_insert_with(|| {
            let kill_at = tree.gate.drain_until().unwrap_or(now).max(now + LAST_WORDS);
            for member in self.supervisors.values() {
                member.supervisor.retire(kill_at);
            }
            // A supervisor kills its residents at that moment; one that has not ended a little later is stuck itself.
            kill_at + LAST_WORDS
        });
        if !self.supervisors.is_empty() && kill_at > now {
            self.timer.set(kill_at, now, myself);
            return Ok(());
        }
        for member in self.supervisors.values() {
            member.actor.kill();
        }
        // A call whose actor was killed ends a little later than the actor. What is still there then does not stop.
        let bodies_until = *self.bodies_until.get_or_insert(now + YIELD_GRACE);
        if tree.gate.not_stopped() > 0 && bodies_until > now {
            self.timer.set(now + LOOK_AGAIN, now, myself);
            return Ok(());
        }
        self.end(myself).await
    }

    async fn end(&mut self, myself: &ActorRef<Wake>) -> Result<(), ActorProcessingErr> {
        for supervisor in &self.tree.supervisors {
            // Here and not in the services, because one that has died is not started again while the system ends.
            self.tree.gate.hand_back(supervisor.hand_back().await);
        }
        if let Some(failure) = &self.failure {
            self.tree.set_end(Err(failure.clone()));
            // An actor above the root learns of it as of any failure.
            return Err(Box::new(failure.clone()));
        }
        let gate = &self.tree.gate;
        let (cut_short, not_stopped, handed_back) =
            (gate.cut_short(), gate.not_stopped(), gate.handed_back());
        self.tree.set_end(Ok(Shutdown { cut_short, not_stopped, handed_back }));
        myself.stop(None);
        Ok(())
    }
}
