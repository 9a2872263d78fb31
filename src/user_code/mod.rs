//! Calls into code that the user of the crate has written: agents, errors, keys, iterators, values.
//!
//! Such code may panic, also where it is only formatted or dropped. Every call of it goes through this module, so that the
//! panic becomes a message and reaches neither an actor of the crate nor another launch.

mod contain;

pub(crate) use contain::{Contained, EachContained, contain, discard};
