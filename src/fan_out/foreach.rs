//! One agent for each item of an iterator.

use std::fmt;
use std::time::Duration;

use futures::future::BoxFuture;

use super::branches::{Branches, Prepare, Prepared, Repeat, Repeatable};
use super::options::FanOut;
use crate::agent::{AgentContext, AgentRef, Copying, IntoAgent, Roster};
use crate::outcome::{AgentError, Outcome};
use crate::policy::Restart;
use crate::supervisor::{Policy, Source, Work};
use crate::user_code::contain;

/// Runs one agent for each item: items first, agent last.
///
/// `agent` is an [`AgentRef`], an [`agent_fn`](crate::agent_fn), a [`blocking`](crate::blocking) function or a plain
/// `async fn(input) -> Result<_, _>`.
///
/// The iterator is pulled one item at a time, when there is a child that is free to run it, on the threads of the
/// runtime. It should not block: while it does, nothing new starts, and a deadline that passes meanwhile leaves the items
/// that it has not given without an outcome. It should end, because every item gets an outcome, also when the fan-out is
/// stopped early; only if its `size_hint` says that it is endless (`0..`, `repeat`), a fan-out that is stopped gives
/// outcomes for those items that were pulled. Apart from that, its `size_hint` may be wrong: where it promises no further
/// item, the iterator is asked, ahead of time, and what it gives is run. If it panics, the items so far keep their outcomes, and one more outcome,
/// a [`Cause::Panicked`](crate::Cause::Panicked), stands for the item that could not be had.
///
/// ```
/// use std::time::Duration;
/// # async fn get(_: &str) -> std::io::Result<String> { Ok("page".into()) }
///
/// async fn fetch(url: String) -> std::io::Result<usize> {
///     Ok(get(&url).await?.len())
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let urls = ["https://example.com/a", "https://example.com/b"].map(String::from);
/// let sizes = sortie::foreach(urls, fetch).concurrency(8).timeout(Duration::from_secs(30)).settled().await;
/// assert!(sizes.iter().all(|size| size.as_ref().is_ok_and(|size| *size == 4)));
/// # }
/// ```
pub fn foreach<T, O>(items: T, agent: impl IntoAgent<T::Item, O>) -> FanOut<ForEach<T::Item, O>>
where
    T: IntoIterator<IntoIter: Send + 'static, Item: Send + 'static>,
    O: Send + 'static,
{
    FanOut::new(ForEach { agent: agent.into_agent(), items: Box::new(items.into_iter()), restart: None })
}

/// One agent and a cursor over its inputs; pulled, never collected. [`foreach`] makes it.
pub struct ForEach<I, O> {
    pub(crate) agent: AgentRef<I, O>,
    pub(crate) items: Box<dyn Iterator<Item = I> + Send>,
    pub(crate) restart: Option<Copying<I>>,
}

/// One agent for all items. A job is its input alone.
pub struct Same<I, O> {
    agent: AgentRef<I, O>,
    policy: Policy,
    copy: Option<fn(&I) -> I>,
}

impl<I, O> Same<I, O> {
    pub(crate) fn new(agent: AgentRef<I, O>, restart: Option<Copying<I>>, timeout: Option<Duration>) -> Self {
        let restart = restart.or_else(|| agent.default_restart().cloned());
        let copy = restart.as_ref().map(|restart| restart.copy);
        let timeout = timeout.or(agent.default_timeout());
        Self { agent, policy: Policy { timeout, restart: restart.map(|restart| restart.policy) }, copy }
    }
}

impl<I: Send + 'static, O: Send + 'static> Work for Same<I, O> {
    type Job = I;
    type Output = O;

    fn policy<'a>(&'a self, _: &'a I) -> &'a Policy {
        &self.policy
    }

    fn shortest_timeout(&self) -> Option<Duration> {
        self.policy.timeout
    }

    fn copy(&self, input: &I) -> Option<I> {
        self.copy.map(|copy| copy(input))
    }

    fn start<'a>(&'a self, input: I, cx: AgentContext) -> BoxFuture<'a, Result<O, AgentError>> {
        self.agent.attempt(input, cx)
    }
}

impl<I: Send + 'static, O: Send + 'static> Prepare for ForEach<I, O> {
    type Work = Same<I, O>;
    type Shape = ();

    fn prepare(self, timeout: Option<Duration>) -> Prepared<Self> {
        Prepared {
            roster: Roster::Same { agent: self.agent.shared_name() },
            work: Same::new(self.agent, self.restart, timeout),
            source: Source::Iterator(self.items),
            shape: (),
        }
    }
}

impl<I: Send + 'static, O: Send + 'static> Branches for ForEach<I, O> {
    type Values = Vec<O>;
    type Outcomes = Vec<Outcome<O>>;

    fn outcomes((): (), outcomes: Vec<Outcome<O>>) -> Vec<Outcome<O>> {
        outcomes
    }

    fn values((): (), values: Vec<O>) -> Vec<O> {
        values
    }
}

impl<I: Clone, O> Repeat for ForEach<I, O> {
    fn repeat(mut self, policy: &Restart) -> Self {
        self.restart = Some(Copying::new(policy.clone()));
        self
    }
}

impl<I: Clone + Send + 'static, O: Send + 'static> Repeatable for ForEach<I, O> {}

impl<I, O> fmt::Debug for ForEach<I, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForEach")
            .field("agent", &self.agent)
            .field("items", &contain(|| self.items.size_hint()).unwrap_or_default())
            .finish()
    }
}
