//! The removal of launches whose retention is over: little by little, between other requests.
//!
//! How one is removed is the business of `removal`.

use std::time::Duration;

use super::Local;
use super::journal::is_damage;
use super::ledger::Now;
use super::plan::Plan;
use super::removal::CHANGES_AT_ONCE;
use crate::journal::JournalError;
use crate::journal::exchange::Swept;
use crate::journal::intent::{Event, State};
use crate::user_code::printable;

/// How many changes a sweep makes at most, however many launches were recorded since the last one.
const MOST_AT_ONCE: usize = 256;

/// How far the clocks may come apart.
const LARGEST_JUMP: Duration = Duration::from_secs(60 * 60);

impl Local {
    pub(super) async fn sweep(&self, max: usize) -> Result<Swept, JournalError> {
        if !self.clocks_agree()? {
            return Ok(Swept { suspended: true, ..Swept::default() });
        }
        self.ask(move |plan, now| plan.sweep(max, now)).await
    }
}

impl Plan {
    fn sweep(&mut self, max: usize, now: Now) -> Result<Swept, JournalError> {
        // More than were recorded meanwhile, or removing would not keep up with launching.
        let recorded = std::mem::take(&mut self.recorded);
        let most = recorded.saturating_mul(2).clamp(CHANGES_AT_ONCE, MOST_AT_ONCE);
        let (mut removed, mut dead, full) = (0, 0_usize, self.changes() + most);
        while removed < max && self.changes() < full {
            let Some((at, id)) = self.ledger.expiring.first(now.wall) else { break };
            match self.stored(id) {
                Ok(Some(head)) if self.ledger.expires(&head) == Some(at) => {
                    if self.pieces_wait(id, &head) {
                        self.must_sync();
                        break;
                    }
                    let room = full - self.changes();
                    let was_dead = matches!(head.state, State::Dead { .. });
                    // What is dead waits for a decision, which was made for all of them when the system was built.
                    let event = if was_dead { Event::Discard { parked: false } } else { Event::Leave };
                    dead += usize::from(was_dead);
                    removed += usize::from(self.remove(id, head, event, room, now)?.is_ok_and(|last| last));
                }
                // It was removed otherwise.
                Ok(_) => self.ledger.expiring.remove(at, id),
                Err(error) if is_damage(&error) => {
                    log_error!(launch = %id, error = %printable(&error), "a launch cannot be read: it is not removed");
                    self.ledger.expiring.remove(at, id);
                }
                Err(error) => return Err(error),
            }
        }
        if dead > 0 {
            log_warn!(
                launches = dead,
                "dead launches were kept for as long as they are to be and are removed"
            );
        }
        Ok(Swept { removed, next: self.ledger.expiring.next(now.wall), suspended: false })
    }
}

/// Whether the wall clock has gone as far as time has since it was last looked at, give or take an hour.
///
/// It decides what is removed for good, so a clock that was set wrongly must not.
#[derive(Debug)]
pub(super) struct Agreement {
    /// When the clocks last agreed.
    last: Now,
    broken: bool,
}

impl Agreement {
    /// The clock is believed.
    pub(super) fn at(now: Now) -> Self {
        Self { last: now, broken: false }
    }

    /// Whether the clocks agree now.
    pub(super) fn holds(&mut self, now: Now) -> bool {
        let time = now.steady.saturating_sub(self.last.steady).as_millis();
        let expected = u128::from(self.last.wall) + time;
        let apart = u128::from(now.wall).abs_diff(expected);
        let broken = apart > LARGEST_JUMP.as_millis();
        if broken && !self.broken {
            log_warn!(
                seconds = apart / 1000,
                forward = u128::from(now.wall) > expected,
                "the clock has jumped: no launch is removed before it has jumped back or the system is restarted"
            );
        }
        if !broken {
            if self.broken {
                log_info!("the clock has jumped back: launches are removed again");
            }
            self.last = now;
        }
        self.broken = broken;
        !broken
    }
}
