//! Attempts that were to be claimed, and of which something could not be read: others are made all the same, and these are
//! given back.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::attempts::Fence;
use super::journal::is_damage;
use super::ledger::{Now, Stands};
use super::plan::Plan;
use crate::journal::JournalError;
use crate::journal::intent::{Event, Head};
use crate::outcome::LaunchId;
use crate::user_code::printable;

/// Attempts that have begun as far as the store is concerned, and that nobody was told to make.
#[derive(Debug, Default)]
pub(super) struct Unread(Mutex<Vec<Fence>>);

impl Unread {
    pub(super) fn add(&self, fence: Fence) {
        self.lock().push(fence);
    }

    /// Those that are to be given back. They stay until that is durable.
    pub(super) fn all(&self) -> Vec<Fence> {
        self.lock().clone()
    }

    /// These are given back.
    pub(super) fn remove(&self, given_back: &[Fence]) {
        self.lock().retain(|fence| !given_back.contains(fence));
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Fence>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Plan {
    /// Gives attempts back that nobody was told to make.
    pub(super) fn take_back(&mut self, unread: &[Fence], now: Now) -> Result<(), JournalError> {
        for Fence { id, epoch, attempt } in unread {
            // At once: if the commit fails, it is one of those that nobody makes.
            self.attempts.forget(*id, *attempt);
            // Refused if it was given back before.
            let _ =
                self.advance(*id, Event::Release { epoch: *epoch, attempt: *attempt, begun: false }, now)?;
        }
        Ok(())
    }

    /// The head of a launch that was chosen. One that cannot be read keeps no other from beginning: it may be chosen again, or,
    /// if it is damaged, stays as it is in this life. One that holds what no journal has written is parked.
    pub(super) fn chosen(&mut self, id: LaunchId, unread: &mut Option<JournalError>) -> Option<Head> {
        match self.head(id) {
            Ok(Some(head)) => match head.check_numbers() {
                Ok(()) => Some(head),
                Err(wrong) => {
                    let (field, why) = (wrong.field, wrong.why);
                    log_error!(launch = %id, field, why, "a launch holds what no journal has written: it is parked");
                    self.ledger.park(id);
                    self.ledger.stand(id, Stands::Parked);
                    // No commit follows from it.
                    self.news.set_counts(self.ledger.counts());
                    None
                }
            },
            Ok(None) => None,
            Err(error) if is_damage(&error) => {
                log_error!(launch = %id, error = %printable(&error), "a launch cannot be read: it does not start");
                self.ledger.stand(id, Stands::Parked);
                None
            }
            Err(error) => {
                self.ledger.stand(id, Stands::Ready);
                *unread = Some(error);
                None
            }
        }
    }
}
