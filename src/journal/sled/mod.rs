//! The store on disk: a log, and behind it sled 0.34.7, used with its faults known.
//!
//! A commit is a record in the log ([`log`]); sled is told of many at once ([`opened`]).
//!
//! What is in the directory of a journal:
//!
//! | entry | what it is |
//! |---|---|
//! | `lock` | locked as long as the journal is open: one process has it |
//! | `watermark` | which store counts, and how much it must at least know ([`watermark`]) |
//! | `progress` | how many commits there were at least; 12 bytes, overwritten after each |
//! | `store-N` | sled's files, and the two logs. N grows when the live records are copied to fresh files ([`renewal`]) |
//! | `not-synced` | a sync failed: the files of the store are to be copied before they are trusted again. `not-synced.new` says the same |
//! | `quarantined` | the store was damaged and set aside: nothing is opened here before an operator decides ([`quarantine`]) |
//! | `damaged-N` | a damaged store that was set aside; never removed |
//! | `import-ID` | a journal that is being imported ([`draft`]) |
//! | `export-ID` | a copy of the store that an export reads ([`rescue`]) |
//!
//! Everything that a journal makes, moves or sets aside is in there, because nothing can be made or moved beside the root of
//! a volume. What has another name is not the journal's, and is left alone ([`names`]).
//!
//! What is replaced, is replaced by one rename: a process killed at any step leaves either the old or the new.
//!
//! The faults of sled, and what stands against each:
//!
//! - Its `flush` does not reach the disk: an `fdatasync` of our own follows every flush, before a log is written anew. The
//!   handle for it is opened before sled writes and stays open, because the kernel reports a failed write once to each handle.
//! - It waits for the disk in its flush, and wakes all of its threads for it: no commit waits for that.
//! - It puts nodes of 128 KiB into files of their own, which it never syncs. A leaf has some 16 values, an inner node some
//!   256 keys: longer values than 4 KiB, and longer keys than 256 bytes, are refused.
//! - It panics: it is called under `catch_unwind`.
//! - It opens empty, or without its latest records, where it should say that it is damaged: commits are counted in the
//!   store and beside it, so that a store that knows of fewer is noticed.
//! - A kill while it opens leaves files that prevent the next opening: they are removed before.
//! - It takes an error of reading for the end of its log, and overwrites what follows: all of its files are read to their ends
//!   before it opens them ([`reading`]).
//! - It panics where the clock is before 1970: it is not opened then.
//! - Its file hardly shrinks: it is copied at an opening when most of it is dead.
//! - Only its thread for regular flushes collects garbage: that one stays on. It also writes by itself, which is
//!   why a handle is dropped, not only left alone, after a commit has failed.

mod checkpoint;
mod claim;
mod database;
mod directory;
mod draft;
mod durable;
mod log;
mod names;
mod opened;
mod opening;
mod quarantine;
mod reading;
mod recent;
mod renewal;
mod rescue;
mod store;
mod watermark;

pub(crate) use claim::{Closing, released};
pub(crate) use draft::Draft;
#[cfg(feature = "failpoints")]
pub(crate) use renewal::Compaction;
pub(crate) use rescue::Rescue;
pub(crate) use store::SledStore;
