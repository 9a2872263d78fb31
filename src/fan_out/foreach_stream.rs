//! One agent for each item of a stream.

use std::fmt;
use std::time::Duration;

use futures::stream::{BoxStream, Stream, StreamExt};

use super::branches::{Branches, Prepare, Prepared, Repeat, Repeatable};
use super::foreach::Same;
use super::options::FanOut;
use crate::agent::{AgentRef, Copying, IntoAgent, Roster};
use crate::outcome::Outcome;
use crate::policy::Restart;
use crate::supervisor::Source;

/// Runs one agent for each item of a stream, as [`foreach`](crate::foreach) does for those of an iterator: items first,
/// agent last, outcomes in the order in which the items arrived.
///
/// The run is over when the stream has ended and every item has its outcome. Nothing polls the stream before an ending
/// is awaited. Then it is polled by a child of the run's own, which gets ahead of the attempts by at most as many items
/// as [`concurrency`](FanOut::concurrency) says, and by 64 at most: a run that is slow, or whose
/// [`stream`](FanOut::stream) nobody reads, makes the items wait where they come from. Polling should not block; while it
/// does, nothing more arrives, and what has arrived in the same moment, or was about to start on the same thread, may have
/// to wait. The other attempts and the deadline do not.
///
/// When the run is stopped (by its deadline, by its outcomes, because it is dropped or cancelled), its stream is dropped
/// at once, however long it would have waited for its next item. Items that had arrived have outcomes then, whether they
/// had been started or not. Items that had not arrived have none, so that [`settled`](FanOut::settled) gives what came
/// until the deadline; but [`all`](FanOut::all) fails, because nobody knows whether that was all. A stream whose
/// `poll_next` does not return is left to itself after 50 ms.
///
/// If the stream panics, the items so far keep their outcomes, and one more outcome, a
/// [`Cause::Panicked`](crate::Cause::Panicked), stands for the item that could not be had and ends the list.
///
/// A run that the stream itself starts while it is polled is not nested in the attempt that awaits the ending: the
/// stream is polled outside of the attempt's code.
///
/// ```
/// use futures::stream;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// async fn double(n: u32) -> Result<u32, std::convert::Infallible> {
///     Ok(2 * n)
/// }
/// // As a receiver gives messages, or a client the pages of a listing.
/// let numbers = stream::unfold(1, |n| async move { (n <= 3).then_some((n, n + 1)) });
/// assert_eq!(sortie::foreach_stream(numbers, double).concurrency(8).all().await.unwrap(), [2, 4, 6]);
/// # }
/// ```
pub fn foreach_stream<S, O>(stream: S, agent: impl IntoAgent<S::Item, O>) -> FanOut<ForEachStream<S::Item, O>>
where
    S: Stream<Item: Send + 'static> + Send + 'static,
    O: Send + 'static,
{
    FanOut::new(ForEachStream { agent: agent.into_agent(), items: stream.boxed(), restart: None })
}

/// One agent and the stream of its inputs. [`foreach_stream`] makes it.
pub struct ForEachStream<I, O> {
    pub(super) agent: AgentRef<I, O>,
    pub(super) items: BoxStream<'static, I>,
    pub(super) restart: Option<Copying<I>>,
}

impl<I: Send + 'static, O: Send + 'static> Prepare for ForEachStream<I, O> {
    type Work = Same<I, O>;
    type Shape = ();

    fn prepare(self, timeout: Option<Duration>) -> Prepared<Self> {
        Prepared {
            roster: Roster::Same { agent: self.agent.shared_name() },
            work: Same::new(self.agent, self.restart, timeout),
            source: Source::Stream(self.items.map(Ok).boxed()),
            shape: (),
        }
    }
}

impl<I: Send + 'static, O: Send + 'static> Branches for ForEachStream<I, O> {
    type Values = Vec<O>;
    type Outcomes = Vec<Outcome<O>>;

    fn outcomes((): (), outcomes: Vec<Outcome<O>>) -> Vec<Outcome<O>> {
        outcomes
    }

    fn values((): (), values: Vec<O>) -> Vec<O> {
        values
    }
}

impl<I: Clone, O> Repeat for ForEachStream<I, O> {
    fn repeat(mut self, policy: &Restart) -> Self {
        self.restart = Some(Copying::new(policy.clone()));
        self
    }
}

impl<I: Clone + Send + 'static, O: Send + 'static> Repeatable for ForEachStream<I, O> {}

impl<I, O> fmt::Debug for ForEachStream<I, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForEachStream").field("agent", &self.agent).finish_non_exhaustive()
    }
}
