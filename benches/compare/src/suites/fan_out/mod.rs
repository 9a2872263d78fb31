//! The cost of a fan-out itself: a no-op agent for each of N items, so that everything measured is overhead.
//!
//! All subjects do equal work. The agent is the same `async fn`; at most 64 attempts are under way at once;
//! each attempt has a timeout and may panic without harm to the others; results come back in input order, one
//! per item.
//!
//! What counts is the time from the call to the last result in hand. Resident pools are started before;
//! everything that is made per run or per item counts. The driving future is a task of the runtime, so that
//! every subject runs on the worker threads alone.

mod buffered;
mod drivers;
mod joinset;
mod kameo_pool;
mod ractor_pool;
mod sizes;
mod sortie;
mod subject;
mod suite;

pub use suite::SUITE;
