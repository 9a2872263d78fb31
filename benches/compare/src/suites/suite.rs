//! What every suite says about itself.

use crate::figures::Findings;

/// A piece of work that several subjects do.
pub struct Suite {
    pub name: &'static str,
    /// The work, in a line.
    pub work: &'static str,
    /// What survives which crash when a subject says "done"; the same for all subjects, or named row by row.
    pub durability: &'static str,
    /// How its table shows a value beside its baseline.
    pub comparison: Comparison,
    /// Measures. It ends within 5 minutes, or within its part of a minute if the effort is [`Effort::Quick`].
    ///
    /// Panics if a subject's results are wrong: figures for wrong results must not exist.
    pub run: fn(Effort) -> Findings,
    /// What it measures in processes of their own, if anything.
    pub probe: Option<Probe>,
}

/// A measurement that needs a fresh process, described by words that only its suite has to understand. It may find
/// several figures at once.
///
/// What an earlier subject's allocations leave in a process would hide the next one's.
pub type Probe = fn(&[String]) -> Vec<f64>;

/// How a value is shown beside its baseline.
#[derive(Clone, Copy)]
pub enum Comparison {
    /// value / baseline.
    Ratio,
    /// baseline / value, in percent: for baselines that are limits.
    Efficiency,
}

/// How much time the caller has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// Figures that can be quoted.
    Full,
    /// Shows that everything runs.
    Quick,
}

impl Effort {
    /// How many rounds follow the warm-up.
    pub fn rounds(self) -> usize {
        match self {
            Effort::Full => 7,
            Effort::Quick => 3,
        }
    }
}
