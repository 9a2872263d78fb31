//! A launch's head, as it is told to others.

use crate::journal::clock::from_millis;
use crate::journal::contract::Scope;
use crate::journal::intent::{Ended, Head, State};
use crate::journal::launch_record::{AttemptEnd, LaunchRecord, LaunchStatus};
use crate::journal::terms::Terms;
use crate::outcome::LaunchId;

/// Where a launch stands.
pub(super) fn status(head: &Head, parked: bool) -> LaunchStatus {
    match head.state {
        State::Pending(_) if parked => LaunchStatus::Parked,
        State::Pending(_) => LaunchStatus::Pending,
        State::Running { .. } => LaunchStatus::Running,
        State::Done { .. } => LaunchStatus::Done,
        State::Dead { .. } => LaunchStatus::Dead,
        State::Cancelled { .. } => LaunchStatus::Cancelled,
        State::Ambiguous { .. } => LaunchStatus::Ambiguous,
    }
}

/// What is told of a launch.
pub(super) fn record(id: LaunchId, head: Head, parked: bool, scope: &Scope) -> LaunchRecord {
    let status = status(&head, parked);
    let due = match head.state {
        State::Pending(Some(due)) => Some(from_millis(due.at)),
        _ => None,
    };
    let ended = match head.state {
        State::Done { at, .. } | State::Dead { at } | State::Cancelled { at } | State::Ambiguous { at } => {
            Some(from_millis(at))
        }
        State::Pending(_) | State::Running { .. } => None,
    };
    LaunchRecord {
        id,
        status,
        recorded: from_millis(head.recorded),
        due,
        ended,
        attempts: head.attempt,
        failures: head.failures,
        crashes: head.crashes,
        suspect: head.suspect,
        unwanted: matches!(head.state, State::Running { cancel: true, .. }),
        history: head.history.into_iter().map(end).collect(),
        terms: Terms::from(&head.terms),
        agent: scope.name_today(&head.agent).to_owned(),
        key: head.key,
    }
}

fn end(ended: Ended) -> AttemptEnd {
    let Ended { attempt, at, by, message, code, .. } = ended;
    AttemptEnd { attempt, at: from_millis(at), by, message, code }
}
