//! Suspects that wait for other launches: they stand as suspects again before they go on.

use super::attempts::Fence;
use super::ledger::Now;
use super::plan::Plan;
use crate::journal::JournalError;
use crate::journal::exchange::Moved;
use crate::journal::intent::{Event, Refused};
use crate::outcome::LaunchId;

impl Plan {
    /// The attempt of a suspect waits for another launch. One that is no suspect is left as it is.
    pub(super) fn suspend_suspect(&mut self, fence: Fence, now: Now) -> Result<Moved, JournalError> {
        let Fence { id, epoch, attempt } = fence;
        let head = match self.current(fence)? {
            Ok(head) => head,
            Err(refused) => return Ok(Err(refused)),
        };
        if !head.is_suspect() {
            return Ok(Ok(()));
        }
        // Before the head is written, which makes way for the next suspect.
        self.ledger.suspend(id, attempt);
        Ok(self.advance(id, Event::Suspend { epoch, attempt }, now)?.map(drop))
    }

    /// The attempt of a suspended suspect is to go on. `false` while another suspect runs, or is to go on before it.
    pub(super) fn resume_suspect(
        &mut self,
        fence: Fence,
        now: Now,
    ) -> Result<Result<bool, Refused>, JournalError> {
        let Fence { id, epoch, attempt } = fence;
        let head = match self.current(fence)? {
            Ok(head) => head,
            Err(refused) => return Ok(Err(refused)),
        };
        if head.is_suspect() || !self.ledger.is_suspended(id, attempt) {
            return Ok(Ok(true));
        }
        if !self.ledger.may_resume(id, attempt) {
            return Ok(Ok(false));
        }
        // It stays noted that it was suspended: if this is not committed, it is, and what is stored counts.
        Ok(self.advance(id, Event::Resume { epoch, attempt }, now)?.map(|_| true))
    }

    /// The event that comes before this one: an attempt that is given back while it is suspended is a suspect's.
    pub(super) fn resumed_by(&self, id: LaunchId, event: &Event) -> Option<Event> {
        match event {
            Event::Release { epoch, attempt, .. } if self.ledger.is_suspended(id, *attempt) => {
                Some(Event::Resume { epoch: *epoch, attempt: *attempt })
            }
            _ => None,
        }
    }
}
