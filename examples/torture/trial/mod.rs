//! What the programs that kill processes share: a child that launches until it is killed, the log of what it was promised,
//! and the judge who compares the two.
//!
//! The journal is opened by children only. They write down facts, line by line and as they happen, outside of the journal;
//! whether the facts agree with each other is decided by the parent, which is never killed.

mod arguments;
mod inquiry;
mod judge;
mod log;
mod moment;
mod order;
mod sweeps;
mod verdict;
mod work;
mod worker;

pub(crate) use arguments::Arguments;
pub(crate) use inquiry::inquire;
pub(crate) use judge::Judge;
pub(crate) use log::Log;
pub(crate) use moment::Moment;
pub(crate) use order::Process;
pub(crate) use verdict::Verdict;
pub(crate) use worker::run_if_ordered;
