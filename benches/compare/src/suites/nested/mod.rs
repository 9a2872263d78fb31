//! Fan-outs within fan-outs: what each attempt does is to fan out itself, and only the leaves are no-ops.
//!
//! All subjects do equal work. Every level has a window of its own; every attempt, of a leaf or of a level, has
//! a timeout and may panic without harm to the others; a level's results are in input order when it folds them
//! into one, and the fold of all levels shows whether they were. A level ends with its first failure.
//!
//! All cases have about as many leaves. How they are spread shows what a nested run costs by itself: there is one
//! for every hundred leaves in some cases, and one for every ten in another.

mod case;
mod joinset;
mod sortie;
mod suite;

pub use suite::SUITE;
