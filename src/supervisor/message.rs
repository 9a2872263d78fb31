//! The two messages of a run. They carry nothing: what is to be done stands in the run.

/// To the supervisor: something has changed, look.
pub(super) struct Wake;

/// To a child: there is work again.
pub(super) struct Resume;

#[cfg(feature = "cluster")]
impl ractor::Message for Wake {}

#[cfg(feature = "cluster")]
impl ractor::Message for Resume {}
