//! What happened in runs, attempt by attempt: plain data, which a [`Recorder`](crate::Recorder) gives.
//!
//! A [`Report`] has runs, a [`RunReport`] has branches, a [`BranchReport`] has attempts. Times are `Duration`s since the
//! start of the run on tokio's clock, so that they can be compared within a run; each run also says when it started
//! on the clock of the system.

mod branch;
mod counts;
mod run;
mod table;

pub use branch::{AttemptReport, BranchReport};
pub use counts::Counts;
pub use run::{ParentAttempt, Report, RunEnd, RunReport};
