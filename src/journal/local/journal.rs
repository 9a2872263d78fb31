//! A journal over a store of this process.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use tokio::sync::watch;
use tokio::time::Instant;

use super::committer::Committer;
use super::key;
use super::ledger::Now;
use super::pieces::LONGEST_INLINE;
use super::plan::{Begun, Fence, Plan};
use super::waiting::News;
use crate::journal::clock::WallClock;
use crate::journal::contract::Scope;
use crate::journal::exchange::{Appended, Claim, Claims, Intent, Moved};
use crate::journal::failpoint::pass;
use crate::journal::intent::{Event, Stored};
use crate::journal::launch_record::{LaunchFilter, LaunchRecord, LaunchStatus};
use crate::journal::store::Store;
use crate::journal::terms::Terms;
use crate::journal::{JournalError, JournalErrorKind};
use crate::outcome::LaunchId;

/// How long a payload may be unless set: it is held in memory by the agent, its supervisor and the journal at once.
const LONGEST_PAYLOAD: usize = 16 << 20;

/// A journal over a store of this process. Its methods are those of [`Journal`](crate::journal::Journal).
pub struct Local {
    /// Before the life of the journal.
    store: Mutex<Option<Box<dyn Store>>>,
    life: OnceLock<Life>,
    news: Arc<News>,
    pub(super) longest_payload: usize,
}

/// What there is while the journal lives.
struct Life {
    committer: Committer,
    began: Instant,
    clock: WallClock,
}

impl Local {
    pub(crate) fn new(store: impl Store) -> Self {
        let store = Mutex::new(Some(Box::new(store) as Box<dyn Store>));
        Self { store, life: OnceLock::new(), news: Arc::default(), longest_payload: LONGEST_PAYLOAD }
    }

    pub(crate) fn set_longest_payload(&mut self, bytes: usize) {
        self.longest_payload = bytes;
    }

    fn take_store(&self) -> Option<Box<dyn Store>> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(super) async fn start(&self, scope: Scope) -> Result<(), JournalError> {
        let store = self.take_store().ok_or(JournalError::new(JournalErrorKind::InUse))?;
        let (began, clock, news) = (Instant::now(), scope.clock.clone(), Arc::clone(&self.news));
        let now = Now { wall: clock.millis(), steady: Duration::ZERO };
        #[expect(clippy::disallowed_methods, reason = "it reads the store, and is waited for")]
        let starting = tokio::task::spawn_blocking(move || {
            let mut plan = Plan::open(store, scope, news, now)?;
            pass("recovery.planned")?;
            plan.commit_recovery()?;
            pass("recovery.synced")?;
            Committer::start(plan)
        });
        let lost = |error| JournalError::new(JournalErrorKind::Closed).because(error);
        let committer = starting.await.map_err(lost)??;
        // Whoever took the store is alone here.
        let _ = self.life.set(Life { committer, began, clock });
        Ok(())
    }

    /// Asks the plan for something. The answer holds: everything on which it rests is durable.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&mut Plan, Now) -> Result<T, JournalError> + Send + 'static,
    ) -> Result<T, JournalError> {
        let closed = || JournalError::new(JournalErrorKind::Closed);
        let Life { committer, began, clock } = self.life.get().ok_or_else(closed)?;
        let now = Now { wall: clock.millis(), steady: began.elapsed() };
        committer.submit(now, ask).await
    }

    pub(super) async fn append(&self, intents: Vec<Intent>) -> Result<Vec<Appended>, JournalError> {
        // Those whose inputs stand in their heads are one request, and so one commit.
        let mut appended: Vec<Option<Appended>> = vec![None; intents.len()];
        let (mut short, mut long) = (Vec::new(), Vec::new());
        for (position, intent) in intents.into_iter().enumerate() {
            let list = if intent.input.len() <= LONGEST_INLINE { &mut short } else { &mut long };
            list.push((position, intent));
        }
        if !short.is_empty() {
            let short = self.ask(move |plan, now| {
                let append = |(position, mut intent): (usize, Intent)| {
                    let input = Stored::Here(std::mem::take(&mut intent.input));
                    Ok((position, plan.append(None, intent, input, now)?))
                };
                short.into_iter().map(append).collect::<Result<Vec<_>, JournalError>>()
            });
            short.await?.into_iter().for_each(|(position, done)| appended[position] = Some(done));
        }
        for (position, intent) in long {
            appended[position] = Some(self.append_in_pieces(intent).await?);
        }
        Ok(appended.into_iter().flatten().collect())
    }

    /// Records an intent whose input is written before, in pieces.
    async fn append_in_pieces(&self, mut intent: Intent) -> Result<Appended, JournalError> {
        let (agent, key, digest) = (intent.agent.clone(), intent.key.clone(), intent.digest);
        let look = self.ask(move |plan, now| match plan.look_up(&agent, key.as_deref(), digest)? {
            Some(there) => Ok(Err(there)),
            None => Ok(Ok(plan.stage(None, now)?)),
        });
        let id = match look.await? {
            Ok(id) => id,
            Err(there) => return Ok(there),
        };
        let input = self.put(key::INPUTS, id, std::mem::take(&mut intent.input)).await?;
        self.ask(move |plan, now| plan.append(Some(id), intent, input, now)).await
    }

    pub(super) async fn claim(&self, agents: &[String], max: usize) -> Result<Claims, JournalError> {
        let agents = agents.to_vec();
        let (begun, next_due) = self
            .ask(move |plan, now| {
                let begun = plan.claim(&agents, max, now)?;
                Ok((begun, plan.ledger.next_due(now)))
            })
            .await?;
        let read = begun.into_iter().map(|begun| self.with_input(begun));
        let claims = join_all(read).await.into_iter().filter_map(Result::transpose);
        Ok(Claims { claims: claims.collect::<Result<_, _>>()?, next_due })
    }

    /// The claim of an attempt that has begun; `None` if its input is damaged, and the launch is parked.
    async fn with_input(&self, begun: Begun) -> Result<Option<Claim>, JournalError> {
        let Begun { id, epoch, head } = begun;
        match self.payload(key::INPUTS, id, &head.input).await {
            Ok(input) => Ok(Some(Claim {
                id,
                attempt: head.attempt,
                epoch,
                terms: Terms::from(&head.terms),
                agent: head.agent,
                key: head.key,
                input,
            })),
            Err(error) if is_damage(&error) => {
                tracing::error!(launch = %id, %error, "an input cannot be read: the launch is parked");
                let fence = Fence { id, epoch, attempt: head.attempt };
                self.ask(move |plan, now| plan.park(fence, now)).await.map(|_| None)
            }
            Err(error) => Err(error),
        }
    }

    /// Tells when there may be something to claim that there was not before.
    pub(super) fn ready(&self) -> watch::Receiver<()> {
        self.news.ready.subscribe()
    }

    pub(super) async fn complete(&self, claim: &Claim, output: &[u8]) -> Result<Moved, JournalError> {
        let fence = Fence::from(claim);
        let output = if output.len() <= LONGEST_INLINE {
            Stored::Here(output.to_vec())
        } else {
            if let Err(refused) = self.ask(move |plan, now| plan.stage_output(fence, now)).await? {
                return Ok(Err(refused));
            }
            self.put(key::OUTPUTS, claim.id, output.to_vec()).await?
        };
        let Fence { id, epoch, attempt } = fence;
        self.advance(id, Event::Succeed { epoch, attempt, output }).await
    }

    /// Moves a launch.
    pub(super) async fn advance(&self, id: LaunchId, event: Event) -> Result<Moved, JournalError> {
        self.ask(move |plan, now| Ok(plan.advance(id, event, now)?.map(drop))).await
    }

    pub(super) async fn scan(
        &self,
        filter: &LaunchFilter,
        mut after: Option<LaunchId>,
        max: usize,
    ) -> Result<Vec<LaunchRecord>, JournalError> {
        let mut found = Vec::new();
        while found.len() < max {
            let (filter, left) = (filter.clone(), max - found.len());
            let part = self.ask(move |plan, _| plan.part(&filter, after, left)).await?;
            found.extend(part.found);
            after = part.next;
            if after.is_none() {
                break;
            }
        }
        Ok(found)
    }

    pub(super) async fn input(&self, id: LaunchId) -> Result<Option<Vec<u8>>, JournalError> {
        match self.ask(move |plan, _| plan.head(id)).await?.map(|head| head.input) {
            None | Some(Stored::Gone) => Ok(None),
            Some(stored) => self.payload(key::INPUTS, id, &stored).await.map(Some),
        }
    }

    pub(super) async fn output(&self, id: LaunchId) -> Result<Option<Vec<u8>>, JournalError> {
        match self.ask(move |plan, _| Ok(plan.head(id)?.and_then(|head| head.output()))).await? {
            None | Some(Stored::Gone) => Ok(None),
            Some(stored) => self.payload(key::OUTPUTS, id, &stored).await.map(Some),
        }
    }

    pub(super) async fn ended(&self, id: LaunchId) -> Result<Option<LaunchRecord>, JournalError> {
        loop {
            // Registered before the look, or an end between the two would not be heard.
            let told = self.news.ends.wait_for(id);
            let record = self.ask(move |plan, _| plan.tell(id)).await?;
            if record.as_ref().is_none_or(|record| LaunchStatus::is_final(record.status)) {
                return Ok(record);
            }
            told.await;
        }
    }

    pub(super) fn close(&self) {
        drop(self.take_store());
        if let Some(life) = self.life.get() {
            life.committer.close();
        }
        self.news.ends.close();
    }

    pub(super) async fn closed(&self) {
        if let Some(life) = self.life.get() {
            life.committer.closed().await;
        }
    }
}

fn is_damage(error: &JournalError) -> bool {
    matches!(error.kind(), JournalErrorKind::Corrupt | JournalErrorKind::NewerFormat)
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local").field("started", &self.life.get().is_some()).finish_non_exhaustive()
    }
}
