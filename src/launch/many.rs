//! Many launches, recorded together.

use std::fmt;
use std::future::IntoFuture;
use std::sync::{Arc, Weak};

use futures::future::BoxFuture;

use super::error::{LaunchError, LaunchErrorKind};
use super::request::{Launch, ticket};
use super::ticket::Ticket;
use crate::agent::{Payload, SlotLease};
use crate::journal::{Intent, Journal};

/// How many launches are recorded by one commit.
const TOGETHER: usize = 1000;

/// Launches that are to be recorded together; await it for their [`Ticket`]s.
/// [`System::launch_many`](crate::System::launch_many) makes it.
///
/// Each stands for itself: one that is refused keeps none of the others from being recorded, and after a failure of the
/// journal or a crash some may be recorded and others not. What they share is the sync: one for a thousand of them, or
/// more if their inputs are longer than 1 KiB.
///
/// # Cancel safety
/// As that of [`Launch`]: if the future is dropped, some may have been recorded and others not.
#[must_use = "nothing is launched until this is awaited"]
pub struct LaunchMany<O> {
    launches: Vec<Launch<O>>,
}

impl<O> LaunchMany<O> {
    pub(crate) fn new(launches: impl IntoIterator<Item = Launch<O>>) -> Self {
        // One by one, because a size hint may be wrong.
        let mut launches = launches.into_iter();
        Self { launches: std::iter::from_fn(|| launches.next()).collect() }
    }
}

/// Intents for one journal, and whose they are.
struct Batch {
    journal: Arc<dyn Journal>,
    intents: Vec<Intent>,
    /// Where each stands, whether its key is derived, and the slot of the attempt that makes it.
    positions: Vec<(usize, bool, Option<Weak<SlotLease>>)>,
}

impl Batch {
    fn new(journal: Arc<dyn Journal>) -> Self {
        Self { journal, intents: Vec::new(), positions: Vec::new() }
    }

    /// Records the intents, and says what became of each.
    async fn record<O>(self) -> Vec<(usize, Result<Ticket<O>, LaunchErrorKind>)> {
        let Self { journal, intents, positions } = self;
        let mut appended = match journal.append(intents).await {
            Ok(appended) => appended.into_iter(),
            Err(error) => {
                let failed = |(position, _, _)| (position, Err(LaunchErrorKind::Journal(error.clone())));
                return positions.into_iter().map(failed).collect();
            }
        };
        let answered = |(position, derived, owner)| {
            let ticket = ticket(&journal, appended.next(), derived);
            (position, ticket.map(|ticket| ticket.made_by(owner)))
        };
        positions.into_iter().map(answered).collect()
    }
}

impl<O: Payload> IntoFuture for LaunchMany<O> {
    type Output = Vec<Result<Ticket<O>, LaunchError>>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let agents: Vec<_> = self.launches.iter().map(|launch| Arc::clone(launch.agent())).collect();
            let mut recorded = Vec::with_capacity(agents.len());
            let mut open: Option<Batch> = None;
            for (position, launch) in self.launches.into_iter().enumerate() {
                let (derived, owner) = (launch.is_derived(), launch.owner());
                let (journal, intent) = match launch.prepare() {
                    Ok(prepared) => prepared,
                    Err(kind) => {
                        recorded.push((position, Err(kind)));
                        continue;
                    }
                };
                let fits =
                    |batch: &Batch| Arc::ptr_eq(&batch.journal, &journal) && batch.intents.len() < TOGETHER;
                if let Some(full) = open.take_if(|batch| !fits(batch)) {
                    recorded.extend(full.record().await);
                }
                let batch = open.get_or_insert_with(|| Batch::new(journal));
                batch.intents.push(intent);
                batch.positions.push((position, derived, owner));
            }
            if let Some(last) = open {
                recorded.extend(last.record().await);
            }
            recorded.sort_unstable_by_key(|(position, _)| *position);
            let named = recorded.into_iter().zip(agents);
            named.map(|((_, ticket), agent)| ticket.map_err(|kind| LaunchError::new(&agent, kind))).collect()
        })
    }
}

impl<O> fmt::Debug for LaunchMany<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LaunchMany").field("launches", &self.launches.len()).finish()
    }
}
