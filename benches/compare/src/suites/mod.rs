//! The suites: what is measured, and against whom.
//!
//! Each suite is a module with one public item, its [`Suite`]; a new one is added to [`SUITES`] and nowhere
//! else. What several of them use is in [`contest`], and in
//! [`durable`] where something is written.

mod contest;
mod drain;
mod durable;
mod efficiency;
mod fan_out;
mod in_flight;
mod launch;
mod nested;
mod recover;
mod stream;
mod suite;

pub use suite::{Comparison, Effort, Probe, Suite};

/// Every suite, in the order in which `all` runs them.
pub const SUITES: &[Suite] = &[
    fan_out::SUITE,
    efficiency::SUITE,
    nested::SUITE,
    in_flight::SUITE,
    stream::SUITE,
    launch::SUITE,
    drain::SUITE,
    recover::SUITE,
];
