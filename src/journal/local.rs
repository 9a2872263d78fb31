//! A journal over a store of this process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::future::join_all;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio::time::Instant;

use super::committer::Committer;
use super::error::{JournalError, JournalErrorKind};
use super::id::LaunchId;
use super::intent::{Event, Head, Refused, State, Stored};
use super::key;
use super::ledger::Now;
use super::plan::{Appended, Claim, Intent, LONGEST_INLINE, PIECE, Plan};
use super::store::Store;

/// How many pieces are committed or read together, so that a large payload holds nobody up.
const PIECES_AT_ONCE: usize = 64;

/// A journal over a store of this process: every method resolves when what it says is durable.
pub(crate) struct Journal {
    committer: Committer,
    opened: Instant,
    /// Something has become ready, or will be due earlier than was known.
    ready: Notify,
    /// Those who wait for the end of a launch.
    waiting: Mutex<HashMap<LaunchId, Arc<Notify>>>,
}

impl Journal {
    /// Opens what the store holds, for one system. What ran when the last one died is ready to run again.
    pub(crate) async fn open(store: Box<dyn Store>, most_pending: usize) -> Result<Self, JournalError> {
        let opened = Instant::now();
        let now = Now { wall: millis(), steady: Duration::ZERO };
        #[expect(clippy::disallowed_methods, reason = "it reads the store, and is waited for")]
        let opening = tokio::task::spawn_blocking(move || {
            let mut plan = Plan::open(store, most_pending, now)?;
            plan.commit_recovery()?;
            Committer::start(plan)
        });
        let committer = opening.await.map_err(|error| JournalError::new(JournalErrorKind::Closed).because(error))??;
        Ok(Self { committer, opened, ready: Notify::new(), waiting: Mutex::default() })
    }

    fn now(&self) -> Now {
        Now { wall: millis(), steady: self.opened.elapsed() }
    }

    async fn ask<T: Send + 'static>(
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
        let appended = self.ask(move |plan, now| plan.append(staged, intent, now)).await?;
        if matches!(appended, Appended::New(_)) {
            self.ready.notify_one();
        }
        Ok(appended)
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

    /// Resolves when there may be something to claim that there was not before.
    pub(crate) fn ready(&self) -> Notified<'_> {
        self.ready.notified()
    }

    /// The input of a claimed launch.
    pub(crate) async fn input(&self, claim: &Claim) -> Result<Vec<u8>, JournalError> {
        self.payload(key::INPUTS, claim.id, &claim.head.input).await
    }

    /// Concludes an attempt with its output.
    pub(crate) async fn succeed(&self, claim: &Claim, output: Vec<u8>) -> Result<Result<Head, Refused>, JournalError> {
        let (epoch, attempt) = (claim.epoch, claim.attempt);
        let output = if output.len() <= LONGEST_INLINE {
            Stored::Here(output)
        } else {
            let id = claim.id;
            self.ask(move |plan, now| plan.stage(Some(id), now)).await?;
            self.put(key::OUTPUTS, id, output).await?
        };
        self.advance(claim.id, Event::Succeed { epoch, attempt, output }).await
    }

    /// Moves a launch.
    pub(crate) async fn advance(&self, id: LaunchId, event: Event) -> Result<Result<Head, Refused>, JournalError> {
        let moved = self.ask(move |plan, now| plan.advance(id, event, now)).await?;
        if let Ok(head) = &moved {
            if head.state.is_final() {
                let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
                waiting.inspect(|waiting| waiting.notify_waiters());
            } else if matches!(head.state, State::Pending(_)) {
                self.ready.notify_one();
            }
        }
        Ok(moved)
    }

    /// What is recorded of a launch.
    pub(crate) async fn head(&self, id: LaunchId) -> Result<Option<Head>, JournalError> {
        self.ask(move |plan, _| plan.head(id)).await
    }

    /// Waits until a launch has ended; `None` if none of this id is recorded.
    pub(crate) async fn ended(&self, id: LaunchId) -> Result<Option<Head>, JournalError> {
        loop {
            let waiting = {
                let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                Arc::clone(waiting.entry(id).or_default())
            };
            let notified = waiting.notified();
            tokio::pin!(notified);
            // Registered before the look, or an end between the two would not be heard.
            notified.as_mut().enable();
            let head = self.head(id).await?;
            if head.as_ref().is_none_or(|head| head.state.is_final()) {
                return Ok(head);
            }
            notified.await;
        }
    }

    /// The output of a launch that is done.
    pub(crate) async fn output(&self, id: LaunchId, head: &Head) -> Result<Option<Vec<u8>>, JournalError> {
        match &head.state {
            State::Done { output, .. } => self.payload(key::OUTPUTS, id, output).await.map(Some),
            _ => Ok(None),
        }
    }

    /// Takes no further requests; resolves when what waits has been answered and the store is closed.
    pub(crate) fn close(&self) {
        self.committer.close();
    }

    /// Writes a payload in pieces.
    async fn put(&self, prefix: &'static [u8], id: LaunchId, payload: Vec<u8>) -> Result<Stored, JournalError> {
        let length = payload.len() as u64;
        let mut pieces = payload.chunks(PIECE).map(<[u8]>::to_vec).zip(0..).peekable();
        while pieces.peek().is_some() {
            let some: Vec<_> = pieces.by_ref().take(PIECES_AT_ONCE).collect();
            self.ask(move |plan, _| {
                some.iter().try_for_each(|(piece, number)| plan.put_piece(prefix, id, *number, piece))
            })
            .await?;
        }
        Ok(Stored::InPieces(length))
    }

    async fn payload(&self, prefix: &'static [u8], id: LaunchId, stored: &Stored) -> Result<Vec<u8>, JournalError> {
        match stored {
            Stored::Here(payload) => Ok(payload.clone()),
            Stored::Gone => Ok(Vec::new()),
            Stored::InPieces(length) => {
                let pieces = length.div_ceil(PIECE as u64) as u32;
                let slices = (0..pieces).step_by(PIECES_AT_ONCE).map(|first| {
                    let last = first.saturating_add(PIECES_AT_ONCE as u32).min(pieces);
                    self.ask(move |plan, _| {
                        (first..last).map(|number| plan.piece(prefix, id, number)).collect::<Result<Vec<_>, _>>()
                    })
                });
                let mut payload = Vec::with_capacity(*length as usize);
                for slice in join_all(slices).await {
                    payload.extend(slice?.concat());
                }
                Ok(payload)
            }
        }
    }
}

/// The wall clock.
fn millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
