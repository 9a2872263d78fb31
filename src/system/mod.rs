//! Systems: a tree of supervisors that a service embeds, with agents known by name, and an orderly end.
//!
//! [`Builder`] collects agents, supervisors and their residents; [`System`] is the handle of what it starts. Fan-outs that
//! are started on a system are what they are anywhere else; the system answers for them, counts them, and stops them when
//! it is shut down.
//!
//! What a tree of supervisors does is written down one layer below, in `supervisor/tree`. Nothing here is stored.

mod aliases;
mod builder;
mod dispatch;
mod handle;
mod hooks;
mod json;
mod launches;
mod start_error;
mod status;
mod supervisor;

pub use builder::Builder;
pub use handle::System;
pub use json::Registrable;
pub use start_error::StartError;
pub use status::{LaunchesStatus, ResidentStatus, SlotStatus, Status, SupervisorStatus};
pub use supervisor::SupervisorBuilder;
