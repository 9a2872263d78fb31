//! Which fan-outs are nested in which, and what must come of them.

use crate::suites::contest::attempt::CAP;
use crate::suites::contest::subject::Work;

/// How many items each level has, from the outermost.
#[derive(Clone, Copy)]
pub enum Shape {
    Two([usize; 2]),
    Three([usize; 3]),
}

/// A shape, and how many attempts each run of it may have under way at once.
#[derive(Clone, Copy)]
pub struct Case {
    pub shape: Shape,
    pub cap: usize,
}

/// The cases at a cap of 1 show that nesting does not run out of slots: an attempt that waits for those within
/// it holds the only one of its own level. If it held theirs too, the timeout would end it, and the check of
/// the results the program.
pub const CASES: [Case; 6] = [
    Case { shape: Shape::Two([100, 100]), cap: CAP },
    Case { shape: Shape::Three([10, 10, 100]), cap: CAP },
    Case { shape: Shape::Three([22, 22, 22]), cap: CAP },
    Case { shape: Shape::Three([100, 10, 10]), cap: CAP },
    Case { shape: Shape::Two([100, 100]), cap: 1 },
    Case { shape: Shape::Three([22, 22, 22]), cap: 1 },
];

impl Case {
    /// The levels as text: they are part of the unit, because rows may differ in nothing else.
    pub fn unit(self) -> String {
        let levels: Vec<_> = self.levels().iter().map(ToString::to_string).collect();
        format!("ns/item of {} at cap {}", levels.join("x"), self.cap)
    }

    /// What the fold of all levels is if each result is in its place.
    pub fn expected(self) -> usize {
        fn of(levels: &[usize]) -> usize {
            match levels {
                [] => unreachable!("a shape has levels"),
                &[leaves] => fold(0..leaves),
                &[items, ref below @ ..] => fold((0..items).map(|item| fold([item, of(below)]))),
            }
        }
        of(self.levels())
    }

    fn levels(&self) -> &[usize] {
        match &self.shape {
            Shape::Two(levels) => levels,
            Shape::Three(levels) => levels,
        }
    }
}

impl Work for Case {
    fn items(self) -> usize {
        self.levels().iter().product()
    }
}

/// One result out of those of a level. It is another one if they are in another order.
pub fn fold(results: impl IntoIterator<Item = usize>) -> usize {
    results.into_iter().fold(0, |sum: usize, result| sum.wrapping_mul(31).wrapping_add(result))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_expected_depends_on_the_order() {
        let case = Case { shape: Shape::Two([2, 2]), cap: 1 };
        assert_eq!(case.expected(), 63, "each inner level folds to 1, so the outer results are 1 and 32");
        assert_ne!(fold([1, 2]), fold([2, 1]));
    }

    #[test]
    fn units_tell_cases_apart() {
        assert_eq!(CASES[3].unit(), "ns/item of 100x10x10 at cap 64");
        assert_eq!(CASES[3].items(), 10_000);
    }
}
