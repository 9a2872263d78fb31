//! Suspects that run and wait for other launches.

use std::collections::HashMap;

use super::super::ids::ById;
use crate::journal::intent::Head;
use crate::outcome::LaunchId;

/// The attempts of suspects that were suspended in this life of the journal. In the store they do not stand as
/// suspects, so that a death of the process is not counted as theirs; here it is kept that they are.
///
/// What is noted of an attempt stays until the launch has ended durably, and means nothing once the attempt does not
/// run: so a commit that fails takes nothing away.
#[derive(Debug, Default)]
pub(in super::super) struct Suspended {
    attempts: HashMap<LaunchId, u32>,
    /// Those that are to go on, in the order in which that was asked for.
    returning: Vec<(LaunchId, u32)>,
}

impl Suspended {
    pub(super) fn add(&mut self, id: LaunchId, attempt: u32) {
        self.returning.retain(|(returning, _)| *returning != id);
        self.attempts.insert(id, attempt);
    }

    /// The launch has ended durably, or is removed.
    pub(super) fn forget(&mut self, id: LaunchId) {
        if self.attempts.remove(&id).is_some() {
            self.returning.retain(|(returning, _)| *returning != id);
        }
    }

    pub(super) fn contains(&self, id: LaunchId, attempt: u32) -> bool {
        self.attempts.get(&id) == Some(&attempt)
    }

    /// The first that is to go on.
    pub(super) fn first_returning(&self, running: &ById<Head>) -> Option<LaunchId> {
        let runs =
            |(id, attempt): &&(LaunchId, u32)| running.get(id).is_some_and(|head| head.attempt == *attempt);
        self.returning.iter().find(runs).map(|(id, _)| *id)
    }

    /// One is to go on.
    pub(super) fn wants_back(&mut self, id: LaunchId, attempt: u32) {
        if !self.returning.contains(&(id, attempt)) {
            self.returning.push((id, attempt));
        }
    }
}
