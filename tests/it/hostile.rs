//! Hostile code at every trait through which the crate calls code of its user: it panics, fails, never ends, is huge, or
//! refers to itself. It costs its own branch, launch or call; what stands beside it succeeds.
//!
//! `ARCHITECTURE.md` lists these traits ("Calls into code of the user's"), and names the test of each.

mod errors;
