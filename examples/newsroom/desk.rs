//! The agents: one reads a document, two work on what was read, and the desk puts them together.

use std::sync::Arc;
use std::time::Duration;

use sortie::{Agent, AgentContext, AgentError, AgentRef, Backoff, Outcome, Restart, agent_fn};

use crate::document::{Document, Extent, Source};
use crate::faults::Faults;
use crate::sentiment::{self, Mood};
use crate::summary;

/// Reading is limited apart from `--timeout`: a disk that spins up is no fault of the two branches.
const READ_LIMIT: Duration = Duration::from_secs(10);

/// How many attempts a branch has.
const ATTEMPTS: u32 = 3;

/// What a branch delivered, and at which attempt.
#[derive(Debug)]
pub(crate) struct Filed<T> {
    pub(crate) value: T,
    pub(crate) attempt: u32,
}

/// What became of a document's branches. Its text is dropped, so that a report on many documents fits in memory.
#[derive(Debug)]
pub(crate) struct Review {
    pub(crate) extent: Extent,
    pub(crate) fingerprint: u128,
    pub(crate) mood: Outcome<Filed<Mood>>,
    pub(crate) summary: Outcome<Filed<String>>,
}

/// Reviews one document: reads it, then runs its two branches side by side.
///
/// A document that cannot be read is this agent's failure. A branch that fails is not: the review says so and keeps
/// what the other one made.
pub(crate) struct Desk {
    read: AgentRef<Source, Document>,
    sentiment: AgentRef<Arc<Document>, Filed<Mood>>,
    summary: AgentRef<Arc<Document>, Filed<String>>,
    timeout: Duration,
    restart: Restart,
}

impl Desk {
    /// A desk whose branches have `timeout` for each attempt and suffer from `faults`.
    pub(crate) fn new(timeout: Duration, faults: Faults) -> Self {
        // Files are read on blocking threads, so that a slow disk holds up no other agent.
        let read = sortie::blocking(|source: Source, _| source.read().map_err(AgentError::fatal));
        Self {
            read: AgentRef::new(read.named("read")).timeout(READ_LIMIT),
            sentiment: reporter("sentiment", faults, |document| sentiment::analyse(&document.sentences)),
            summary: reporter("summary", faults, |document| {
                summary::summarise(&document.sentences).unwrap_or_default().to_owned()
            }),
            timeout,
            restart: Restart::attempts(ATTEMPTS).backoff(Backoff::exponential(Duration::from_millis(20))),
        }
    }
}

impl Agent for Desk {
    type Input = Source;
    type Output = Review;

    fn name(&self) -> &str {
        "review"
    }

    async fn run(&self, source: Source, cx: AgentContext) -> Result<Review, AgentError> {
        let document = Arc::new(cx.ask(&self.read, source).label("read").await?);
        let (mood, summary) = cx
            .branches((
                self.sentiment.branch(Arc::clone(&document)).label("sentiment"),
                self.summary.branch(Arc::clone(&document)).label("summary"),
            ))
            .timeout(self.timeout)
            .restart(self.restart.clone())
            .settled()
            .await;
        Ok(Review { extent: document.extent, fingerprint: document.fingerprint, mood, summary })
    }
}

/// An agent that works on a document, unless a fault hits its attempt first.
fn reporter<T: Send + 'static>(
    name: &'static str,
    faults: Faults,
    work: fn(&Document) -> T,
) -> AgentRef<Arc<Document>, Filed<T>> {
    let report = agent_fn(move |document: Arc<Document>, cx: AgentContext| async move {
        faults.inject(&document.name, name, cx.attempt()).await?;
        Ok(Filed { value: work(&document), attempt: cx.attempt() })
    });
    AgentRef::new(report.named(name))
}
