//! Branches that all wait at once: what each of them takes, and how long it takes to have all of them started.
//!
//! The agent notes that it has started and then waits for ever, with a future of a few bytes, so that what is seen is
//! what a subject adds to it. As in the fan-out suite, each attempt has a timeout and may panic without harm to the
//! others; `joinset-bare` has neither, and shows what tokio itself needs for a task. No subject holds places for its
//! results while the branches wait.
//!
//! Each sample has a process of its own, for time as well as for memory: a wide fan-out grows its process, and what an
//! earlier one has left there would make it look small and fast.

mod kameo;
mod subjects;
mod suite;
mod waiting;

pub use suite::SUITE;
