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
//! | `Claims` | the items of that run: as many launches as there are free slots, in all and of each agent |
//! | `LaunchSlots` | how many slots there are, and who has one next; an attempt's own is its `SlotLease`, of the layer below |
//! | `LaunchWait`, `WaitGraph` | a wait of a launch for another one, and which of them cannot end |
//! | `suspects` | suspects that wait lend the place of the one suspect as well |
//! | `stalls` | says in the log that every slot is held and nothing moves |
//! | `InFlight` | an attempt whose code may still run, also when the life that has started it is over |
//! | `Begun` | which bodies have begun: what is given back of the others has not happened |
//! | `Attempts`, `Slot` | what the run executes, and what an attempt occupies until no code of it runs and its outcome is durable |
//! | [`Verdict`] | what a hook says of a launch that nobody knows the end of |
//! | `Arbiter`, `Doubts` | the service that asks the hook, and what the dispatcher tells it |
//! | `sweeper` | removes launches whose retention is over, beside the claims and the records |
//! | `key` | the keys of callers, and those that are derived: as they are stored, and as they are shown |
//! | `Runnable` | an agent as launches have it: bytes in, bytes out |
//!
//! What a launch's states are, and what moves it between them, is the journal's business (`journal/intent`).

mod arbiter;
mod begun;
mod bytes;
mod claims;
mod dispatcher;
mod doubts;
mod error;
mod in_flight;
mod key;
mod launcher;
mod life;
mod listing;
mod many;
mod nested;
mod options;
mod outcome;
mod patience;
mod request;
mod slots;
mod stalls;
mod suspects;
mod sweeper;
mod ticket;
mod verdict;
mod wait_graph;
mod waiting;
mod work;

pub(crate) use arbiter::Arbiter;
pub(crate) use bytes::{Runnable, bytes_view};
pub(crate) use dispatcher::Dispatcher;
pub(crate) use doubts::Doubts;
pub use error::{LaunchError, LaunchErrorKind, TicketError};
pub(crate) use key::candidates as key_candidates;
pub(crate) use launcher::Launcher;
pub use listing::Launches;
pub use many::LaunchMany;
pub use request::Launch;
pub(crate) use slots::{LaunchSlots, SlotCounts};
pub use ticket::Ticket;
pub use verdict::Verdict;
pub(crate) use verdict::{Hook, hook_view};
pub(crate) use wait_graph::WaitGraph;
