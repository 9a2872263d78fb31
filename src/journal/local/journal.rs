//! A journal over a store of this process.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use futures::stream::{self, Stream, StreamExt};
use tokio::sync::Mutex as Beginning;
use tokio::time::Instant;

use super::attempts::Fence;
use super::committer::Committer;
use super::key;
use super::ledger::Now;
use super::pieces::LONGEST_INLINE;
use super::plan::Plan;
use super::sweep::Agreement;
use super::turns::Turns;
use super::unread::Unread;
use super::waiting::News;
use crate::journal::clock::WallClock;
use crate::journal::contract::{Durability, Scope};
use crate::journal::exchange::{Claim, Moved};
use crate::journal::failpoint::pass;
use crate::journal::intent::{Event, Head, Stored};
use crate::journal::launch_record::{LaunchFilter, LaunchRecord, LaunchStatus};
use crate::journal::store::Store;
use crate::journal::{JournalError, JournalErrorKind};
use crate::outcome::LaunchId;
use crate::user_code::contain_waker;

/// How long a payload may be unless set: it is held in memory by the agent, its supervisor and the journal at once.
const LONGEST_PAYLOAD: usize = 16 << 20;

/// A journal over a store of this process. Its methods are those of [`Journal`](crate::journal::Journal).
pub struct Local {
    /// Before the life of the journal.
    store: Mutex<Option<Box<dyn Store>>>,
    life: Arc<OnceLock<Life>>,
    /// Held while the life begins.
    beginning: Arc<Beginning<()>>,
    pub(super) news: Arc<News>,
    /// Outputs that are being written in pieces.
    turns: Turns,
    /// Attempts that are to be given back.
    pub(super) unread: Unread,
    pub(super) longest_payload: usize,
    /// How long an answer may come before its commit.
    interval: Option<Duration>,
}

/// What there is while the journal lives.
struct Life {
    committer: Committer,
    began: Instant,
    clock: WallClock,
    agreement: Mutex<Agreement>,
}

impl Life {
    fn now(&self) -> Now {
        Now { wall: self.clock.millis(), steady: self.began.elapsed() }
    }
}

impl Local {
    pub(crate) fn new(store: impl Store) -> Self {
        let store = Mutex::new(Some(Box::new(store) as Box<dyn Store>));
        let (life, beginning, news) = (Arc::default(), Arc::default(), Arc::default());
        let (turns, unread) = (Turns::default(), Unread::default());
        Self { store, life, beginning, news, turns, unread, longest_payload: LONGEST_PAYLOAD, interval: None }
    }

    #[cfg_attr(
        not(feature = "sled"),
        expect(dead_code, reason = "only a store on disk has something to sync")
    )]
    pub(crate) fn set_interval(&mut self, interval: Duration) {
        self.interval = Some(interval);
    }

    #[cfg_attr(
        not(feature = "sled"),
        expect(dead_code, reason = "only a store on disk has something to sync")
    )]
    pub(crate) fn durability(&self) -> Durability {
        self.interval.map_or(Durability::Immediate, Durability::Buffered)
    }

    pub(crate) fn set_longest_payload(&mut self, bytes: usize) {
        self.longest_payload = bytes;
    }

    fn take_store(&self) -> Option<Box<dyn Store>> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(super) async fn start(&self, scope: Scope) -> Result<(), JournalError> {
        let beginning = Arc::clone(&self.beginning).lock_owned().await;
        let store = self.take_store().ok_or(JournalError::new(JournalErrorKind::InUse))?;
        let (began, clock, news) = (Instant::now(), scope.clock.clone(), Arc::clone(&self.news));
        let now = Now { wall: clock.millis(), steady: Duration::ZERO };
        let (interval, life, told) = (self.interval, Arc::clone(&self.life), Arc::clone(&self.news));
        #[expect(clippy::disallowed_methods, reason = "it reads the store, and is waited for")]
        let starting = tokio::task::spawn_blocking(move || {
            let mut plan = Plan::open(store, scope, news, now)?;
            pass("recovery.planned")?;
            plan.commit_recovery()?;
            pass("recovery.synced")?;
            let committer = Committer::start(plan, interval)?;
            let agreement = Mutex::new(Agreement::at(now));
            // Here, so that it is closed also if nobody waits for the start any more.
            let life = life.get_or_init(|| Life { committer, began, clock, agreement });
            let closed = told.ends.is_closed();
            if closed {
                life.committer.close();
            }
            drop(beginning);
            if closed { Err(JournalError::new(JournalErrorKind::Closed)) } else { Ok(()) }
        });
        let lost = |error| JournalError::new(JournalErrorKind::Closed).because(error);
        starting.await.map_err(lost)?
    }

    /// Asks the plan for something. The answer holds: everything on which it rests is durable.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&mut Plan, Now) -> Result<T, JournalError> + Send + 'static,
    ) -> Result<T, JournalError> {
        let life = self.life()?;
        life.committer.submit(life.now(), ask).await
    }

    fn life(&self) -> Result<&Life, JournalError> {
        self.life.get().ok_or_else(|| JournalError::new(JournalErrorKind::Closed))
    }

    /// Whether the wall clock can be trusted, as far as this journal has seen it.
    pub(super) fn clocks_agree(&self) -> Result<bool, JournalError> {
        let life = self.life()?;
        Ok(life.agreement.lock().unwrap_or_else(PoisonError::into_inner).holds(life.now()))
    }

    /// Tells when there may be something to claim that there was not before, until the journal is closed.
    pub(super) fn changes(&self) -> impl Stream<Item = ()> + Send + use<> {
        let changes = stream::unfold(self.news.ready.subscribe(), |mut ready| async move {
            ready.changed().await.ok().map(|()| ((), ready))
        });
        changes.take_until(self.news.ends.closed()).fuse()
    }

    pub(super) async fn complete(&self, claim: &Claim, output: &[u8]) -> Result<Moved, JournalError> {
        let fence = Fence::from(claim);
        // Held until the attempt is concluded.
        let _turn;
        let output = if output.len() <= LONGEST_INLINE {
            Stored::Here(output.to_vec())
        } else {
            _turn = self.turns.take(claim.id).await;
            if let Err(refused) = self.ask(move |plan, now| plan.stage_output(fence, now)).await? {
                return Ok(Err(refused));
            }
            self.put(key::OUTPUTS, claim.id, output.to_vec(), Some(fence)).await?
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
        if max == 0 {
            // Refused where everything is.
            return self.ask(|_, _| Ok(Vec::new())).await;
        }
        if self.interval.is_some() {
            // What was acknowledged is looked for in the store, not in what waits.
            let sync = |plan: &mut Plan, _| {
                plan.must_sync();
                Ok(())
            };
            self.ask(sync).await?;
        }
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
        self.read(key::INPUTS, id, |head| Some(head.input)).await
    }

    pub(super) async fn output(&self, id: LaunchId) -> Result<Option<Vec<u8>>, JournalError> {
        self.read(key::OUTPUTS, id, Head::output).await
    }

    /// Reads a payload of a launch. It may be removed meanwhile: then it is gone, and not damaged.
    async fn read(
        &self,
        prefix: &'static [u8],
        id: LaunchId,
        which: fn(Head) -> Option<Stored>,
    ) -> Result<Option<Vec<u8>>, JournalError> {
        let look = move |plan: &mut Plan, _| Ok(plan.durable_head(id)?.and_then(which));
        let Some(stored) = self.ask(look).await? else { return Ok(None) };
        if stored == Stored::Gone {
            return Ok(None);
        }
        match self.payload(prefix, id, &stored).await {
            Err(error) if is_damage(&error) && self.ask(look).await?.as_ref() != Some(&stored) => Ok(None),
            read => read.map(Some),
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
            contain_waker(told).await;
        }
    }

    pub(super) fn close(&self) {
        drop(self.take_store());
        // Before the look: a life that has not begun by then finds it.
        self.news.ends.close();
        if let Some(life) = self.life.get() {
            life.committer.close();
        }
    }

    pub(super) async fn closed(&self) {
        // Whether there is a life to wait for shows once none begins.
        drop(self.beginning.lock().await);
        if let Some(life) = self.life.get() {
            life.committer.closed().await;
        }
    }
}

pub(super) fn is_damage(error: &JournalError) -> bool {
    matches!(error.kind(), JournalErrorKind::Corrupt | JournalErrorKind::NewerFormat)
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local").field("started", &self.life.get().is_some()).finish_non_exhaustive()
    }
}
