//! The journal: the durable store of launches, and the seam where another one can be put.
//!
//! A [`System`](crate::System) that is given a journal can [launch](crate::System::launch). Most programs need
//! [`SledJournal`], or [`MemoryJournal`] in their tests, and nothing else of this module. Who wants to keep launches in a
//! database of their own implements [`Journal`].
//!
//! | part | what it is |
//! |---|---|
//! | [`Journal`] | what a system asks of a journal, and the rules of the answers |
//! | [`Intent`], [`Claim`], [`LaunchRecord`] … | what goes in and comes out: plain data |
//! | [`Terms`] | what is promised for a launch when it is recorded |
//! | `intent` | what is recorded of a launch (`Head`), and how it moves from state to state (`step`): pure |
//! | `local` | a journal over a store of this process: group commit, recovery, indexes |
//! | `foreign` | a journal that is not the crate's own, with every call contained |
//! | `record` | how a record stands in a store; the only place that names bincode |
//! | `store`, `sled` | pairs of keys and values, in memory and on disk |
//! | `transfer` | launches as lines of JSON: out of a directory, and into a new one |
//!
//! A journal runs nothing: that is the business of the supervisors (`launch`).

mod backend;
mod clock;
mod contract;
mod error;
mod exchange;
pub(crate) mod failpoint;
mod foreign;
mod intent;
mod launch_record;
mod local;
#[cfg(all(feature = "failpoints", feature = "sled"))]
pub(crate) mod probe;
mod record;
#[cfg(all(feature = "failpoints", feature = "sled"))]
pub(crate) mod sample;
#[cfg(feature = "sled")]
pub(crate) mod sled;
pub(crate) mod store;
mod terms;
#[cfg(feature = "sled")]
mod transfer;

pub use backend::MemoryJournal;
#[cfg(feature = "sled")]
pub use backend::SledJournal;
pub(crate) use backend::contained;
pub use clock::WallClock;
pub use contract::{Answer, Capabilities, Durability, Journal, Scope};
pub use error::{JournalError, JournalErrorKind};
pub use exchange::{Appended, Claim, Claims, FailedAttempt, Intent, Moved, Refused, Swept, Want};
pub use launch_record::{AttemptEnd, EndedBy, LaunchCounts, LaunchFilter, LaunchRecord, LaunchStatus};
pub use terms::{Delivery, Due, Terms};
#[cfg(feature = "sled")]
pub use transfer::{ExportError, Exported, ImportError, Skipped};
