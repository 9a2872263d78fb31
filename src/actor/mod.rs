//! Actors of your own: [ractor](https://docs.rs/ractor) actors as agents, and a system under your own supervisor.
//!
//! Nobody needs this to fan out. It is for services that have actors already, or that want an agent with a state of its own,
//! such as a session, a connection or a cache.
//!
//! | | the actor lives | its state is shared by |
//! |---|---|---|
//! | [`spawned`] | within a run, one for each child of it that calls it | the attempts that the child makes, one after the other |
//! | [`resident`] | as long as its system, under a named supervisor that restarts it | everybody who calls it |
//!
//! Both ask the actor by a message with a reply port, and are agents like any other: with timeouts, restart policies and
//! every ending. [`link`] puts the root of a system under an actor of yours, and [`root`] tells which actor that is.
//!
//! Features of ractor that change its traits (`cluster`, `async-trait`) must be turned on here as well if anything in the
//! build turns them on.

mod call;
mod error;
mod fallible;
mod guarded;
mod link;
mod pool;
mod resident;
mod spawned;

pub use self::error::CallError;
pub use self::fallible::Fallible;
pub use self::link::{link, root};
pub use self::resident::{Resident, resident};
pub use self::spawned::{Spawned, spawned};
pub use crate::supervisor::tree::IntoResident;

use ractor::{Actor, RpcReplyPort};

/// Makes an actor and the arguments that it starts with.
type Make<A> = dyn Fn() -> (A, <A as Actor>::Arguments) + Send + Sync;

/// Makes the message that asks the actor.
type Message<A, I, R> = dyn Fn(I, RpcReplyPort<R>) -> <A as Actor>::Msg + Send + Sync;
