//! The agents of the service, and the system in which they run.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sortie::{AgentContext, AgentError, AgentRef, Backoff, Restart, StartError, System, Trigger, agent_fn};
use tokio::time::sleep;

use crate::counts::Counts;

/// What every request handler needs. Cheap to clone.
#[derive(Clone)]
pub struct App {
    pub system: System,
    pub review: AgentRef<String, Review>,
    pub counts: Arc<Counts>,
}

impl App {
    pub async fn start() -> Result<Self, StartError> {
        let mut builder = System::builder();
        let review =
            AgentRef::new(agent_fn(review).named("review")).timeout(Duration::from_millis(300)).restart(
                Restart::attempts(3)
                    .backoff(Backoff::fixed(Duration::from_millis(10)))
                    .only([Trigger::Error, Trigger::Panic]),
            );
        let review = builder.register(review);
        builder.register(agent_fn(wait).named("wait"));
        Ok(Self { system: builder.start().await?, review, counts: Arc::default() })
    }
}

/// What a review finds.
#[derive(Serialize, Deserialize)]
pub struct Review {
    words: usize,
    loud: bool,
}

/// Reviews a text. In the place of a model, which would be asked here, it has the model's moods: texts that say `flaky`
/// fail at first, those that say `panic` make it panic, and with `hang` it never answers.
async fn review(text: String, cx: AgentContext) -> Result<Review, AgentError> {
    sleep(Duration::from_millis(5)).await;
    if text.is_empty() {
        return Err(AgentError::fatal("there is nothing to review").with_code("empty"));
    }
    assert!(!text.contains("panic"), "the model is confused");
    if text.contains("hang") {
        std::future::pending::<()>().await;
    }
    if text.contains("flaky") && cx.attempt() == 1 {
        return Err("the model is overloaded".into());
    }
    Ok(Review { words: text.split_whitespace().count(), loud: text.ends_with('!') })
}

/// How long to wait.
#[derive(Serialize, Deserialize)]
struct Wait {
    ms: u64,
}

/// Takes as long as it is told, to see what becomes of a long request.
async fn wait(wait: Wait, _: AgentContext) -> Result<Wait, AgentError> {
    sleep(Duration::from_millis(wait.ms)).await;
    Ok(wait)
}
