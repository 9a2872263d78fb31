//! How a launch moves from state to state.

use std::time::Duration;

use thiserror::Error;

use super::head::{Delivery, Due, Ended, EndedBy, Head, Millis, State, Stored};
use crate::policy::{Decision, Restart, Trigger};

/// How many ends of attempts are remembered.
pub(super) const HISTORY: usize = 16;

/// How many bytes of an error are remembered: one always fits into a record, beside the longest names and payloads.
pub(super) const LONGEST_MESSAGE: usize = 1_000;

/// How many bytes of an error's code are remembered.
pub(super) const LONGEST_CODE: usize = 100;

/// What happens to a launch.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Event {
    /// An attempt begins. Its body starts only when this is durable.
    Start { epoch: u64 },
    /// The attempt has given a value.
    Succeed { epoch: u64, attempt: u32, output: Stored },
    /// The attempt has ended without one. `floor` is the least wait that it asked for, `roll` the dice of the jitter.
    Fail {
        epoch: u64,
        attempt: u32,
        by: EndedBy,
        message: String,
        code: Option<String>,
        floor: Duration,
        roll: f64,
    },
    /// The attempt of a suspect waits for another launch: it does not stand as a suspect while it waits.
    Suspend { epoch: u64, attempt: u32 },
    /// The attempt of a suspect that was suspended goes on, or ends: it stands as a suspect again.
    Resume { epoch: u64, attempt: u32 },
    /// The attempt is given back: at a shutdown, or because its supervisor died. `begun` says whether its body was.
    Release { epoch: u64, attempt: u32, begun: bool },
    /// The process of the attempt has died.
    Crash,
    /// Somebody does not want it any more.
    Cancel,
    /// A dead or ambiguous launch gets a new series of attempts.
    Requeue,
    /// Somebody knows what the output of a dead or ambiguous launch is.
    Settle { output: Stored },
    /// Nobody wants a launch any more that waits for a decision, and its removal begins; `parked` says whether it waits
    /// because this process cannot run it.
    Discard { parked: bool },
    /// Nobody needs a done or cancelled launch any more, and its removal begins.
    Leave,
}

/// Why an event does not change a launch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refused {
    /// The attempt is not the last one, or not of this epoch: another one concludes.
    #[error("the attempt is stale")]
    Stale,
    /// It is over already.
    #[error("the launch has ended")]
    Ended,
    /// It is not over.
    #[error("the launch has not ended")]
    NotEnded,
    /// There is no such launch.
    #[error("the launch is not recorded")]
    Unknown,
}

/// Moves a launch. Pure: the clock's reading and the dice are arguments.
pub(crate) fn step(head: &mut Head, event: Event, now: Millis) -> Result<(), Refused> {
    match event {
        Event::Start { epoch } => match head.state {
            State::Pending(_) => {
                head.attempt = head.attempt.saturating_add(1);
                head.state = State::Running { epoch, since: now, cancel: false };
                Ok(())
            }
            State::Running { .. } => Err(Refused::Stale),
            _ => Err(Refused::Ended),
        },
        Event::Succeed { epoch, attempt, output } => {
            // A value wins against a cancellation that came too late to stop it.
            is_current(head, epoch, attempt)?;
            head.suspect = false;
            head.input = Stored::Gone;
            head.state = State::Done { at: now, output };
            Ok(())
        }
        Event::Fail { epoch, attempt, by, message, code, floor, roll } => {
            let cancel = is_current(head, epoch, attempt)?;
            head.suspect = false;
            head.failures = head.failures.saturating_add(1);
            remember(head, Ended { attempt, epoch, at: now, by, message, code });
            head.state =
                if cancel { cancelled(head, now) } else { after_failure(head, by, floor, roll, now) };
            Ok(())
        }
        Event::Suspend { epoch, attempt } => {
            is_current(head, epoch, attempt)?;
            head.suspect = false;
            Ok(())
        }
        Event::Resume { epoch, attempt } => {
            is_current(head, epoch, attempt)?;
            head.suspect = true;
            Ok(())
        }
        Event::Release { epoch, attempt, begun } => {
            let cancel = is_current(head, epoch, attempt)?;
            head.state = match head.terms.delivery {
                _ if cancel => cancelled(head, now),
                Delivery::AtMostOnce if begun => State::Ambiguous { at: now },
                _ => State::Pending(None),
            };
            Ok(())
        }
        Event::Crash => match head.state {
            State::Running { epoch, cancel, .. } => {
                let attempt = head.attempt;
                let message = "the process died".to_owned();
                remember(head, Ended { attempt, epoch, at: now, by: EndedBy::Crash, message, code: None });
                head.state = if cancel { cancelled(head, now) } else { after_crash(head, now) };
                Ok(())
            }
            State::Pending(_) => Err(Refused::Stale),
            _ => Err(Refused::Ended),
        },
        Event::Cancel => match &mut head.state {
            State::Pending(_) => {
                head.state = cancelled(head, now);
                Ok(())
            }
            State::Running { cancel, .. } => {
                *cancel = true;
                Ok(())
            }
            _ => Err(Refused::Ended),
        },
        Event::Requeue => {
            awaits_decision(head)?;
            (head.failures, head.crashes, head.suspect) = (0, 0, false);
            head.state = State::Pending(None);
            Ok(())
        }
        Event::Settle { output } => {
            awaits_decision(head)?;
            head.suspect = false;
            head.input = Stored::Gone;
            head.state = State::Done { at: now, output };
            Ok(())
        }
        Event::Discard { parked } => {
            if !(parked && matches!(head.state, State::Pending(_))) {
                awaits_decision(head)?;
            }
            head.state = leaving(now);
            Ok(())
        }
        Event::Leave => match head.state {
            State::Done { at, .. } | State::Cancelled { at } => {
                head.state = leaving(at);
                Ok(())
            }
            // The dead and the ambiguous wait for somebody's decision.
            _ => Err(Refused::NotEnded),
        },
    }
}

/// Whether nothing will happen to a launch unless somebody decides.
fn awaits_decision(head: &Head) -> Result<(), Refused> {
    match head.state {
        State::Dead { .. } | State::Ambiguous { .. } => Ok(()),
        State::Pending(_) | State::Running { .. } => Err(Refused::NotEnded),
        // Their input is gone.
        State::Done { .. } | State::Cancelled { .. } => Err(Refused::Ended),
    }
}

/// Whether the attempt is the one that runs, and if so, whether somebody has asked to cancel it.
pub(crate) fn is_current(head: &Head, epoch: u64, attempt: u32) -> Result<bool, Refused> {
    match head.state {
        State::Running { epoch: running, cancel, .. } if running == epoch && head.attempt == attempt => {
            Ok(cancel)
        }
        State::Pending(_) | State::Running { .. } => Err(Refused::Stale),
        _ => Err(Refused::Ended),
    }
}

/// The state of a launch that is being removed.
fn leaving(at: Millis) -> State {
    State::Done { at, output: Stored::Gone }
}

fn cancelled(head: &mut Head, now: Millis) -> State {
    head.input = Stored::Gone;
    State::Cancelled { at: now }
}

fn after_failure(head: &Head, by: EndedBy, floor: Duration, roll: f64, now: Millis) -> State {
    let trigger = match by {
        EndedBy::Error => Some(Trigger::Error),
        EndedBy::Panic => Some(Trigger::Panic),
        EndedBy::Timeout => Some(Trigger::Timeout),
        EndedBy::Fatal | EndedBy::Crash => None,
    };
    if head.terms.delivery == Delivery::AtMostOnce {
        // A returned error is an answer; of anything else nobody knows how far it came.
        let answered = matches!(by, EndedBy::Error | EndedBy::Fatal);
        return if answered { State::Dead { at: now } } else { State::Ambiguous { at: now } };
    }
    let restart = Restart::from(&head.terms.restart);
    match trigger.map(|trigger| restart.decide(head.failures, trigger, floor, roll)) {
        Some(Decision::Restart { after: Duration::ZERO }) => State::Pending(None),
        Some(Decision::Restart { after }) => State::Pending(Some(Due::after(after, now))),
        Some(Decision::GiveUp) | None => State::Dead { at: now },
    }
}

/// The innocent become suspects, and suspects, of which only one runs at a time, are counted.
fn after_crash(head: &mut Head, now: Millis) -> State {
    if head.terms.delivery == Delivery::AtMostOnce {
        return State::Ambiguous { at: now };
    }
    if std::mem::replace(&mut head.suspect, true) {
        head.crashes = head.crashes.saturating_add(1);
    }
    if head.crashes >= head.terms.max_crashes { State::Dead { at: now } } else { State::Pending(None) }
}

fn remember(head: &mut Head, mut ended: Ended) {
    cut(&mut ended.message, LONGEST_MESSAGE);
    if let Some(code) = &mut ended.code {
        cut(code, LONGEST_CODE);
    }
    while head.history.len() >= HISTORY {
        head.history.remove(0);
    }
    head.history.push(ended);
}

/// Cuts a text where a character ends.
fn cut(text: &mut String, most: usize) {
    if text.len() > most {
        let end = (0..=most).rev().find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or_default());
    }
}
