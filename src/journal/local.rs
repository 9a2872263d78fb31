//! A journal over a store of this process.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;
use tokio::time::Instant;

use super::committer::Committer;
use super::error::{JournalError, JournalErrorKind};
use super::intent::{Event, Head, Refused, State, Stored};
use super::key;
use super::ledger::Now;
use super::pieces::LONGEST_INLINE;
use super::plan::{Appended, Bounds, Claim, Intent, Plan};
use super::store::Store;
use super::waiting::News;
use crate::outcome::LaunchId;

/// A journal over a store of this process: every method resolves when what it says is durable.
pub(crate) struct Journal {
    committer: Committer,
    opened: Instant,
    news: Arc<News>,
}

impl Journal {
    /// Opens what the store holds, for one system. What ran when the last one died is ready to run again.
    pub(crate) async fn open(store: Box<dyn Store>, bounds: Bounds) -> Result<Self, JournalError> {
        let (opened, news) = (Instant::now(), Arc::<News>::default());
        let theirs = Arc::clone(&news);
        let now = Now { wall: millis(), steady: Duration::ZERO };
        #[expect(clippy::disallowed_methods, reason = "it reads the store, and is waited for")]
        let opening = tokio::task::spawn_blocking(move || {
            let mut plan = Plan::open(store, bounds, theirs, now)?;
            plan.commit_recovery()?;
            Committer::start(plan)
        });
        let closed = |error| JournalError::new(JournalErrorKind::Closed).because(error);
        let committer = opening.await.map_err(closed)??;
        Ok(Self { committer, opened, news })
    }

    fn now(&self) -> Now {
        Now { wall: millis(), steady: self.opened.elapsed() }
    }

    pub(super) async fn ask<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&mut Plan, Now) -> Result<T, JournalError> + Send + 'static,
    ) -> Result<T, JournalError> {
        self.committer.submit(self.now(), ask).await
    }

    /// Records an intent with this input.
    pub(crate) async fn record(&self, mut intent: Intent, input: Vec<u8>) -> Result<Appended, JournalError> {
        let mut staged = None;
        if input.len() <= LONGEST_INLINE {
            intent.input = Stored::Here(input);
        } else {
            let (agent, key, digest) = (intent.agent.clone(), intent.key.clone(), intent.digest);
            let look = self.ask(move |plan, now| match plan.look_up(&agent, key.as_deref(), digest)? {
                Some(there) => Ok(Err(there)),
                None => Ok(Ok(plan.stage(None, now)?)),
            });
            let id = match look.await? {
                Ok(id) => id,
                Err(there) => return Ok(there),
            };
            intent.input = self.put(key::INPUTS, id, input).await?;
            staged = Some(id);
        }
        self.ask(move |plan, now| plan.append(staged, intent, now)).await
    }

    /// Claims at most `max` launches of these agents, and says when the next one is due if that can be said.
    pub(crate) async fn claim(
        &self,
        agents: Arc<[String]>,
        max: usize,
    ) -> Result<(Vec<Claim>, Option<Duration>), JournalError> {
        self.ask(move |plan, now| {
            let claims = plan.claim(&agents, max, now)?;
            Ok((claims, plan.ledger.next_due(now)))
        })
        .await
    }

    /// Gives back what stands as running of these agents, and says how much that is.
    pub(crate) async fn give_back(&self, agents: Arc<[String]>) -> Result<usize, JournalError> {
        self.ask(move |plan, now| plan.give_back(&agents, now)).await
    }

    /// Gives a claim back whose input this process cannot read; it is not claimed again here.
    pub(crate) async fn park(&self, claim: Claim) -> Result<(), JournalError> {
        self.ask(move |plan, now| plan.park(&claim, now)).await
    }

    /// Tells when there may be something to claim that there was not before.
    pub(crate) fn ready(&self) -> watch::Receiver<()> {
        self.news.ready.subscribe()
    }

    /// The input of a claimed launch.
    pub(crate) async fn input(&self, claim: &Claim) -> Result<Vec<u8>, JournalError> {
        self.payload(key::INPUTS, claim.id, &claim.head.input).await
    }

    /// Concludes an attempt with its output.
    pub(crate) async fn succeed(
        &self,
        claim: &Claim,
        output: &[u8],
    ) -> Result<Result<Head, Refused>, JournalError> {
        let (id, epoch, attempt) = (claim.id, claim.epoch, claim.attempt);
        let output = if output.len() <= LONGEST_INLINE {
            Stored::Here(output.to_vec())
        } else {
            let stage = self.ask(move |plan, now| plan.stage_output(id, epoch, attempt, now));
            if let Err(refused) = stage.await? {
                return Ok(Err(refused));
            }
            self.put(key::OUTPUTS, id, output.to_vec()).await?
        };
        self.advance(id, Event::Succeed { epoch, attempt, output }).await
    }

    /// Moves a launch.
    pub(crate) async fn advance(
        &self,
        id: LaunchId,
        event: Event,
    ) -> Result<Result<Head, Refused>, JournalError> {
        self.ask(move |plan, now| plan.advance(id, event, now)).await
    }

    /// What is recorded of a launch, and whether it is parked.
    pub(crate) async fn look(&self, id: LaunchId) -> Result<Option<(Head, bool)>, JournalError> {
        self.ask(move |plan, _| {
            let head = plan.head(id)?;
            Ok(head.map(|head| {
                let parked = plan.is_parked(id, &head);
                (head, parked)
            }))
        })
        .await
    }

    /// What is recorded of a launch.
    pub(crate) async fn head(&self, id: LaunchId) -> Result<Option<Head>, JournalError> {
        self.ask(move |plan, _| plan.head(id)).await
    }

    /// Waits until a launch has ended; `None` if none of this id is recorded.
    pub(crate) async fn ended(&self, id: LaunchId) -> Result<Option<Head>, JournalError> {
        loop {
            // Registered before the look, or an end between the two would not be heard.
            let told = self.news.ends.wait_for(id);
            let head = self.head(id).await?;
            if head.as_ref().is_none_or(|head| head.state.is_final()) {
                return Ok(head);
            }
            told.await;
        }
    }

    /// The output of a launch that is done.
    pub(crate) async fn output(&self, id: LaunchId, head: &Head) -> Result<Option<Vec<u8>>, JournalError> {
        match &head.state {
            State::Done { output, .. } => self.payload(key::OUTPUTS, id, output).await.map(Some),
            _ => Ok(None),
        }
    }

    /// Takes no further requests; what waits is answered, then the store is closed.
    pub(crate) fn close(&self) {
        self.committer.close();
        self.news.ends.close();
    }

    /// Waits until the store is closed.
    pub(crate) async fn closed(&self) {
        self.committer.closed().await;
    }
}

/// The wall clock.
fn millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
