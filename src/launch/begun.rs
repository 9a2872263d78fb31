//! Which attempts have begun: what they were told to do may have happened.

use std::collections::HashSet;
use std::sync::Mutex;

use crate::outcome::LaunchId;
use crate::sync::lock;

/// The attempts of one life of a dispatcher whose bodies have begun, and whose outcomes are not recorded.
///
/// What is given back is told by it from what is ambiguous. So nothing begins any more once that was decided.
#[derive(Default)]
pub(super) struct Begun(Mutex<State>);

#[derive(Default)]
struct State {
    attempts: HashSet<(LaunchId, u32)>,
    closed: bool,
}

impl Begun {
    /// The body of an attempt begins; `false` if it must not.
    pub(super) fn begin(&self, id: LaunchId, attempt: u32) -> bool {
        let mut state = lock(&self.0);
        if !state.closed {
            state.attempts.insert((id, attempt));
        }
        !state.closed
    }

    /// Whether the body of an attempt has begun, and its outcome is not recorded.
    pub(super) fn has_begun(&self, id: LaunchId, attempt: u32) -> bool {
        lock(&self.0).attempts.contains(&(id, attempt))
    }

    /// The outcome of an attempt is recorded.
    pub(super) fn conclude(&self, id: LaunchId, attempt: u32) {
        lock(&self.0).attempts.remove(&(id, attempt));
    }

    /// Lets no further attempt begin, and says which have.
    pub(super) fn close(&self) -> Vec<LaunchId> {
        let mut state = lock(&self.0);
        state.closed = true;
        state.attempts.iter().map(|(id, _)| *id).collect()
    }
}
