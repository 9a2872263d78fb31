//! A child of a run: the actor that makes its attempts, one after the other in each of its seats.
//!
//! | part | what it is |
//! |---|---|
//! | [`Child`] | the actor |
//! | [`Shift`] | what a child does in a seat: pull, attempt, conclude, breathe |
//! | [`lanes`] | how a child does so in several seats at once |
//! | [`Stretch`] | how long it may go on before it breathes |
//! | `Running` | one attempt, step by step |
//! | `Alarm` | what wakes the attempts of a child whose time is up |
//! | [`usher`] | the child that polls the stream of the items, and makes no attempts |
//! | `reaper` | the child beyond the cap that ends what has been queued for too long |
//!
//! A child owns nothing that would be lost with it: branches are the queue's, outcomes the run's. How many children there
//! are, and when one is replaced or killed, is the run supervisor's to decide.

mod actor;
mod alarm;
mod attempt;
mod conclude;
mod finish;
pub(super) mod lanes;
mod reaper;
mod shift;
mod stretch;
pub(super) mod usher;

pub(super) use actor::{Child, Post};
pub(super) use finish::Leave;
pub(super) use shift::{Floor, Shift};
pub(super) use stretch::Stretch;
