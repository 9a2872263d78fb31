//! The suites: what is measured, and against whom.
//!
//! Each suite is a module with one public item, its [`Suite`]; a new one is added to [`SUITES`] and nowhere
//! else.

mod efficiency;
mod fan_out;
mod suite;

pub use suite::{Comparison, Effort, Suite};

/// Every suite, in the order in which `all` runs them.
pub const SUITES: &[Suite] = &[fan_out::SUITE, efficiency::SUITE];
