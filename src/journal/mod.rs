//! The journal: the durable store of intents, attempts and outcomes.
//!
//! What is above a [`Store`](store::Store) is the same for every backend; a store keeps pairs of keys and values, and
//! makes batches of changes durable.

mod attempts;
mod backend;
mod committer;
pub(crate) mod digest;
mod error;
#[cfg(feature = "sled")]
pub(crate) mod failpoint;
mod ids;
mod intent;
mod key;
mod ledger;
mod local;
pub(crate) mod memory;
mod payload;
mod pieces;
mod plan;
#[cfg(all(feature = "failpoints", feature = "sled"))]
pub(crate) mod probe;
mod record;
#[cfg(feature = "failpoints")]
pub(crate) mod sample;
#[cfg(feature = "sled")]
pub(crate) mod sled;
pub(crate) mod store;
mod waiting;

pub use backend::MemoryJournal;
#[cfg(feature = "sled")]
pub use backend::SledJournal;
pub(crate) use backend::{IntoJournal, Opened};
pub use error::{JournalError, JournalErrorKind};
pub(crate) use intent::{Delivery, EndedBy, Event, Head, Refused, RestartTerms, State, Stored, Terms};
pub(crate) use local::Journal;
pub(crate) use plan::{Appended, Bounds, Claim, Intent};
