//! What asks a hook about launches that nobody knows the end of, and does what it says.

use std::collections::HashMap;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::{BoxFuture, select};
use futures::stream::{self, BoxStream, StreamExt};
use tokio::time::sleep;

use super::doubts::Doubts;
use super::error::TicketError;
use super::key;
use super::patience::{Patience, is_transient};
use super::ticket::Ticket;
use super::verdict::{Hook, Verdict};
use crate::fan_out::foreach_stream;
use crate::journal::{Journal, JournalError, LaunchFilter, LaunchRecord, LaunchStatus};
use crate::outcome::{Cause, Failure, LaunchId, Outcome};
use crate::supervisor::tree::{Service, Tree};
use crate::sync::lock;
use crate::user_code::printable;

/// About how many launches of its agent a hook is asked at once.
const AT_ONCE: usize = 4;

/// How many ambiguous launches are looked for at once. Of each, the id is kept until its turn comes.
const PAGE: usize = 256;

/// How long a hook is left in peace after its calls have not stopped.
const PAUSE: Duration = Duration::from_secs(1);

/// Asks the hook of one agent about its ambiguous launches: a service of the supervisor under which they run.
///
/// The calls of the hook are one fan-out without an end, so it may panic, hang or block as any agent may. Nobody waits for
/// them: the dispatcher only raises doubts, and a shutdown abandons them.
pub(crate) struct Arbiter {
    name: String,
    agent: Arc<str>,
    journal: Arc<dyn Journal>,
    hook: Hook,
    doubts: Arc<Doubts>,
    /// Launches that the hook has left alone, and which attempt of theirs that was. They outlive a life of the service, so
    /// that nobody is asked twice.
    left: Mutex<HashMap<LaunchId, u32>>,
}

/// The launches about which the hook is being asked, by their position in the run.
type Asked = Mutex<HashMap<usize, Doubt>>;

/// An attempt that nobody knows the end of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Doubt {
    id: LaunchId,
    attempt: u32,
}

impl Arbiter {
    pub(crate) fn new(agent: Arc<str>, journal: Arc<dyn Journal>, hook: Hook, doubts: Arc<Doubts>) -> Self {
        let (name, left) = (format!("hook of {agent}"), Mutex::default());
        Self { name, agent, journal, hook, doubts, left }
    }

    /// The launches to ask about: those that are ambiguous now, and those that become so.
    fn launches(self: Arc<Self>, asked: Arc<Asked>) -> BoxStream<'static, LaunchRecord> {
        let found = stream::unfold((Arc::clone(&self), Some(None)), |(arbiter, after)| async move {
            let page = arbiter.page(after?).await;
            let after = (page.len() == PAGE).then(|| page.last().copied());
            Some((stream::iter(page), (arbiter, after)))
        });
        let raised = stream::unfold(Arc::clone(&self), |arbiter| async move {
            let next = arbiter.doubts.next().await;
            Some((next, arbiter))
        });
        let launches = found.flatten().chain(raised);
        let mut position = 0;
        let doubtful = launches.filter_map(move |id| {
            let arbiter = Arc::clone(&self);
            async move { arbiter.doubtful(id).await }
        });
        // Noted in the moment in which the run takes it: so positions are the run's.
        let noted = doubtful.filter_map(move |record| {
            let doubt = Doubt { id: record.id, attempt: record.attempts };
            let mut asked = lock(&asked);
            // The one that was found may be raised as well.
            let is_new = !asked.values().any(|other| *other == doubt);
            if is_new {
                asked.insert(position, doubt);
                position += 1;
            }
            std::future::ready(is_new.then_some(record))
        });
        noted.boxed()
    }

    /// The ambiguous launches beyond `after`.
    async fn page(&self, after: Option<LaunchId>) -> Vec<LaunchId> {
        let filter = LaunchFilter::all().agent(&*self.agent).status(LaunchStatus::Ambiguous);
        let page = self.read(|| self.journal.scan(&filter, after, PAGE)).await;
        page.into_iter().map(|record| record.id).collect()
    }

    /// The record of a launch, if the hook is to be asked about it.
    async fn doubtful(&self, id: LaunchId) -> Option<LaunchRecord> {
        let record = self.read(|| self.journal.get(id)).await?;
        let is_left = lock(&self.left).get(&id) == Some(&record.attempts);
        (self.is_ambiguous(&record) && !is_left).then(|| key::shown_in(record))
    }

    fn is_ambiguous(&self, record: &LaunchRecord) -> bool {
        record.status == LaunchStatus::Ambiguous && *record.agent == *self.agent
    }

    /// Reads, and again while that fails. A journal that has failed for good is the dispatcher's to report.
    async fn read<T, F: Future<Output = Result<T, JournalError>>>(&self, read: impl Fn() -> F) -> T {
        let mut patience = Patience::default();
        loop {
            match read().await {
                Ok(read) => return read,
                Err(error) => {
                    let wait = patience.next();
                    log_warn!(agent = %printable(&self.agent), error = %printable(&error), "ambiguous launches cannot be read");
                    sleep(wait).await;
                }
            }
        }
    }

    /// Asks and does what is said, until the calls that do not stop have every place of the run.
    async fn ask(self: &Arc<Self>, tree: &Arc<Tree>) {
        let asked = Arc::<Asked>::default();
        let launches = Arc::clone(self).launches(Arc::clone(&asked));
        let mut verdicts = pin!(foreach_stream(launches, &self.hook).concurrency(AT_ONCE).serve(tree));
        while let Some((position, outcome)) = verdicts.next().await {
            let doubt = lock(&asked).get(&position).copied();
            if let Some(doubt) = doubt {
                self.conclude(doubt, outcome).await;
            }
            // Only now: until the verdict is recorded, the hook is being asked.
            lock(&asked).remove(&position);
        }
    }

    /// Does what the hook has said.
    async fn conclude(&self, Doubt { id, attempt }: Doubt, outcome: Outcome<Verdict<Vec<u8>>>) {
        let verdict = match outcome {
            Ok(verdict) => verdict,
            Err(failure) if was_not_heard(&failure) => return,
            Err(failure) => {
                log_warn!(launch = %id, failure = %printable(&failure), "a hook has failed, and its launch stays ambiguous");
                Verdict::Leave
            }
        };
        if verdict == Verdict::Leave {
            lock(&self.left).insert(id, attempt);
            return;
        }
        // Somebody may have decided meanwhile, and it may be ambiguous again: the hook knows nothing of that attempt.
        let is_the_same = |record: &LaunchRecord| self.is_ambiguous(record) && record.attempts == attempt;
        if !self.read(|| self.journal.get(id)).await.as_ref().is_some_and(is_the_same) {
            return;
        }
        let ticket = Ticket::<()>::new(Arc::clone(&self.journal), id, true);
        let mut patience = Patience::default();
        loop {
            let decided = match &verdict {
                Verdict::Leave => Ok(false),
                Verdict::Requeue => ticket.requeue().await,
                Verdict::Settle(output) => ticket.settle_bytes(output).await,
                Verdict::Discard => ticket.discard().await,
            };
            match decided {
                Err(TicketError::Journal(error)) if is_transient(&error) => sleep(patience.next()).await,
                // Somebody has discarded it meanwhile.
                Ok(_) | Err(TicketError::Unknown(_)) => return,
                Err(error) => {
                    log_warn!(launch = %id, error = %printable(&error), "what a hook has decided was not recorded");
                    lock(&self.left).insert(id, attempt);
                    return;
                }
            }
        }
    }
}

/// Whether a hook was not asked, or was cut short, so that it is to be asked again.
fn was_not_heard(failure: &Failure) -> bool {
    matches!(failure.cause(), Cause::Cancelled { .. } | Cause::ShutDown { .. } | Cause::Stuck)
}

impl Service for Arbiter {
    fn name(&self) -> &str {
        &self.name
    }

    fn serve(self: Arc<Self>, tree: Arc<Tree>) -> BoxFuture<'static, Result<(), String>> {
        Box::pin(async move {
            let serving = async {
                loop {
                    self.ask(&tree).await;
                    log_warn!(
                        agent = %printable(&self.agent),
                        "a hook does not stop where it should: it is asked elsewhere"
                    );
                    sleep(PAUSE).await;
                }
            };
            select(pin!(tree.gate.drain_begins()), pin!(serving)).await;
            Ok(())
        })
    }

    fn hand_back(&self) -> BoxFuture<'_, usize> {
        Box::pin(std::future::ready(0))
    }

    fn close(&self) {}
}
