//! Policies: plain data and pure decisions.
//!
//! What shall happen after an attempt has ended is decided here, from values alone: no clock, no randomness of its
//! own, no async. The supervisor reads the clock, rolls the dice and carries the decision out.

mod backoff;
mod intensity;
mod jitter;
mod limits;
mod restart;

pub use backoff::Backoff;
pub(crate) use intensity::Deaths;
pub use intensity::Intensity;
pub(crate) use jitter::jitter;
pub(crate) use limits::{Limits, positive};
pub use restart::{Decision, Restart, Trigger};
