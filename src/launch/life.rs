//! One life of the service that runs launches: one run, whose outcomes are recorded as they come.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use futures::future::{Either, select};
use futures::stream::{StreamExt, TryStreamExt};
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;

use super::begun::Begun;
use super::bytes::is_unreadable;
use super::claims::{Claimed, Claims, UnderWay};
use super::dispatcher::Dispatcher;
use super::patience::{Patience, is_transient};
use super::work::Attempts;
use super::{stalls, suspects, sweeper};
use crate::agent::{Launches, Roster};
use crate::journal::failpoint::pass;
use crate::journal::{Claim, Delivery, EndedBy, FailedAttempt, JournalError, JournalErrorKind, Moved};
use crate::outcome::{Cause, Failure};
use crate::policy::Limits;
use crate::supervisor::tree::{Phase, Tree};
use crate::supervisor::{Fed, Goal, Order, Source, feed};
use crate::sync::lock;
use crate::user_code::{chain, printable};

/// How often a record is tried that fails while the system stops.
const LAST_TRIES: usize = 3;

/// One life of a dispatcher.
pub(super) struct Life {
    dispatcher: Arc<Dispatcher>,
    tree: Arc<Tree>,
    under_way: Arc<UnderWay>,
    begun: Arc<Begun>,
}

impl Life {
    pub(super) fn new(dispatcher: Arc<Dispatcher>, tree: Arc<Tree>, begun: Arc<Begun>) -> Self {
        Self { dispatcher, tree, under_way: Arc::default(), begun }
    }

    /// Claims, runs, records and sweeps until the tree drains. What is not concluded then stands as running.
    pub(super) async fn live(self) -> Result<(), JournalError> {
        let (broken, breaks) = oneshot::channel();
        let (dispatcher, tree) = (Arc::clone(&self.dispatcher), Arc::clone(&self.tree));
        // The slots are the limit, and the claims need one each. Attempts that have lent theirs are beyond any number.
        let concurrency = usize::MAX;
        let (asks, asked) = mpsc::unbounded_channel();
        let launches = Arc::<Launches>::default();
        let attempts = Attempts { limited: Arc::clone(&dispatcher.limited) };
        let (under_way, begun) = (Arc::clone(&self.under_way), Arc::clone(&self.begun));
        let claims = Claims::new(dispatcher, tree, Arc::clone(&launches), under_way, begun, asks, broken);
        let outcomes = feed(Order {
            work: attempts,
            source: Source::Stream(claims.stream()),
            roster: Roster::Launched(launches),
            limits: Limits { concurrency, ..Limits::default() },
            goal: Goal::Each,
            parent: None,
            system: None,
            serves: Some(Arc::clone(&self.tree)),
            recorder: None,
        });
        // An attempt has its slot until it is recorded, so as many are recorded at once as there are slots.
        let records = outcomes.map(|fed| self.conclude(fed)).buffer_unordered(concurrency);
        let recorded = records.try_for_each(|()| std::future::ready(Ok(())));
        let breaks = async {
            match breaks.await {
                Ok(error) => error,
                // The claims have ended in good order.
                Err(_) => std::future::pending().await,
            }
        };
        let sweeps = async {
            match self.dispatcher.sweeps {
                true => sweeper::sweep(&*self.dispatcher.journal).await,
                false => std::future::pending().await,
            }
        };
        let suspects = suspects::serve(&*self.dispatcher.journal, asked);
        let stalls = stalls::watch(self.dispatcher.slots(), &self.under_way);
        let (breaks, sweeps, suspects, stalls) = (pin!(breaks), pin!(sweeps), pin!(suspects), pin!(stalls));
        // Each of them ends only with an error.
        let beside = async {
            match select(select(breaks, sweeps), select(suspects, stalls)).await {
                Either::Left((error, _)) => error.factor_first().0,
                Either::Right((Either::Left((error, _)), _)) => error,
                Either::Right((Either::Right((never, _)), _)) => match never {},
            }
        };
        match select(pin!(recorded), pin!(beside)).await {
            Either::Left((Ok(()), _)) if self.tree.phase() == Phase::Running => {
                Err(JournalError::new(JournalErrorKind::Closed).because("the run of the launches was lost"))
            }
            Either::Left((recorded, _)) => recorded,
            Either::Right((error, _)) => Err(error),
        }
    }

    /// Records what became of an attempt. One that was cut short is given back with the others when this life ends.
    async fn conclude(&self, fed: Fed<Vec<u8>>) -> Result<(), JournalError> {
        let Some(claimed) = lock(&self.under_way).remove(&fed.index) else { return Ok(()) };
        let Claimed { claim, gone, permit } = claimed;
        let journal = &self.dispatcher.journal;
        pass("launch.concluding")?;
        let concluded = match fed.outcome {
            Ok(output) if output.len() > journal.capabilities().longest_payload => {
                let failed = too_long(&claim.agent, output.len(), journal.capabilities().longest_payload);
                self.insist(|| journal.fail(&claim, failed.clone())).await?
            }
            Ok(output) => self.insist(|| journal.complete(&claim, &output)).await?,
            Err(failure) => match ended_by(&failure) {
                Some(by) => {
                    if !failure.stopped() {
                        // Another attempt does not run beside the body of this one.
                        select(gone, pin!(self.tree.gate.drain_begins())).await;
                    }
                    let failed = failed(by, failure.cause());
                    let failed = self.insist(|| journal.fail(&claim, failed.clone())).await?;
                    if claim.terms.delivery == Delivery::AtMostOnce {
                        self.dispatcher.raise_doubt(&claim);
                    }
                    failed
                }
                None if matches!(failure.cause(), Cause::Failed(error) if is_unreadable(error)) => {
                    // Without the error, which quotes from the input.
                    log_warn!(
                        launch = %claim.id,
                        agent = %printable(&claim.agent),
                        "the recorded input does not fit its agent: the launch is parked"
                    );
                    self.insist(|| journal.park(&claim)).await?
                }
                None => return Ok(()),
            },
        };
        self.begun.conclude(claim.id, claim.attempt);
        pass("launch.recorded")?;
        report(&claim, concluded);
        drop(permit);
        Ok(())
    }

    /// Writes, and again while the disk is full: attempts go on meanwhile, and what came out of them waits here.
    async fn insist<T, F: Future<Output = Result<T, JournalError>>>(
        &self,
        write: impl Fn() -> F,
    ) -> Result<T, JournalError> {
        let (mut patience, mut last_tries) = (Patience::default(), LAST_TRIES);
        loop {
            match write().await {
                Err(error) if is_transient(&error) && last_tries > 0 => {
                    last_tries -= usize::from(self.tree.phase() >= Phase::Stopping);
                    sleep(patience.next()).await;
                }
                written => return written,
            }
        }
    }
}

/// What ended the attempt; `None` if it was cut short, or did not begin.
fn ended_by(failure: &Failure) -> Option<EndedBy> {
    match failure.cause() {
        Cause::Failed(error) if is_unreadable(error) => None,
        Cause::Failed(error) if error.is_fatal() => Some(EndedBy::Fatal),
        Cause::Failed(_) => Some(EndedBy::Error),
        Cause::Panicked(_) => Some(EndedBy::Panic),
        Cause::TimedOut { .. } => Some(EndedBy::Timeout),
        Cause::QueueTimedOut { .. }
        | Cause::DeadlineExceeded { .. }
        | Cause::Cancelled { .. }
        | Cause::ShutDown { .. }
        | Cause::Stuck => None,
    }
}

/// What is recorded of a failed attempt.
fn failed(by: EndedBy, cause: &Cause) -> FailedAttempt {
    let (message, code, floor) = match cause {
        Cause::Failed(error) => {
            (chain(error.source()), error.code().map(str::to_owned), error.delay().unwrap_or_default())
        }
        Cause::Panicked(message) => (message.clone(), None, std::time::Duration::ZERO),
        other => (other.to_string(), None, std::time::Duration::ZERO),
    };
    FailedAttempt { by, message, code, floor, roll: fastrand::f64() }
}

/// What is recorded of an attempt whose output the journal does not take.
fn too_long(agent: &str, bytes: usize, limit: usize) -> FailedAttempt {
    let message = format!("the output of agent `{agent}` is {bytes} bytes long, where {limit} are allowed");
    let (by, code) = (EndedBy::Fatal, Some("bad_output".to_owned()));
    FailedAttempt { by, message, code, floor: std::time::Duration::ZERO, roll: 0.0 }
}

fn report(claim: &Claim, concluded: Moved) {
    if let Err(refused) = concluded {
        log_warn!(launch = %claim.id, attempt = claim.attempt, %refused, "an outcome came too late");
    }
}
