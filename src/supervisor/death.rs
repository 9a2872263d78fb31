//! The end of an actor, as the actor above it learns of it.

use std::fmt::Display;

use ractor::{ActorCell, SupervisionEvent};

use crate::user_code::{discard, display};

/// The end of an actor. What the actor has left, its state or its error, is gone by now: it may be the user's, and must not
/// take the actor above along when it is shown or dropped.
pub(super) struct Death {
    pub(super) actor: ActorCell,
    /// Whether it panicked or failed, as opposed to being stopped or killed.
    pub(super) has_failed: bool,
    pub(super) reason: String,
}

impl Death {
    pub(super) fn of(event: SupervisionEvent) -> Option<Self> {
        match event {
            SupervisionEvent::ActorTerminated(actor, state, reason) => {
                discard(state);
                let reason = reason.unwrap_or_else(|| "it stopped".to_owned());
                Some(Self { actor, has_failed: false, reason })
            }
            SupervisionEvent::ActorFailed(actor, error) => {
                Some(Self { actor, has_failed: true, reason: text_of(error) })
            }
            _ => None,
        }
    }
}

/// What an error of the user's says.
pub(super) fn text_of(error: impl Display) -> String {
    let text = display(&error);
    discard(error);
    text
}
