//! Suspects that wait for other launches, and lend the place of the one suspect that may run.

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

/// What a suspect asks for. Suspects are rare: what is asked is boxed and sent, and ordinary launches have nothing of it.
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

/// Slots as a suspect has them. Its place among the suspects is lent before its slot, and regained before it: so a suspect
/// that has a slot never waits for a place, and one that waits for a place holds nothing.
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

    fn ask(&self, lease: &Arc<SlotLease>, what: What) {
        let asked = Asked { lease: Arc::clone(lease), claim: Arc::clone(&self.claim), what };
        // After the life of its dispatcher nothing of the attempt is polled.
        let _ = self.asked.send(asked);
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

    fn lend_place(&self, lease: &Arc<SlotLease>) {
        self.ask(lease, What::Lend);
    }

    fn regain_place(&self, lease: &Arc<SlotLease>) {
        self.ask(lease, What::Regain);
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
/// A place is lent once that is durable: whoever has it from then on is the only suspect, and a death of the process is
/// counted as that one's.
pub(super) async fn serve(journal: &dyn Journal, mut asked: UnboundedReceiver<Asked>) -> JournalError {
    let mut changes = journal.changes();
    let mut returning: Vec<Asked> = Vec::new();
    loop {
        let next = next(&mut asked, &mut changes, !returning.is_empty()).await;
        match next {
            Some(asked) if asked.what == What::Lend => {
                // A refusal says that the attempt is over, for the journal: its code comes to its end all the same.
                let lent = insist(|| journal.suspend_suspect(&asked.claim)).await;
                match lent {
                    Ok(_) => asked.lease.place_lent(),
                    Err(error) => return error,
                }
            }
            Some(asked) => returning.push(asked),
            None => {}
        }
        let mut waiting = Vec::new();
        for asked in returning {
            match insist(|| journal.resume_suspect(&asked.claim)).await {
                Ok(Ok(false)) => waiting.push(asked),
                Ok(Ok(true) | Err(_)) => asked.lease.place_regained(),
                Err(error) => return error,
            }
        }
        returning = waiting;
    }
}

/// The next that is asked for; `None` if those that want their place back are to ask again.
async fn next(
    asked: &mut UnboundedReceiver<Asked>,
    changes: &mut BoxStream<'static, ()>,
    looks: bool,
) -> Option<Asked> {
    let change = async {
        if looks {
            changes.next().await;
        } else {
            std::future::pending().await
        }
    };
    let next = async {
        match asked.recv().await {
            Some(asked) => asked,
            None => std::future::pending().await,
        }
    };
    match select(pin!(next), pin!(change)).await {
        Either::Left((asked, _)) => Some(asked),
        Either::Right(_) => None,
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
