//! Fan-outs: sets of branches, their options, and the endings.
//!
//! A set of branches ([`Branches`]) is a tuple, an array or a `Vec` of [`Branch`]es, a [`foreach`], or a
//! [`foreach_stream`]. A [`FanOut`] adds limits and policies, and an ending, such as [`settled`](FanOut::settled), runs it.
//!
//! Nothing here runs anything by itself: an ending hands the branches over to a run supervisor.

mod ask;
mod branch;
mod branches;
mod each;
mod foreach;
mod foreach_stream;
mod keyed;
mod keyed_stream;
mod nested;
mod options;
mod stream;
mod tuple;
mod uniform;

pub use ask::{Ask, ask};
pub use branch::Branch;
pub use branches::{Branches, Repeatable};
pub use foreach::{ForEach, foreach};
pub use foreach_stream::{ForEachStream, foreach_stream};
pub use keyed::{DuplicateKey, Keyed};
pub use keyed_stream::KeyedStream;
pub use options::FanOut;
pub use stream::Completed;
pub use uniform::Uniform;

/// Runs a few branches together: a tuple of up to 12 of any types, an array, or a `Vec`.
///
/// ```
/// use sortie::{AgentRef, agent_fn};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let length = AgentRef::new(agent_fn(|text: String, _| async move { Ok(text.len()) }));
/// let upper = AgentRef::new(agent_fn(|text: String, _| async move { Ok(text.to_uppercase()) }));
///
/// let (length, upper) = sortie::branches((length.branch("abc".into()), upper.branch("abc".into()))).all().await?;
/// assert_eq!((length, upper.as_str()), (3, "ABC"));
/// # Ok(()) }
/// ```
pub fn branches<B: Branches>(branches: B) -> FanOut<B> {
    FanOut::new(branches)
}
