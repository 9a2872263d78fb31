//! A journal over a store of this process.
//!
//! What is above a [`Store`](super::store::Store) is the same for every backend; a store keeps pairs of keys and values,
//! and makes batches of changes durable.
//!
//! | part | what it is |
//! |---|---|
//! | `Local` | the journal: async, and every answer rests on what is durable |
//! | `Embedded` | what is one, and so a [`Journal`](super::Journal) |
//! | `Committer`, `Owner` | the thread that owns the store, and the way to it; requests that come meanwhile are one commit |
//! | `Plan` | what a request changes, on that thread: the batch that waits, and who is told after its commit |
//! | `Ledger` | every launch by key, readiness, due time and lane, in memory |
//!
//! A launch has one record, its head, and writing it is the transition; payloads beyond 1 KiB stand in pieces beside it,
//! which are written before the head and removed with it.

mod append;
mod attempts;
mod claiming;
mod committer;
mod debt;
mod decision;
mod embedded;
mod ids;
mod journal;
pub(super) mod key;
mod ledger;
mod owner;
mod payload;
mod pieces;
mod plan;
mod reading;
mod recovery;
mod removal;
mod suspects;
mod sweep;
mod turns;
mod unread;
mod view;
mod waiting;

pub use embedded::Embedded;
#[cfg(feature = "sled")]
pub(super) use ids::time_of;
pub use journal::Local;
#[cfg(feature = "sled")]
pub(super) use pieces::{LONGEST_INLINE, PIECE};
