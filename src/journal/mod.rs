//! The journal: the durable store of intents, attempts and outcomes.
//!
//! What is above a [`Store`](store::Store) is the same for every backend; a store keeps pairs of keys and values, and
//! makes batches of changes durable.
//!
//! | part | what it is |
//! |---|---|
//! | `Journal` | what a system asks: async, and every answer rests on what is durable |
//! | `Committer` | the thread that owns the store; requests that come meanwhile are one commit |
//! | `Plan` | what a request changes, on that thread: the batch that waits, and who is told after its commit |
//! | `Ledger` | every launch by key, readiness and due time, in memory |
//! | `intent` | what is recorded of a launch (`Head`), and how it moves from state to state (`step`): pure |
//! | `record` | how a record stands in the store; the only place that names bincode |
//! | `sled`, `memory` | the stores |
//!
//! A launch has one record, its head, and writing it is the transition; payloads beyond 1 KiB stand in pieces beside it,
//! which are written before the head and removed with it.

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
mod recovery;
#[cfg(all(feature = "failpoints", feature = "sled"))]
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
