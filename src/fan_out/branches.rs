//! What can be fanned out.

use std::time::Duration;

use crate::agent::Roster;
use crate::outcome::Outcome;
use crate::policy::Restart;
use crate::supervisor::{Source, Work};

/// A set of branches: a tuple of up to 12, an array, a `Vec`, a [`foreach`](crate::foreach), or a
/// [`foreach_stream`](crate::foreach_stream).
///
/// Implemented by the crate alone.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a set of branches",
    label = "expected a tuple of up to 12 `Branch`es, an array or a `Vec` of them",
    note = "for one agent and many inputs use `foreach`"
)]
pub trait Branches: Prepare + Send + 'static {
    /// `(A, B)`, `[O; N]`, `Vec<O>`, or `Vec<(String, O)>` if keyed.
    type Values: Send;
    /// The same with an [`Outcome`] in each place.
    type Outcomes: Send;

    #[doc(hidden)]
    fn outcomes(shape: Self::Shape, outcomes: Vec<Outcome<Output<Self>>>) -> Self::Outcomes;
    #[doc(hidden)]
    fn values(shape: Self::Shape, values: Vec<Output<Self>>) -> Self::Values;
}

/// Branches whose inputs are `Clone`, and which can therefore be restarted.
///
/// Implemented by the crate alone.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be restarted",
    note = "each attempt needs an input of its own, so every input must be `Clone`"
)]
pub trait Repeatable: Branches + Repeat {}

/// How a set of branches is handed over to a run. Not nameable outside the crate.
pub trait Prepare: Sized + Send + 'static {
    /// What runs.
    #[doc(hidden)]
    type Work: Work;
    /// What turns outcomes in branch order into the shape of the set.
    #[doc(hidden)]
    type Shape: Send;

    /// Splits the set up. `timeout` is the fan-out's.
    #[doc(hidden)]
    fn prepare(self, timeout: Option<Duration>) -> Prepared<Self>;
}

/// How a set of branches is given the fan-out's restart policy. Not nameable outside the crate.
pub trait Repeat: Sized {
    /// Gives the policy to every branch that has none of its own.
    #[doc(hidden)]
    fn repeat(self, policy: &Restart) -> Self;
}

pub type Output<B> = <<B as Prepare>::Work as Work>::Output;

/// A set of branches, ready to run.
pub struct Prepared<B: Prepare> {
    pub(crate) work: B::Work,
    pub(crate) source: Source<<B::Work as Work>::Job>,
    pub(crate) roster: Roster,
    pub(crate) shape: B::Shape,
}
