//! What to do while the journal cannot be written.

use std::time::Duration;

use crate::journal::{JournalError, JournalErrorKind};

/// Waits that become longer: from 50 ms to 1 s.
pub(super) struct Patience(Duration);

impl Default for Patience {
    fn default() -> Self {
        Self(Duration::from_millis(50))
    }
}

impl Patience {
    pub(super) fn next(&mut self) -> Duration {
        let wait = self.0;
        self.0 = (2 * wait).min(Duration::from_secs(1));
        wait
    }
}

/// Whether the same may work again later without a change in this process: the disk is full, for example, or a journal of the
/// user's panicked, which costs that request.
pub(super) fn is_transient(error: &JournalError) -> bool {
    matches!(error.kind(), JournalErrorKind::DiskFull | JournalErrorKind::Io | JournalErrorKind::Panicked)
}
