//! Suspects that wait for other launches, and lend the place of the one suspect that may run.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use futures::future::{Either, select};
use futures::stream::{BoxStream, StreamExt};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::time::sleep;

use super::patience::{Patience, is_transient};
use super::slots::LaunchSlots;
use crate::agent::{Acquired, Grant, SlotLease, SlotPool};
use crate::journal::{Claim, Journal, JournalError};
use crate::outcome::LaunchId;

/// What a suspect asks for. Suspects are rare: what is asked is boxed and sent, and ordinary launches have nothing of
/// it.
pub(super) struct Asked {
    lease: Arc<SlotLease>,
    claim: Arc<Claim>,
    what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Lend,
    Regain,
}

/// Slots as a suspect has them. Its place among the suspects is lent before its slot, and regained before it: so a
/// suspect that has a slot never waits for a place, and one that waits for a place holds nothing.
pub(super) struct SuspectSlots {
    slots: Arc<LaunchSlots>,
    claim: Arc<Claim>,
    asked: UnboundedSender<Asked>,
}

impl SuspectSlots {
    pub(super) fn new(slots: Arc<LaunchSlots>, claim: &Claim, asked: UnboundedSender<Asked>) -> Self {
        // For its fence: the input is the attempt's.
        Self { slots, claim: Arc::new(claim.clone()), asked }
    }

    fn ask(&self, lease: &Arc<SlotLease>, what: What) -> bool {
        let asked = Asked { lease: Arc::clone(lease), claim: Arc::clone(&self.claim), what };
        self.asked.send(asked).is_ok()
    }
}

impl SlotPool for SuspectSlots {
    fn acquire(&self, lease: &Arc<SlotLease>) -> Acquired {
        self.slots.acquire(lease)
    }

    fn withdraw(&self, lease: &SlotLease, ticket: u64) -> Vec<Grant> {
        self.slots.withdraw(lease, ticket)
    }

    fn lend(&self, lease: &SlotLease) -> Vec<Grant> {
        self.slots.lend(lease)
    }

    fn end(&self, lease: &SlotLease, held: bool) -> Vec<Grant> {
        self.slots.end(lease, held)
    }

    fn lend_place(&self, lease: &Arc<SlotLease>) -> bool {
        self.ask(lease, What::Lend)
    }

    fn regain_place(&self, lease: &Arc<SlotLease>) -> bool {
        self.ask(lease, What::Regain)
    }

    fn wait_begins(&self, lease: &SlotLease, other: LaunchId, behind_in_lane: bool) -> bool {
        self.slots.wait_begins(lease, other, behind_in_lane)
    }

    fn wait_ends(&self, lease: &SlotLease, other: LaunchId, unending: bool) {
        self.slots.wait_ends(lease, other, unending);
    }
}

/// Does what suspects ask for, in the order in which they ask, until the journal fails for good.
///
/// A place is lent once that is durable: the suspect that runs from then on is the only one, and a death of the process
/// is counted as its own.
pub(super) async fn serve(journal: &dyn Journal, asked: UnboundedReceiver<Asked>) -> JournalError {
    let (mut server, mut changes) = (Server { asked, returning: VecDeque::new() }, journal.changes());
    loop {
        let served = match server.next(&mut changes).await {
            Some(asked) if asked.what == What::Lend => server.lend(journal, asked).await,
            Some(asked) => server.regain(journal, asked).await,
            None => server.try_again(journal).await,
        };
        if let Err(error) = served {
            return error;
        }
    }
}

/// The requests of suspects. Those that are left when it is dropped are granted: its dispatcher has ended, and what is
/// stored of their attempts is given back.
struct Server {
    asked: UnboundedReceiver<Asked>,
    /// Those that want their place back while another suspect runs, in the order in which they have asked.
    returning: VecDeque<Asked>,
}

impl Server {
    /// The next that is asked for; `None` if the first of those that want their place back is to ask again.
    async fn next(&mut self, changes: &mut BoxStream<'static, ()>) -> Option<Asked> {
        let looks = !self.returning.is_empty();
        let change = async {
            // Changes end with the journal: then there is nothing to look for.
            if !looks || changes.next().await.is_none() {
                std::future::pending().await
            }
        };
        let next = async {
            match self.asked.recv().await {
                Some(asked) => asked,
                None => std::future::pending().await,
            }
        };
        match select(pin!(next), pin!(change)).await {
            Either::Left((asked, _)) => Some(asked),
            Either::Right(((), _)) => None,
        }
    }

    async fn lend(&mut self, journal: &dyn Journal, asked: Asked) -> Result<(), JournalError> {
        let asked = Answered(Some(asked));
        if let Some(asked) = &asked.0 {
            // A refusal says that for the journal the attempt is over: its code comes to its end all the same.
            let _ = insist(|| journal.suspend_suspect(&asked.claim)).await?;
        }
        Ok(())
    }

    async fn regain(&mut self, journal: &dyn Journal, asked: Asked) -> Result<(), JournalError> {
        let mut asked = Answered(Some(asked));
        if let Some(Asked { claim, .. }) = &asked.0 {
            if insist(|| journal.resume_suspect(claim)).await? == Ok(false) {
                self.returning.extend(asked.0.take());
            }
        }
        Ok(())
    }

    async fn try_again(&mut self, journal: &dyn Journal) -> Result<(), JournalError> {
        while let Some(Asked { claim, .. }) = self.returning.front() {
            if insist(|| journal.resume_suspect(claim)).await? == Ok(false) {
                break;
            }
            drop(Answered(self.returning.pop_front()));
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.asked.close();
        while let Ok(asked) = self.asked.try_recv() {
            drop(Answered(Some(asked)));
        }
        self.returning.drain(..).for_each(|asked| drop(Answered(Some(asked))));
    }
}

/// A request that is granted when this is dropped, however that comes.
struct Answered(Option<Asked>);

impl Drop for Answered {
    fn drop(&mut self) {
        if let Some(Asked { lease, what, .. }) = self.0.take() {
            match what {
                What::Lend => lease.place_lent(),
                What::Regain => lease.place_regained(),
            }
        }
    }
}

/// Asks the journal, and again while that may help.
async fn insist<T, F: Future<Output = Result<T, JournalError>>>(
    ask: impl Fn() -> F,
) -> Result<T, JournalError> {
    let mut patience = Patience::default();
    loop {
        match ask().await {
            Err(error) if is_transient(&error) => sleep(patience.next()).await,
            answered => return answered,
        }
    }
}
