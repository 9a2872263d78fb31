//! Work nested in an attempt.

use futures::Stream;

use super::ask::{Ask, ask};
use super::branches::Branches;
use super::foreach::{ForEach, foreach};
use super::foreach_stream::{ForEachStream, foreach_stream};
use super::options::FanOut;
use crate::agent::{AgentContext, AgentRef, IntoAgent};

/// The verbs for work nested in the attempt.
///
/// They do what the free functions do, under a supervisor and a cap of their own, so that nesting cannot run out of
/// slots. When the attempt is [cancelled](AgentContext::cancelled), the nested run pulls nothing more and its attempts are
/// cancelled too, and all of them have the [`stop_grace`](FanOut::stop_grace) of their own fan-out to clean up. The attempt
/// is not over before the nested run is: it keeps its slot, and is reported as not stopped if that takes longer than
/// stopping may.
///
/// A free function that is awaited in an agent's own code nests its run in the same way, also on the thread of a
/// [`blocking`](crate::blocking) agent. These verbs also do so where that cannot be seen: in a task that the agent has
/// spawned, or on another thread.
///
/// A nested [`Failure`](crate::Failure) that the agent returns with `?` is final for the attempt: it has used its
/// attempts up, and layers do not multiply them. But an error that the agent returns after the attempt itself was ordered to
/// stop does not count: the attempt has failed for the reason for which it was stopped.
///
/// ```
/// use sortie::{AgentContext, AgentError, AgentRef, agent_fn};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), sortie::Failure> {
/// let word = AgentRef::new(agent_fn(|word: String, _| async move { Ok(word.len()) }));
/// let text = AgentRef::new(agent_fn(move |text: String, cx: AgentContext| {
///     let word = word.clone();
///     async move {
///         let words: Vec<String> = text.split(' ').map(String::from).collect();
///         Ok(cx.foreach(words, &word).concurrency(4).all().await?.into_iter().max())
///     }
/// }));
/// assert_eq!(sortie::ask(&text, "the longest word".into()).await?, Some(7));
/// # Ok(()) }
/// ```
impl AgentContext {
    /// Asks one agent, as [`ask`](crate::ask) does.
    pub fn ask<I, O>(&self, agent: &AgentRef<I, O>, input: I) -> Ask<I, O> {
        ask(agent, input).within(self.clone())
    }

    /// Runs a few branches together, as [`branches`](crate::branches) does.
    pub fn branches<B: Branches>(&self, branches: B) -> FanOut<B> {
        FanOut::new(branches).within(self.clone())
    }

    /// Runs one agent for each item, as [`foreach`](crate::foreach) does.
    pub fn foreach<T, O>(&self, items: T, agent: impl IntoAgent<T::Item, O>) -> FanOut<ForEach<T::Item, O>>
    where
        T: IntoIterator<IntoIter: Send + 'static, Item: Send + 'static>,
        O: Send + 'static,
    {
        foreach(items, agent).within(self.clone())
    }

    /// Runs one agent for each item of a stream, as [`foreach_stream`](crate::foreach_stream) does.
    pub fn foreach_stream<S, O>(
        &self,
        stream: S,
        agent: impl IntoAgent<S::Item, O>,
    ) -> FanOut<ForEachStream<S::Item, O>>
    where
        S: Stream<Item: Send + 'static> + Send + 'static,
        O: Send + 'static,
    {
        foreach_stream(stream, agent).within(self.clone())
    }
}
