//! Where every launch stands, in memory: rebuilt when a journal is opened, and what decides which launch is next.
//!
//! | part | what it is |
//! |---|---|
//! | `Ledger` | every launch by what is asked of it: by key, readiness, due time and lane |
//! | `Slot` | what is kept of a launch that has not ended |
//! | `Queue`, `Agents` | the launches of an agent that wait for a slot, or for a time |
//! | `Lanes` | launches that run one at a time, in their order |
//! | `Suspended` | suspects that run and wait for other launches |
//! | `Waits` | until when launches wait, on which clock |
//! | `Expiring` | until when those that are done or cancelled are kept |
//!
//! It stores nothing and reads no clock; a plan tells it of every head that it writes.

mod entries;
mod expiring;
mod lanes;
mod now;
mod queue;
mod slot;
mod suspended;
mod waits;

pub(crate) use entries::Ledger;
pub(crate) use now::Now;
pub(super) use slot::Stands;
pub(super) use waits::stored;
