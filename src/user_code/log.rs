//! The log. A subscriber is code of the user's as well, and what it is given to format may be.

use super::contain;

/// Logs an event. A subscriber that panics costs the event and nothing else.
pub(crate) fn event(log: impl FnOnce()) {
    // There is no other place where this could be told.
    let _ = contain(log);
}

/// `tracing::error!`, contained. Texts that are not the crate's own are given as [`printable`](super::printable).
macro_rules! log_error {
    ($($event:tt)*) => { $crate::user_code::event(|| ::tracing::error!($($event)*)) };
}

/// `tracing::warn!`, contained, as [`log_error`].
macro_rules! log_warn {
    ($($event:tt)*) => { $crate::user_code::event(|| ::tracing::warn!($($event)*)) };
}

/// `tracing::info!`, contained, as [`log_error`].
macro_rules! log_info {
    ($($event:tt)*) => { $crate::user_code::event(|| ::tracing::info!($($event)*)) };
}
