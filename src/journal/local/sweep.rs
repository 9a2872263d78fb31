//! The removal of launches whose retention is over: little by little, between other requests.
//!
//! A launch without pieces, or with few, is removed by one commit. One with many loses them over several, and the first of
//! these also writes into its head that it is leaving: from then on it is unknown, and its key is free. The head goes with
//! the last pieces, so that whoever is killed in between, goes on where he was.

use std::ops::ControlFlow;
use std::time::Duration;

use super::Local;
use super::journal::is_damage;
use super::key;
use super::ledger::Now;
use super::pieces::in_pieces;
use super::plan::{Plan, key_of};
use crate::journal::JournalError;
use crate::journal::exchange::Swept;
use crate::journal::intent::{Event, Head, State, step};
use crate::journal::store::Change;
use crate::outcome::LaunchId;

/// How many changes one sweep makes, so that it holds nobody up.
const CHANGES_AT_ONCE: usize = 64;

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
    /// What is recorded of a launch. One that is leaving counts as gone.
    pub(crate) fn head(&self, id: LaunchId) -> Result<Option<Head>, JournalError> {
        Ok(self.stored(id)?.filter(|head| !head.is_leaving()))
    }

    fn sweep(&mut self, max: usize, now: Now) -> Result<Swept, JournalError> {
        let (mut removed, full) = (0, self.changes() + CHANGES_AT_ONCE);
        while removed < max && self.changes() < full {
            let Some((at, id)) = self.ledger.expiring.first(now.wall) else { break };
            match self.stored(id) {
                Ok(Some(head)) if head.expires() == Some(at) => {
                    let room = full - self.changes();
                    removed += usize::from(self.remove(id, head, room, now)?);
                }
                // It was removed otherwise.
                Ok(_) => self.ledger.expiring.remove(at, id),
                Err(error) if is_damage(&error) => {
                    tracing::error!(launch = %id, %error, "a launch cannot be read: it is not removed");
                    self.ledger.expiring.remove(at, id);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Swept { removed, next: self.ledger.expiring.next(now.wall), suspended: false })
    }

    /// Removes a launch as far as there is room for changes. `true` if nothing of it is left.
    fn remove(&mut self, id: LaunchId, mut head: Head, room: usize, now: Now) -> Result<bool, JournalError> {
        let mut pieces = self.some_pieces(id, &head, room)?;
        if !pieces.is_empty() {
            pass("sweep.pieces")?;
        }
        let last = pieces.len() < room;
        if last {
            pass("sweep.head")?;
            pieces.push(Change::Delete(key::of(key::HEADS, id)));
            self.ledger.forget(id, key_of(&head), &head);
        } else if !head.is_leaving() {
            pieces.pop();
            self.ledger.forget(id, key_of(&head), &head);
            // Refused only if it is to be kept, and then it would not be here.
            let _ = step(&mut head, Event::Leave, now.wall);
            self.write(id, &mut head, now)?;
        }
        pieces.into_iter().for_each(|change| self.change(change));
        if last {
            // The head is the last change, and found there by who asks before the commit.
            self.waiting.insert(id, self.changes() - 1);
        }
        Ok(last)
    }

    /// The removal of at most so many pieces of a launch.
    fn some_pieces(&self, id: LaunchId, head: &Head, most: usize) -> Result<Vec<Change>, JournalError> {
        let output = matches!(&head.state, State::Done { output, .. } if in_pieces(output));
        let mut pieces = Vec::new();
        for (prefix, is_there) in [(key::INPUTS, in_pieces(&head.input)), (key::OUTPUTS, output)] {
            if pieces.len() == most || !is_there && !head.is_leaving() {
                continue;
            }
            self.store.scan(&key::of(prefix, id), None, &mut |key, _| {
                pieces.push(Change::Delete(key.to_vec()));
                Ok(if pieces.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
            })?;
        }
        Ok(pieces)
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
            tracing::warn!(
                seconds = apart / 1000,
                forward = u128::from(now.wall) > expected,
                "the clock has jumped: no launch is removed before it has jumped back or the system is restarted"
            );
        }
        if !broken {
            if self.broken {
                tracing::info!("the clock has jumped back: launches are removed again");
            }
            self.last = now;
        }
        self.broken = broken;
        !broken
    }
}

/// Passes a failpoint. A journal does not know where its store stands: only a whole process can be armed.
fn pass(_point: &'static str) -> Result<(), JournalError> {
    #[cfg(feature = "sled")]
    crate::journal::failpoint::hit(_point, std::path::Path::new(""))?;
    Ok(())
}
