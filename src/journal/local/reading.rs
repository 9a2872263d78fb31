//! Launches as they are told to others: one, by key, or page by page.

use std::ops::ControlFlow;

use super::key;
use super::plan::{Plan, fingerprint, read};
use super::view;
use crate::journal::JournalError;
use crate::journal::intent::Head;
use crate::journal::launch_record::{LaunchFilter, LaunchRecord};
use crate::journal::record::Kind;
use crate::outcome::LaunchId;

/// How many heads are looked at for a page before others get their turn.
const LOOKED_AT_ONCE: usize = 1024;

/// A part of a page.
pub(super) struct Part {
    pub(super) found: Vec<LaunchRecord>,
    /// Where to go on; `None` at the end.
    pub(super) next: Option<LaunchId>,
}

impl Plan {
    /// Whether a launch belongs to one of these agents, by their names of today.
    pub(super) fn is_of(&self, head: &Head, agents: &[String]) -> bool {
        let name = self.scope.name_today(&head.agent);
        agents.iter().any(|agent| agent == name)
    }

    /// What is told of a launch.
    pub(super) fn tell(&mut self, id: LaunchId) -> Result<Option<LaunchRecord>, JournalError> {
        let head = self.durable_head(id)?;
        Ok(head.map(|head| {
            let parked = self.is_parked(id, &head);
            view::record(id, head, parked, &self.scope)
        }))
    }

    /// What is recorded of a launch, once that is durable.
    pub(super) fn durable_head(&mut self, id: LaunchId) -> Result<Option<Head>, JournalError> {
        self.must_sync_what_is_told_of(id);
        self.head(id)
    }

    /// The launch under a key.
    pub(super) fn tell_by_key(
        &mut self,
        agent: &str,
        name: &str,
    ) -> Result<Option<LaunchRecord>, JournalError> {
        let Some(id) = self.ledger.by_key(agent, fingerprint(name)) else { return Ok(None) };
        // The fingerprint may be that of another name.
        Ok(self.tell(id)?.filter(|record| record.key.as_deref() == Some(name)))
    }

    /// At most `max` launches that are meant, among the next thousand beyond `after`.
    pub(super) fn part(
        &mut self,
        filter: &LaunchFilter,
        after: Option<LaunchId>,
        max: usize,
    ) -> Result<Part, JournalError> {
        let (mut part, mut looked) = (Part { found: Vec::new(), next: None }, 0);
        let after = after.map(|id| key::of(key::HEADS, id));
        self.store.scan(key::HEADS, after.as_deref(), &mut |key, record| {
            let Some(id) = key::launch(key::HEADS, key) else { return Ok(ControlFlow::Continue(())) };
            let head: Head = read(Kind::Head, key, record)?;
            if head.is_leaving() {
                return Ok(ControlFlow::Continue(()));
            }
            let parked = self.is_parked(id, &head);
            if filter.matches(self.scope.name_today(&head.agent), view::status(&head, parked)) {
                part.found.push(view::record(id, head, parked, &self.scope));
            }
            looked += 1;
            if looked < LOOKED_AT_ONCE && part.found.len() < max {
                return Ok(ControlFlow::Continue(()));
            }
            part.next = Some(id);
            Ok(ControlFlow::Break(()))
        })?;
        Ok(part)
    }
}
