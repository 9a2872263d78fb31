//! Agents: what runs, and the references through which it is called.
//!
//! An [`Agent`] is any unit of async work: input in, output or error out. A plain `async fn(input) -> Result<_, _>` is
//! one; [`agent_fn`] makes one of a function that wants its [`AgentContext`], [`blocking`] of a synchronous function.
//! [`AgentRef`] is the shared, type-erased form, typed by what goes in and what comes out.
//!
//! Nothing here runs anything: that is the supervisor's business.

pub(crate) mod ambient;
mod blocking;
mod body;
mod context;
mod function;
mod gated;
mod into_agent;
mod keys;
mod labels;
mod launches;
mod lease;
mod lineage;
mod payload;
mod reference;
mod roster;

use std::future::Future;

use crate::outcome::AgentError;

pub use blocking::{Blocking, blocking};
pub(crate) use body::{Bodies, Body};
pub use context::AgentContext;
pub(crate) use context::{Attempt, Home, RunInfo};
pub use function::{AgentFn, agent_fn};
pub(crate) use gated::Gated;
pub use into_agent::IntoAgent;
pub use keys::Keys;
pub(crate) use launches::{Launched, Launches};
pub(crate) use lease::{Acquired, Grant, Leased, SlotLease, SlotPool, Wait, deliver};
pub(crate) use lineage::Lineage;
pub use payload::Payload;
pub use reference::AgentRef;
pub(crate) use reference::Copying;
pub(crate) use roster::Roster;

/// A unit of async work: an input goes in, an output or an error comes out.
///
/// One value serves any number of attempts, also at the same time; what it needs (clients, handles, configuration) are
/// its fields. Panics are caught and become [`Cause::Panicked`](crate::Cause::Panicked).
///
/// The trait is not dyn-compatible; [`AgentRef`] is its erased form.
///
/// # Cancel safety
///
/// An attempt that exceeds a limit, or is no longer wanted, is dropped at an `.await`. What must not be left half done
/// belongs in a `Drop`, or is finished after [`cancelled`](AgentContext::cancelled) within the fan-out's
/// [`stop_grace`](crate::FanOut::stop_grace). Code that does not reach an `.await` cannot be stopped; use
/// [`blocking`] for it, so that it holds no worker thread of the runtime.
///
/// ```
/// use sortie::{Agent, AgentContext, AgentError};
///
/// struct Greet { greeting: String }
///
/// impl Agent for Greet {
///     type Input = String;
///     type Output = String;
///
///     fn name(&self) -> &str {
///         "greet"
///     }
///
///     async fn run(&self, name: String, _: AgentContext) -> Result<String, AgentError> {
///         Ok(format!("{}, {name}", self.greeting))
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let greet = sortie::AgentRef::new(Greet { greeting: "Hello".into() });
/// assert_eq!(sortie::ask(&greet, "Ada".into()).await.unwrap(), "Hello, Ada");
/// # }
/// ```
pub trait Agent: Send + Sync + 'static {
    /// What goes in.
    type Input: Send + 'static;
    /// What comes out.
    type Output: Send + 'static;

    /// The agent's name, as failures and reports show it.
    fn name(&self) -> &str;

    /// Makes one attempt.
    ///
    /// # Errors
    ///
    /// Whatever the agent returns. The [`AgentError`] says whether another attempt makes sense.
    fn run(
        &self,
        input: Self::Input,
        cx: AgentContext,
    ) -> impl Future<Output = Result<Self::Output, AgentError>> + Send;
}
