//! The promise to run a launch, and how it moves from state to state: pure.
//!
//! [`Head`] is what is stored of a launch, and the only place where its state stands: to write it is the transition.
//! [`step`] is the only function that changes it; live code and recovery go through it alike.

mod bytes;
mod check;
mod head;
mod step;

#[cfg(feature = "sled")]
pub(crate) use check::Wrong;
pub(crate) use check::{LAST_EPOCH, LAST_TIME};
#[cfg(all(feature = "failpoints", feature = "sled"))]
pub(crate) use head::RestartTerms;
pub use head::{Delivery, EndedBy};
pub(crate) use head::{Due as StoredDue, Ended, Head, Millis, State, Stored, StoredTerms};
pub use step::Refused;
pub(crate) use step::{Event, is_current, step};
