//! Functions and closures as agents.

use std::any::type_name;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;

use super::{Agent, AgentContext};
use crate::outcome::AgentError;

/// Makes an agent of a function or closure that wants its context, or of a closure that uses `?`.
///
/// A closure names the type of its input; its error type is fixed, so that `?` needs no annotation. A plain
/// `async fn(input) -> Result<_, _>` needs no `agent_fn`: it is an agent as it stands.
///
/// ```
/// use sortie::{AgentContext, AgentError, agent_fn};
///
/// async fn parse(text: String, cx: AgentContext) -> Result<i64, AgentError> {
///     text.parse().map_err(|error| AgentError::fatal(error).with_code(format!("attempt {}", cx.attempt())))
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let texts = ["1", "2"].map(String::from);
/// let numbers = sortie::foreach(texts.clone(), agent_fn(parse)).all().await.unwrap();
/// let halves = agent_fn(|text: String, _| async move { Ok(text.parse::<f64>()? / 2.0) });
/// assert_eq!(numbers, [1, 2]);
/// assert_eq!(sortie::foreach(texts, halves).all().await.unwrap(), [0.5, 1.0]);
/// # }
/// ```
pub fn agent_fn<F, Fut, I, O>(run: F) -> AgentFn<F, I, O>
where
    F: Fn(I, AgentContext) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<O, AgentError>> + Send,
{
    AgentFn { run, name: type_name::<F>().to_owned(), io: PhantomData }
}

/// A function as an agent; see [`agent_fn`].
pub struct AgentFn<F, I, O> {
    run: F,
    name: String,
    io: PhantomData<fn(I) -> O>,
}

impl<F, I, O> AgentFn<F, I, O> {
    /// Names the agent. Unless called, its name is the path of the function.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }
}

impl<F, Fut, I, O> Agent for AgentFn<F, I, O>
where
    F: Fn(I, AgentContext) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<O, AgentError>> + Send,
    I: Send + 'static,
    O: Send + 'static,
{
    type Input = I;
    type Output = O;

    fn name(&self) -> &str {
        &self.name
    }

    fn run(&self, input: I, cx: AgentContext) -> impl Future<Output = Result<O, AgentError>> + Send {
        (self.run)(input, cx)
    }
}

impl<F, I, O> fmt::Debug for AgentFn<F, I, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentFn").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A plain `async fn(input) -> Result<_, _>` as an agent.
pub(crate) struct PlainFn<F, I, O, E> {
    run: F,
    io: PhantomData<fn(I) -> Result<O, E>>,
}

impl<F, I, O, E> PlainFn<F, I, O, E> {
    pub(crate) fn new(run: F) -> Self {
        Self { run, io: PhantomData }
    }
}

impl<F, Fut, I, O, E> Agent for PlainFn<F, I, O, E>
where
    F: Fn(I) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<O, E>> + Send,
    E: Into<AgentError> + 'static,
    I: Send + 'static,
    O: Send + 'static,
{
    type Input = I;
    type Output = O;

    fn name(&self) -> &str {
        type_name::<F>()
    }

    fn run(&self, input: I, _: AgentContext) -> impl Future<Output = Result<O, AgentError>> + Send {
        // Called here and not within the async block, so that the block holds the future only.
        let output = (self.run)(input);
        async move { output.await.map_err(Into::into) }
    }
}
