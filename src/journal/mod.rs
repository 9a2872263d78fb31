//! The journal: the durable store of intents, attempts and outcomes.
//!
//! What is above a [`Store`](store::Store) is the same for every backend; a store keeps pairs of keys and values, and
//! makes batches of changes durable.

mod error;
#[cfg(feature = "sled")]
pub(crate) mod failpoint;
pub(crate) mod memory;
#[cfg(all(feature = "failpoints", feature = "sled"))]
pub(crate) mod probe;
#[cfg(feature = "sled")]
pub(crate) mod sled;
pub(crate) mod store;

pub use error::{JournalError, JournalErrorKind};
