//! The promise to run a launch, and how it moves from state to state: pure.
//!
//! [`Head`] is what is stored of a launch, and the only place where its state stands: to write it is the transition.
//! [`step`] is the only function that changes it; live code and recovery go through it alike.

mod head;
mod step;

pub(crate) use head::{Delivery, EndedBy, Head, Millis, RestartTerms, State, Stored, Terms};
pub(crate) use step::{Event, Refused, is_current, step};
