//! Changes that somebody was told of before they were durable: only where the journal is buffered.

use super::plan::Plan;
use crate::journal::JournalError;
use crate::journal::store::Change;
use crate::outcome::LaunchId;

/// What was answered for and is not durable.
#[derive(Debug, Default)]
pub(super) struct Debt {
    /// Whether something waits that must be durable before anybody is told of it.
    urgent: bool,
    /// How many changes of the batch, from its beginning, somebody has been told of.
    told: usize,
    /// The changes of which somebody was told, and whose commit has failed.
    unpaid: Vec<Change>,
}

impl Debt {
    /// Everything is durable.
    pub(super) fn clear(&mut self) {
        (self.urgent, self.told) = (false, 0);
    }
}

impl Plan {
    /// Whether something waits that nobody may be told of before it is durable.
    pub(super) fn is_urgent(&self) -> bool {
        self.debt.urgent
    }

    /// What waits now must be durable before anybody is told of it.
    pub(super) fn must_sync(&mut self) {
        self.debt.urgent = self.is_dirty();
    }

    /// What is told of a launch must be durable before.
    pub(super) fn must_sync_what_is_told_of(&mut self, id: LaunchId) {
        if self.waiting.contains_key(&id) {
            self.must_sync();
        }
    }

    /// Somebody has been told of everything that waits. `false` if nothing does.
    pub(super) fn owe(&mut self) -> bool {
        self.debt.told = self.batch.len();
        self.is_dirty()
    }

    /// Whether somebody has been told of what is not durable.
    pub(super) fn is_indebted(&self) -> bool {
        self.debt.told > 0 || !self.debt.unpaid.is_empty()
    }

    /// The last commit has failed: who claims launches finds out, and so the store is opened again also if nobody else
    /// asks for anything.
    pub(super) fn alarm(&self) {
        self.news.tell_ready();
    }

    /// Forgets what waits after its commit has failed, but for what somebody was told of.
    pub(super) fn keep_debt(&mut self) {
        let told = self.batch.drain(..self.debt.told);
        self.debt.unpaid.extend(told);
        self.debt.clear();
        self.batch.clear();
        self.waiting.clear();
    }

    /// Commits what somebody was told of, once the store is open again. Some of it may be there: a change sets or removes a
    /// whole value, and nothing was committed since, so it does no harm twice.
    pub(super) fn pay_debt(&mut self) -> Result<(), JournalError> {
        if !self.debt.unpaid.is_empty() {
            self.store.commit(&self.debt.unpaid)?;
            self.debt.unpaid.clear();
        }
        Ok(())
    }
}
