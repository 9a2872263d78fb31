//! One request, and what becomes of it when nobody waits for the answer any more.

use std::sync::Arc;

use ractor::concurrency::{Duration, OneshotReceiver};
use ractor::{Actor, ActorRef};
use tokio::runtime::Handle;

use super::error::CallError;
use super::pool::Turn;
use crate::agent::{AgentContext, Body};
use crate::outcome::AgentError;
use crate::user_code::discard;

/// How long an actor that has dropped a request may take to show that it has died of it.
const LAST_BREATH: Duration = Duration::from_millis(50);

/// A request under way.
///
/// Dropping an attempt does not stop the actor that it has asked. A [`Spawned`](Callee::Spawned) actor is killed then,
/// because it works for nobody else; a [`Resident`](Callee::Resident) one goes on. In both cases the attempt has a body
/// until that is over.
pub(super) struct Call<A: Actor, R: Send + 'static> {
    answer: Option<OneshotReceiver<R>>,
    actor: ActorRef<A::Msg>,
    callee: Option<Callee<A>>,
    body: Option<Body>,
}

/// Who is asked.
pub(super) enum Callee<A: Actor> {
    Spawned,
    Resident {
        /// Its place counts the call.
        _turn: Turn<A>,
    },
}

impl<A: Actor, R: Send + 'static> Call<A, R> {
    pub(super) fn new(
        answer: OneshotReceiver<R>,
        actor: ActorRef<A::Msg>,
        callee: Callee<A>,
        cx: &AgentContext,
    ) -> Self {
        Self { answer: Some(answer), actor, callee: Some(callee), body: Some(cx.enter_body()) }
    }

    /// Waits for the answer. `name` is the actor's, for errors.
    pub(super) async fn answer(mut self, name: &Arc<str>) -> Result<R, AgentError> {
        let Some(answer) = &mut self.answer else { unreachable!("the answer is waited for once") };
        let answer = answer.await;
        self.answer = None;
        if let Ok(answer) = answer {
            return Ok(answer);
        }
        // A port that is dropped in a panic is dropped before the actor is seen to have ended.
        let ended = self.actor.wait(Some(LAST_BREATH)).await.is_ok();
        let error = if ended { CallError::Ended } else { CallError::NoAnswer };
        Err(AgentError::retry(error(Arc::clone(name))))
    }
}

impl<A: Actor, R: Send + 'static> Drop for Call<A, R> {
    fn drop(&mut self) {
        // With an answer, or the certainty that there is none, nothing of the call is left.
        let Some(answer) = self.answer.take() else { return };
        let (actor, callee, body) = (self.actor.clone(), self.callee.take(), self.body.take());
        let is_ours = matches!(callee, Some(Callee::Spawned));
        if is_ours {
            actor.kill();
        }
        // Without a runtime, actors are gone as well.
        let Ok(runtime) = Handle::try_current() else { return };
        #[expect(clippy::disallowed_methods, reason = "it only waits, for an actor that is supervised")]
        runtime.spawn(async move {
            if is_ours {
                let _ = actor.wait(None).await;
            } else {
                // Comes when the actor answers, drops the request, or ends.
                discard(answer.await);
            }
            drop((callee, body));
        });
    }
}
