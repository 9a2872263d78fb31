//! A journal as lines of JSON: out of a directory and into a new one.
//!
//! The first line says what it is: `{"sortie":"launches","version":1}`. Then comes one line for each launch, in the order in
//! which they were recorded, with everything that is known of it. Payloads stand in it to the byte: `{"json":…}`, or
//! `{"hex":"…"}` where they are no JSON on one line. One launch at a time is held in memory.

mod error;
mod export;
mod import;
mod line;

pub use error::{ExportError, ImportError};
pub(super) use export::export;
pub use export::{Exported, Skipped};
pub(super) use import::import;
