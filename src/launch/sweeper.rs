//! What removes launches whose retention is over.

use std::time::Duration;

use tokio::time::sleep;

use super::patience::{Patience, is_transient};
use crate::journal::{Journal, JournalError, Swept};

/// How many launches are removed at once.
const AT_ONCE: usize = 64;

/// How long others have the journal to themselves while there is more to remove.
const PAUSE: Duration = Duration::from_millis(5);

/// How long expired launches are let come together.
const REST: Duration = Duration::from_secs(1);

/// After what time it looks in any case: for launches that ended meanwhile and are not kept for long, and at the clock.
const LONGEST_REST: Duration = Duration::from_secs(60);

/// Sweeps the journal, until that fails for good.
pub(super) async fn sweep(journal: &dyn Journal) -> JournalError {
    let (mut rest, mut patience) = (REST, Patience::default());
    loop {
        sleep(rest).await;
        rest = match journal.sweep(AT_ONCE).await {
            Ok(swept) => {
                patience = Patience::default();
                rest_after(&swept)
            }
            Err(error) if is_transient(&error) => patience.next(),
            Err(error) => return error,
        };
    }
}

fn rest_after(swept: &Swept) -> Duration {
    match swept.next {
        Some(Duration::ZERO) => PAUSE,
        Some(next) => next.clamp(REST, LONGEST_REST),
        None => LONGEST_REST,
    }
}
