//! Recorded jobs are run: how many per second, with every outcome durable.
//!
//! N jobs of 200 bytes have been recorded when the clock starts. The agent does nothing and gives a number back; up to 64
//! run at once. The clock stops when the outcome of the last one is durable.
//!
//! What each subject has made durable for a job:
//!
//! | subject | before the job runs | afterwards |
//! |---|---|---|
//! | `sortie` | that this attempt runs | its output; both by `fdatasync` |
//! | `raw-fdatasync` | 32 bytes in a log | 32 bytes; both by `fdatasync`. The limit, and the baseline: 64 tasks, nothing is looked up |
//! | `apalis-full` | that the worker has the job, up to 64 at once | its output; both with `synchronous=FULL` on a WAL |
//! | `effectum` | that the worker has the job | that it is done, and its output; both with `synchronous=NORMAL` on a rollback journal |
//! | `duroxide` | that the orchestration began, that its activity is to run, and that a worker has it | the activity's output, and that the orchestration is done, with its output; six commits in all, with `synchronous=FULL` on a WAL |
//! | `duroxide-default` | the same | the same, with `synchronous=NORMAL` on a WAL: written, and not synced, so that a power cut takes it |
//!
//! `duroxide-default` promises less than all others, and its rows are no comparison. duroxide runs one
//! job at a time, at which it is quickest: what it does is to wait for its database, where 64 are only in each other's way.
//!
//! In sortie's case the clock starts when the agents that occupy all slots ([`Gate`](super::durable::sortie::Gate)) are
//! let go, and their ends are on sortie's time. The queues of the peers get their worker then.

#[cfg(feature = "sqlite")]
mod apalis;
mod raw;
mod sortie;
mod suite;

pub use suite::SUITE;

/// How many jobs run at once.
const SLOTS: usize = 64;
