//! Calls into code that the user of the crate has written: agents, errors, keys, iterators, values.
//!
//! Such code may panic, also where it is only formatted or dropped; it may write without end, or refer to itself. Every call
//! of it goes through this module, so that the panic becomes a message, a text has a bound, and neither reaches an actor
//! of the crate or another launch. `ARCHITECTURE.md` lists the calls.
//!
//! | part | what it is |
//! |---|---|
//! | [`contain`], [`contain_async`], [`contain_waker`], [`discard`], [`Contained`] | calling and dropping |
//! | [`display`], [`debug`], [`chain`], [`causes`], [`source`] | formatting, into texts of bounded length |
//! | [`name_of`], [`key_of`] | keys, labels and names of lanes |
//! | [`printable`], `log_warn!` and its kin | the log: texts of others are escaped and cut, and a subscriber that panics does no harm |

#[macro_use]
mod log;

mod contain;
mod describe;
mod printable;

pub(crate) use contain::{Contained, EachContained, contain, contain_async, contain_waker, discard};
pub(crate) use describe::{causes, chain, cut, debug, display, key_of, name_of, source};
pub(crate) use log::event;
pub(crate) use printable::{printable, printable_in_full};
