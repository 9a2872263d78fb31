//! Arrays and `Vec`s of branches: each branch has an agent of its own, and all have the same types.

use std::time::Duration;

use futures::future::BoxFuture;

use super::branch::Branch;
use super::branches::{Branches, Prepare, Prepared, Repeat, Repeatable};
use crate::agent::{AgentContext, Roster};
use crate::outcome::{AgentError, Outcome};
use crate::policy::Restart;
use crate::supervisor::{Policy, Source, Work};

/// Branches that carry their agents.
pub struct Each<I, O> {
    shortest_timeout: Option<Duration>,
    io: std::marker::PhantomData<fn(I) -> O>,
}

impl<I: Send + 'static, O: Send + 'static> Work for Each<I, O> {
    type Job = Branch<I, O>;
    type Output = O;

    fn policy<'a>(&'a self, job: &'a Branch<I, O>) -> &'a Policy {
        job.policy()
    }

    fn shortest_timeout(&self) -> Option<Duration> {
        self.shortest_timeout
    }

    fn copy(&self, job: &Branch<I, O>) -> Option<Branch<I, O>> {
        job.again()
    }

    fn start<'a>(&'a self, job: Branch<I, O>, cx: AgentContext) -> BoxFuture<'a, Result<O, AgentError>> {
        job.attempt(cx)
    }
}

impl<I: Send + 'static, O: Send + 'static> Prepare for Vec<Branch<I, O>> {
    type Work = Each<I, O>;
    type Shape = ();

    fn prepare(self, timeout: Option<Duration>) -> Prepared<Self> {
        let branches: Vec<_> = self.into_iter().map(|branch| branch.resolve(timeout)).collect();
        Prepared {
            work: Each {
                shortest_timeout: branches.iter().filter_map(|branch| branch.policy().timeout).min(),
                io: std::marker::PhantomData,
            },
            roster: Roster::Each(branches.iter().map(Branch::names).collect()),
            source: Source::Iterator(Box::new(branches.into_iter())),
            shape: (),
        }
    }
}

impl<I: Send + 'static, O: Send + 'static> Branches for Vec<Branch<I, O>> {
    type Values = Vec<O>;
    type Outcomes = Vec<Outcome<O>>;

    fn outcomes((): (), outcomes: Vec<Outcome<O>>) -> Vec<Outcome<O>> {
        outcomes
    }

    fn values((): (), values: Vec<O>) -> Vec<O> {
        values
    }
}

impl<I: Clone, O> Repeat for Vec<Branch<I, O>> {
    fn repeat(self, policy: &Restart) -> Self {
        self.into_iter().map(|branch| branch.or_restart(policy)).collect()
    }
}

impl<I: Clone + Send + 'static, O: Send + 'static> Repeatable for Vec<Branch<I, O>> {}

impl<I: Send + 'static, O: Send + 'static, const N: usize> Prepare for [Branch<I, O>; N] {
    type Work = Each<I, O>;
    type Shape = ();

    fn prepare(self, timeout: Option<Duration>) -> Prepared<Self> {
        let Prepared { work, source, roster, shape } = Vec::from(self).prepare(timeout);
        Prepared { work, source, roster, shape }
    }
}

impl<I: Send + 'static, O: Send + 'static, const N: usize> Branches for [Branch<I, O>; N] {
    type Values = [O; N];
    type Outcomes = [Outcome<O>; N];

    fn outcomes((): (), outcomes: Vec<Outcome<O>>) -> [Outcome<O>; N] {
        array(outcomes)
    }

    fn values((): (), values: Vec<O>) -> [O; N] {
        array(values)
    }
}

impl<I: Clone, O, const N: usize> Repeat for [Branch<I, O>; N] {
    fn repeat(self, policy: &Restart) -> Self {
        self.map(|branch| branch.or_restart(policy))
    }
}

impl<I: Clone + Send + 'static, O: Send + 'static, const N: usize> Repeatable for [Branch<I, O>; N] {}

fn array<T, const N: usize>(results: Vec<T>) -> [T; N] {
    match results.try_into() {
        Ok(array) => array,
        Err(_) => unreachable!("a run of N branches has N outcomes"),
    }
}
