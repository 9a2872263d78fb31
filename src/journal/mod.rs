//! The journal: the durable store of intents, attempts and outcomes.
//!
//! What is above a [`Store`](store::Store) is the same for every backend; a store keeps pairs of keys and values, and
//! makes batches of changes durable.

mod committer;
mod digest;
mod error;
mod id;
mod intent;
mod key;
mod ledger;
mod local;
mod plan;
mod record;
pub(crate) mod store;

pub use error::{JournalError, JournalErrorKind};
