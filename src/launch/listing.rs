//! Launches as a list: to look at, and to decide about many of them at once.

use std::fmt;
use std::sync::Arc;

use futures::future::try_join_all;

use super::key;
use crate::journal::{Answer, Journal, JournalError, LaunchFilter, LaunchRecord, Moved};
use crate::outcome::LaunchId;

/// How many launches are decided about together.
const DECIDED_AT_ONCE: usize = 256;

/// The recorded launches that a filter means. [`System::launches`](crate::System::launches) makes it.
///
/// It holds nothing of them, and is read anew with each call. A system without a journal has none.
///
/// The verbs decide about many: about each launch that is meant and that the verb is for, in the order in which they were
/// recorded, and about none twice. Others are passed over. They say how many they have moved. One that is dropped or fails
/// half way has decided about some of them; call it again for the rest.
///
/// ```
/// use sortie::{AgentError, LaunchFilter, LaunchStatus, MemoryJournal, System, agent_fn};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut builder = System::builder().journal(MemoryJournal::new());
/// let print = agent_fn(|_: String, _| async { Err::<(), _>(AgentError::fatal("out of paper")) });
/// let print = builder.register(print.named("print"));
/// let system = builder.start().await?;
/// system.launch(&print, "page 1".to_owned()).await?.result().await?.unwrap_err();
///
/// let dead = system.launches(LaunchFilter::all().agent("print").status(LaunchStatus::Dead));
/// for record in dead.page(None, 100).await? {
///     println!("{}: {}", record.id, record.history[0].message); // out of paper
/// }
/// assert_eq!(dead.discard().await?, 1);
/// assert_eq!(dead.count().await?, 0);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Launches {
    journal: Option<Arc<dyn Journal>>,
    filter: LaunchFilter,
}

impl Launches {
    pub(crate) fn new(journal: Option<Arc<dyn Journal>>, filter: LaunchFilter) -> Self {
        Self { journal, filter }
    }

    /// At most `max` of them, in the order in which they were recorded, beyond the launch `after`: the last one of the page
    /// before, or `None` for the first page. Fewer than `max` mean that there are no more.
    ///
    /// It is no snapshot: what moves meanwhile stands in a page as it was found. A page is held in memory; its payloads are
    /// not part of it.
    ///
    /// # Errors
    /// [`JournalError`], if the journal cannot be read.
    ///
    /// # Panics
    /// If `max` is zero.
    ///
    /// # Cancel safety
    /// It only reads.
    pub async fn page(&self, after: Option<LaunchId>, max: usize) -> Result<Vec<LaunchRecord>, JournalError> {
        assert!(max > 0, "a page of no launches would look like the last one");
        match &self.journal {
            Some(journal) => {
                let page = journal.scan(&self.filter, after, max).await?;
                Ok(page.into_iter().map(key::shown_in).collect())
            }
            None => Ok(Vec::new()),
        }
    }

    /// How many there are. It reads the record of each, page by page.
    ///
    /// # Errors
    /// [`JournalError`], if the journal cannot be read.
    ///
    /// # Cancel safety
    /// It only reads.
    pub async fn count(&self) -> Result<usize, JournalError> {
        let (mut count, mut pages) = (0, Pages::of(self));
        while let Some(page) = pages.next().await? {
            count += page.len();
        }
        Ok(count)
    }

    /// Gives those that are dead or ambiguous a new series of attempts, as [`Ticket::requeue`](crate::Ticket::requeue) does.
    /// Says how many those are.
    ///
    /// An [ambiguous](crate::LaunchStatus::Ambiguous) launch was to run at most once. Filter by status to leave them alone.
    ///
    /// # Errors
    /// [`JournalError`], if it failed half way: some may have a new series.
    ///
    /// # Cancel safety
    /// If the future is dropped, some have a new series and others not. It may be called again.
    pub async fn requeue(&self) -> Result<usize, JournalError> {
        self.decide(|journal, id| journal.requeue(id)).await
    }

    /// Removes those that are dead, ambiguous or parked, as [`Ticket::discard`](crate::Ticket::discard) does. Says how many
    /// those are. There is no way back: filter by status and agent.
    ///
    /// # Errors
    /// [`JournalError`], if it failed half way: some may be gone.
    ///
    /// # Cancel safety
    /// If the future is dropped, some are gone and others not. It may be called again.
    pub async fn discard(&self) -> Result<usize, JournalError> {
        self.decide(|journal, id| journal.discard(id)).await
    }

    async fn decide(
        &self,
        decide: impl Fn(&dyn Journal, LaunchId) -> Answer<'_, Moved>,
    ) -> Result<usize, JournalError> {
        let Some(journal) = &self.journal else { return Ok(0) };
        let (mut moved, mut pages) = (0, Pages::of(self));
        while let Some(page) = pages.next().await? {
            let decisions = page.iter().map(|record| decide(&**journal, record.id));
            moved += try_join_all(decisions).await?.into_iter().filter(Result::is_ok).count();
        }
        Ok(moved)
    }
}

impl fmt::Debug for Launches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Launches").field("filter", &self.filter).finish_non_exhaustive()
    }
}

/// One page after the other, each launch at most once.
struct Pages<'a> {
    launches: &'a Launches,
    after: Option<LaunchId>,
    ended: bool,
}

impl<'a> Pages<'a> {
    fn of(launches: &'a Launches) -> Self {
        Self { launches, after: None, ended: false }
    }

    /// The next page; `None` at the end.
    async fn next(&mut self) -> Result<Option<Vec<LaunchRecord>>, JournalError> {
        if self.ended {
            return Ok(None);
        }
        let page = self.launches.page(self.after, DECIDED_AT_ONCE).await?;
        self.ended = page.len() < DECIDED_AT_ONCE;
        self.after = page.last().map(|record| record.id).or(self.after);
        Ok(Some(page))
    }
}
