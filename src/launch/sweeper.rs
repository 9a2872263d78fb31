//! What removes launches whose retention is over.

use std::pin::pin;
use std::time::Duration;

use futures::future::select;
use futures::stream::{BoxStream, StreamExt};
use tokio::time::sleep;

use super::patience::{Patience, is_transient};
use crate::journal::{Journal, JournalError, Swept};

/// How many launches are removed at once: at most, because a journal keeps its sweeps small by itself.
const AT_ONCE: usize = 256;

/// How long others have the journal to themselves while there is more to remove.
const PAUSE: Duration = Duration::from_millis(1);

/// How long expired launches are let come together.
const REST: Duration = Duration::from_secs(1);

/// After what time it looks in any case: for launches that ended meanwhile and are not kept for long, and at the clock. Where
/// launches come in, it does not take that long: they would pile up.
const LONGEST_REST: Duration = Duration::from_secs(60);

/// Sweeps the journal, until that fails for good.
pub(super) async fn sweep(journal: &dyn Journal) -> JournalError {
    let (mut time, mut patience) = (REST, Patience::default());
    let mut changes = journal.changes();
    loop {
        rest(time, &mut changes).await;
        time = match journal.sweep(AT_ONCE).await {
            Ok(swept) => {
                patience = Patience::default();
                rest_after(&swept)
            }
            Err(error) if is_transient(&error) => patience.next(),
            Err(error) => return error,
        };
    }
}

/// Waits for the time, and no longer than a moment if there are launches that were not there before: what they do, and how
/// soon they may be removed, is not known to the last sweep.
async fn rest(time: Duration, changes: &mut BoxStream<'static, ()>) {
    sleep(time.min(REST)).await;
    let longer = time.saturating_sub(REST);
    if !longer.is_zero() {
        select(pin!(sleep(longer)), changes.next()).await;
    }
}

fn rest_after(swept: &Swept) -> Duration {
    match swept.next {
        Some(Duration::ZERO) => PAUSE,
        Some(next) => next.clamp(REST, LONGEST_REST),
        None => LONGEST_REST,
    }
}
