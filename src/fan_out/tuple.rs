//! Tuples of branches: each branch has types of its own.

use std::any::Any;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;

use super::branch::Branch;
use super::branches::{Branches, Prepare, Prepared, Repeat, Repeatable};
use super::uniform::Uniform;
use crate::agent::{AgentContext, Roster};
use crate::outcome::{AgentError, Outcome};
use crate::policy::Restart;
use crate::supervisor::{Policy, Source, Work};

/// An output whose type its place in the tuple knows.
type AnyOutput = Box<dyn Any + Send>;

/// A branch without its types.
pub trait AnyBranch: Send {
    fn policy(&self) -> &Policy;
    fn again(&self) -> Option<Box<dyn AnyBranch>>;
    fn attempt(self: Box<Self>, cx: AgentContext) -> BoxFuture<'static, Result<AnyOutput, AgentError>>;
}

impl<I: Send + 'static, O: Send + 'static> AnyBranch for Branch<I, O> {
    fn policy(&self) -> &Policy {
        self.policy()
    }

    fn again(&self) -> Option<Box<dyn AnyBranch>> {
        Some(Box::new(self.again()?))
    }

    fn attempt(self: Box<Self>, cx: AgentContext) -> BoxFuture<'static, Result<AnyOutput, AgentError>> {
        (*self).attempt(cx).map(|result| result.map(|output| Box::new(output) as AnyOutput)).boxed()
    }
}

/// Branches of different types.
pub struct Tuple {
    shortest_timeout: Option<Duration>,
}

impl Work for Tuple {
    type Job = Box<dyn AnyBranch>;
    type Output = AnyOutput;

    fn policy<'a>(&'a self, job: &'a Self::Job) -> &'a Policy {
        job.as_ref().policy()
    }

    fn shortest_timeout(&self) -> Option<Duration> {
        self.shortest_timeout
    }

    fn copy(&self, job: &Self::Job) -> Option<Self::Job> {
        job.as_ref().again()
    }

    fn start<'a>(&'a self, job: Self::Job, cx: AgentContext) -> BoxFuture<'a, Result<AnyOutput, AgentError>> {
        job.attempt(cx)
    }
}

/// Gives an output its type back.
fn typed<O: 'static>(output: AnyOutput) -> O {
    match output.downcast() {
        Ok(output) => *output,
        Err(_) => unreachable!("an output has the type of its branch"),
    }
}

fn next<T>(results: &mut impl Iterator<Item = T>) -> T {
    match results.next() {
        Some(result) => result,
        None => unreachable!("a run of N branches has N outcomes"),
    }
}

macro_rules! tuples {
    () => {};
    ($I0:ident $O0:ident $b0:ident $(, $I:ident $O:ident $b:ident)*) => {
        impl<$I0, $O0, $($I, $O),*> Prepare for (Branch<$I0, $O0>, $(Branch<$I, $O>,)*)
        where
            $I0: Send + 'static, $O0: Send + 'static, $($I: Send + 'static, $O: Send + 'static,)*
        {
            type Work = Tuple;
            type Shape = ();

            fn prepare(self, timeout: Option<Duration>) -> Prepared<Self> {
                let ($b0, $($b,)*) = self;
                let ($b0, $($b,)*) = ($b0.resolve(timeout), $($b.resolve(timeout),)*);
                let roster = Roster::Each(vec![$b0.names(), $($b.names(),)*]);
                let jobs: Vec<Box<dyn AnyBranch>> = vec![Box::new($b0), $(Box::new($b),)*];
                let shortest_timeout = jobs.iter().filter_map(|job| job.as_ref().policy().timeout).min();
                let source = Source::Iterator(Box::new(jobs.into_iter()));
                Prepared { work: Tuple { shortest_timeout }, source, roster, shape: () }
            }
        }

        impl<$I0, $O0, $($I, $O),*> Branches for (Branch<$I0, $O0>, $(Branch<$I, $O>,)*)
        where
            $I0: Send + 'static, $O0: Send + 'static, $($I: Send + 'static, $O: Send + 'static,)*
        {
            type Values = ($O0, $($O,)*);
            type Outcomes = (Outcome<$O0>, $(Outcome<$O>,)*);

            fn outcomes((): (), outcomes: Vec<Outcome<AnyOutput>>) -> Self::Outcomes {
                let mut outcomes = outcomes.into_iter();
                (next(&mut outcomes).map(typed::<$O0>), $(next(&mut outcomes).map(typed::<$O>),)*)
            }

            fn values((): (), values: Vec<AnyOutput>) -> Self::Values {
                let mut values = values.into_iter();
                (typed::<$O0>(next(&mut values)), $(typed::<$O>(next(&mut values)),)*)
            }
        }

        impl<Out, $I0, $($I),*> Uniform for (Branch<$I0, Out>, $(Branch<$I, Out>,)*)
        where
            Out: Send + 'static, $I0: Send + 'static, $($I: Send + 'static,)*
        {
            type Output = Out;

            fn one(output: AnyOutput) -> Out {
                typed(output)
            }
        }

        impl<$I0: Clone, $O0, $($I: Clone, $O),*> Repeat for (Branch<$I0, $O0>, $(Branch<$I, $O>,)*) {
            fn repeat(self, policy: &Restart) -> Self {
                let ($b0, $($b,)*) = self;
                ($b0.or_restart(policy), $($b.or_restart(policy),)*)
            }
        }

        impl<$I0, $O0, $($I, $O),*> Repeatable for (Branch<$I0, $O0>, $(Branch<$I, $O>,)*)
        where
            $I0: Clone + Send + 'static, $O0: Send + 'static,
            $($I: Clone + Send + 'static, $O: Send + 'static,)*
        {}

        tuples!($($I $O $b),*);
    };
}

tuples!(
    I1 O1 b1, I2 O2 b2, I3 O3 b3, I4 O4 b4, I5 O5 b5, I6 O6 b6,
    I7 O7 b7, I8 O8 b8, I9 O9 b9, I10 O10 b10, I11 O11 b11, I12 O12 b12
);
