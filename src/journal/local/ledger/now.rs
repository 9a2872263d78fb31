//! The two clocks by which launches wait.

use std::time::Duration;

use crate::journal::intent::Millis;

/// The clock as the one who asks reads it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    /// The wall clock, which is stored, and which may go back.
    pub(crate) wall: Millis,
    /// A clock that does not go back, since the journal was opened.
    pub(crate) steady: Duration,
}
