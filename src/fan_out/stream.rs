//! Outcomes one by one, as they come.

use std::sync::Arc;

use futures::{Stream, StreamExt};

use super::options::FanOut;
use super::uniform::Uniform;
use crate::outcome::Outcome;
use crate::supervisor::tree::Tree;
use crate::supervisor::{Fed, Goal, Order, feed};

/// One finished branch of a [`stream`](FanOut::stream).
#[derive(Debug)]
#[non_exhaustive]
pub struct Completed<O> {
    /// The branch's position in its fan-out, from 0.
    pub index: usize,
    /// The item's key in a keyed `foreach` or `foreach_stream`, or the branch's label.
    pub key: Option<String>,
    /// What the branch came to.
    pub outcome: Outcome<O>,
}

impl<B: Uniform> FanOut<B> {
    /// Runs the branches and gives each outcome as soon as it is there, in the order of completion, one for every branch.
    ///
    /// Nothing starts before the stream is first polled. A slow consumer slows the run down: when as many outcomes wait
    /// for it as attempts may run at once, nothing more is started. So a stream over a million items holds twice
    /// [`concurrency`](FanOut::concurrency) of them at most.
    ///
    /// # Cancel safety
    /// `next` may be dropped and called again. Dropping the stream stops the run, as dropping the future of an ending
    /// does.
    ///
    /// # Panics
    /// When it is first polled, as [`settled`](FanOut::settled).
    ///
    /// ```
    /// use futures::StreamExt;
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
    /// async fn wait(seconds: u64) -> Result<u64, std::convert::Infallible> {
    ///     tokio::time::sleep(std::time::Duration::from_secs(seconds)).await;
    ///     Ok(seconds)
    /// }
    /// let mut completed = sortie::foreach([3, 1, 2], wait).stream();
    /// let mut order = Vec::new();
    /// while let Some(branch) = completed.next().await {
    ///     order.push((branch.index, branch.outcome.unwrap()));
    /// }
    /// assert_eq!(order, [(1, 1), (2, 2), (0, 3)]);
    /// # }
    /// ```
    pub fn stream(self) -> impl Stream<Item = Completed<<B as Uniform>::Output>> + Send + Unpin {
        let (_, order) = self.order(Goal::Each);
        feed(order).map(|Fed { index, name, outcome }| Completed {
            index,
            key: name.map(|name| name.as_ref().to_owned()),
            outcome: outcome.map(B::one),
        })
    }

    /// The same, for a service of a system: the system answers for the run, and is not kept running by it. Gives positions
    /// and outcomes.
    pub(crate) fn serve(
        self,
        tree: &Arc<Tree>,
    ) -> impl Stream<Item = (usize, Outcome<<B as Uniform>::Output>)> + Send {
        let (_, order) = self.order(Goal::Each);
        let order = Order { serves: Some(Arc::clone(tree)), ..order };
        feed(order).map(|Fed { index, outcome, .. }| (index, outcome.map(B::one)))
    }
}
