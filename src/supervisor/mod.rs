//! Who executes fan-outs, and who answers for that: runs with their children, and the tree of a system above them. Only
//! this layer and that of the user's actors name ractor.
//!
//! | part | what it is |
//! |---|---|
//! | [`run`] | one fan-out being executed: its state, the actor that supervises it, the children that work for it |
//! | [`tree`] | what is above runs in a system: the root, named supervisors, residents |
//! | [`Host`] | the supervisor of a run, as those see it who link actors of the user's to it |
//! | `Wake`, `Resume` | the messages that wake the actors of this layer |
//! | `Timer` | what wakes a supervisor at a moment: by the runtime's timer, or by a `clock` of the crate where there may be none |
//! | `Death` | the end of an actor, as the actor above it learns of it |
//!
//! Messages carry nothing: they only wake an actor, which then looks at what there is. So no death of an actor and no
//! order to stop can lose a finished outcome.
//!
//! How a fan-out is written down is not known here (`fan_out`), nor how a system is built (`system`).

mod clock;
mod death;
mod host;
mod message;
mod run;
mod timer;
pub(crate) mod tree;

pub(crate) use host::Host;
pub(crate) use run::{Collected, Fed, Goal, Order, Source, execute, feed};
pub use run::{Policy, Recorder, Work};
