//! Launches: durable fire and forget.
//!
//! | part | what it is |
//! |---|---|
//! | [`Launch`] | what is to be recorded; awaiting it gives a ticket once the intent is durable |
//! | [`Ticket`] | the receipt: where the launch stands, and its outcome |
//! | `Dispatcher` | what claims recorded launches, runs them and records what became of them |
//!
//! What a launch's states are, and what moves it between them, is the journal's business (`journal/intent`).

mod dispatcher;
mod error;
mod outcome;
mod request;
mod ticket;

pub(crate) use dispatcher::{Dispatcher, Runnable};
pub use error::{LaunchError, LaunchErrorKind, TicketError};
pub use request::Launch;
pub use ticket::{LaunchStatus, Ticket};
