//! Launches: durable fire and forget.
//!
//! | part | what it is |
//! |---|---|
//! | [`Launch`] | what is to be recorded; awaiting it gives a ticket once the intent is durable |
//! | [`LaunchMany`] | many of them, recorded together |
//! | [`Ticket`] | the receipt: where the launch stands, its outcome, and what somebody decides about it |
//! | [`Launches`] | the recorded ones that a filter means, page by page, and decisions about many |
//! | `Launcher` | what a system launches with; from within attempts as well |
//! | `Dispatcher` | the service of a supervisor that claims recorded launches, runs them and records what became of them |
//! | `Life` | one life of it: a run without an end |
//! | `Claims` | the items of that run: as many launches as there are free slots |
//! | `Attempts`, `Slot` | what the run executes, and what an attempt occupies until no code of it runs and its outcome is durable |
//! | `sweeper` | removes launches whose retention is over, beside the claims and the records |
//! | `Runnable` | an agent as launches have it: bytes in, bytes out |
//!
//! What a launch's states are, and what moves it between them, is the journal's business (`journal/intent`).

mod bytes;
mod claims;
mod dispatcher;
mod error;
mod launcher;
mod life;
mod listing;
mod many;
mod nested;
mod outcome;
mod patience;
mod request;
mod sweeper;
mod ticket;
mod work;

pub(crate) use bytes::{Runnable, bytes_view};
pub(crate) use dispatcher::Dispatcher;
pub use error::{LaunchError, LaunchErrorKind, TicketError};
pub(crate) use launcher::Launcher;
pub use listing::Launches;
pub use many::LaunchMany;
pub use request::Launch;
pub use ticket::Ticket;
