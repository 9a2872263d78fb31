//! A run: one fan-out being executed.
//!
//! It has an actor of its own, the run supervisor, which is linked to its children and does nothing but supervise: it
//! starts them, watches them, replaces them and stops them. The [children](child) do the work, and they *pull* it: what
//! is left to do is a cursor in a [`Queue`](queue::Queue), not a mailbox.
//!
//! | part | what it is |
//! |---|---|
//! | [`Work`] | what a run executes: how a branch becomes a future |
//! | [`Order`], [`execute()`] | what is to be run, and the call that runs it |
//! | `Run` | the state that the supervisor, its children and the caller share; it owns every finished outcome |
//! | `Control` | its untyped part: limits, counters, the stop order, the supervisor's bell |
//! | [`Crew`] | a run as its actors see it, whatever its types |
//! | [`Goal`] | what the run is for, and what ends it early |
//! | `Queue` | the cursor over the branches, and those that wait for another attempt |
//! | [`Source`] | where the branches come from: an iterator or a stream |
//! | `Arrivals` | what has arrived from a stream, and was not pulled yet |
//! | `Seat` | for one attempt at a time: which one runs there, since when, until when |
//! | [`Bench`] | the seats of one child: one, or one for each of its lanes |
//! | [`Collected`] | what a run leaves when it is over |
//! | [`feed()`] | a run whose outcomes are taken while it is under way; `Delivery` keeps it from running ahead |
//! | [`Recorder`] | the reports of runs; `Log` is what a child notes for it |
//! | `RunSupervisor` | the actor; `staff` is how many children it has, `closing` how it ends |
//! | [`child`] | the children |
//!
//! The run does not decide what follows from a failure: that is the policy of the branch. Nor does it know of systems,
//! but for the place that it asks its tree for.

mod arrivals;
mod bench;
mod child;
mod closing;
mod collect;
mod control;
mod crew;
mod delivery;
mod execute;
mod feed;
mod goal;
mod log;
mod queue;
mod record;
mod seat;
mod source;
mod staff;
mod state;
mod supervisor;
mod work;

pub(super) use bench::Bench;
pub(crate) use collect::Collected;
pub(super) use control::{Stop, YIELD_GRACE};
pub(super) use crew::Crew;
pub(crate) use execute::{Order, execute};
pub(crate) use feed::{Fed, feed};
pub(crate) use goal::Goal;
pub use record::Recorder;
pub(crate) use source::Source;
pub(super) use supervisor::LOOK_AGAIN;
pub use work::{Policy, Work};
