//! Branches with one output type, and the endings that choose among them.

use std::future::Future;

use super::branch::Branch;
use super::branches::{Branches, Output};
use super::foreach::ForEach;
use super::foreach_stream::ForEachStream;
use super::keyed::Keyed;
use super::keyed_stream::KeyedStream;
use super::options::FanOut;
use crate::outcome::{AnyError, Failure, QuorumError};
use crate::supervisor::{Collected, Goal};
use crate::user_code::discard;

/// Branches with one output type, whatever their inputs: a `foreach`, a `foreach_stream`, an array, a `Vec`, or a tuple whose branches all
/// give the same.
///
/// Implemented by the crate alone.
#[diagnostic::on_unimplemented(
    message = "the branches of `{Self}` have different outputs",
    note = "`any` and `quorum` choose among outputs, so all of them must have one type"
)]
pub trait Uniform: Branches {
    /// What every branch gives.
    type Output: Send + 'static;

    #[doc(hidden)]
    fn one(output: Output<Self>) -> <Self as Uniform>::Output;
}

impl<I: Send + 'static, O: Send + 'static> Uniform for ForEach<I, O> {
    type Output = O;

    fn one(output: O) -> O {
        output
    }
}

impl<I: Send + 'static, O: Send + 'static> Uniform for Keyed<I, O> {
    type Output = O;

    fn one(output: O) -> O {
        output
    }
}

impl<I: Send + 'static, O: Send + 'static> Uniform for ForEachStream<I, O> {
    type Output = O;

    fn one(output: O) -> O {
        output
    }
}

impl<I: Send + 'static, O: Send + 'static> Uniform for KeyedStream<I, O> {
    type Output = O;

    fn one(output: O) -> O {
        output
    }
}

impl<I: Send + 'static, O: Send + 'static> Uniform for Vec<Branch<I, O>> {
    type Output = O;

    fn one(output: O) -> O {
        output
    }
}

impl<I: Send + 'static, O: Send + 'static, const N: usize> Uniform for [Branch<I, O>; N] {
    type Output = O;

    fn one(output: O) -> O {
        output
    }
}

impl<B: Uniform> FanOut<B> {
    /// Runs the branches until one succeeds, and stops the others. The first *success* in time wins; failures before it
    /// do not count.
    ///
    /// # Errors
    /// [`AnyError`] with every failure if no branch succeeds, by the deadline if there is one; also if there are no
    /// branches.
    ///
    /// # Cancel safety
    /// Dropping the future stops the run.
    ///
    /// # Panics
    /// As [`settled`](FanOut::settled).
    ///
    /// ```
    /// use std::time::Duration;
    /// use sortie::{AgentRef, agent_fn, branches};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
    /// let mirror = AgentRef::new(agent_fn(|(name, millis): (&'static str, u64), _| async move {
    ///     tokio::time::sleep(Duration::from_millis(millis)).await;
    ///     if name == "down" { Err("connection refused".into()) } else { Ok(name) }
    /// }));
    /// let mirrors = [("down", 1), ("near", 50), ("far", 500)].map(|mirror_at| mirror.branch(mirror_at));
    /// assert_eq!(branches(mirrors).any().await.unwrap(), "near");
    /// # }
    /// ```
    #[expect(clippy::manual_async_fn, reason = "an `async fn` does not say `Send`, see `settled`")]
    pub fn any(self) -> impl Future<Output = Result<<B as Uniform>::Output, AnyError>> + Send {
        async move {
            let (_, collected) = self.run(Goal::First(1)).await;
            let (mut winners, failures) = choose::<B>(collected);
            winners.pop().ok_or_else(|| AnyError::new(failures))
        }
    }

    /// Runs the branches until `n` have succeeded, and stops the others. The outputs are those of the first `n`
    /// successes in time, in branch order. None are wanted with `n` = 0, and nothing runs.
    ///
    /// # Errors
    /// [`QuorumError`] with every output and failure there is, as soon as `n` successes can no longer be reached, or at
    /// the deadline.
    ///
    /// # Cancel safety
    /// Dropping the future stops the run; its outputs are dropped with it.
    ///
    /// # Panics
    /// As [`settled`](FanOut::settled).
    #[expect(clippy::manual_async_fn, reason = "an `async fn` does not say `Send`, see `settled`")]
    pub fn quorum(
        self,
        n: usize,
    ) -> impl Future<Output = Result<Vec<<B as Uniform>::Output>, QuorumError<<B as Uniform>::Output>>> + Send
    {
        async move {
            if n == 0 {
                return Ok(Vec::new());
            }
            let (_, collected) = self.run(Goal::First(n)).await;
            let (values, failures) = choose::<B>(collected);
            if values.len() == n { Ok(values) } else { Err(QuorumError::new(n, values, failures)) }
        }
    }
}

/// The outputs of the winners and the failures of all others, both in branch order. Successes beyond those that were
/// wanted are dropped.
fn choose<B: Uniform>(collected: Collected<Output<B>>) -> (Vec<<B as Uniform>::Output>, Vec<Failure>) {
    let Collected { outcomes, mut winners, cut, .. } = collected;
    winners.sort_unstable();
    let (mut values, mut failures) = (Vec::with_capacity(winners.len()), Vec::new());
    for (index, outcome) in outcomes.into_iter().enumerate() {
        match outcome {
            Ok(output) if winners.binary_search(&index).is_ok() => values.push(B::one(output)),
            Ok(output) => discard(output),
            Err(failure) => failures.push(failure),
        }
    }
    if failures.is_empty() {
        failures.extend(cut);
    }
    (values, failures)
}
