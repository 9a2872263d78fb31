//! Which sizes are run, and who can afford them.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::suites::Effort;

/// A subject takes part at a size if it gets through all of its rounds in this time.
const SUBJECT_LIMIT: Duration = Duration::from_secs(60);

/// The suite ends within 5 minutes; a little is left for the estimates to be wrong.
const SUITE_LIMIT: Duration = Duration::from_secs(280);

/// The numbers of items, small ones first: each is the estimate for the next.
pub fn sizes(effort: Effort) -> &'static [usize] {
    match effort {
        Effort::Full => &[1_000, 10_000, 100_000, 1_000_000],
        Effort::Quick => &[1_000, 10_000],
    }
}

/// Decides who takes part, from what the smaller size took.
pub struct Affordable {
    end: Instant,
    runs: u32,
    /// Per subject and number of threads.
    per_item: HashMap<(&'static str, usize), Duration>,
}

impl Affordable {
    pub fn new(effort: Effort) -> Self {
        let runs = u32::try_from(effort.rounds() + 1).expect("few rounds");
        Self { end: Instant::now() + SUITE_LIMIT, runs, per_item: HashMap::new() }
    }

    /// Notes what an item took this subject.
    pub fn note(&mut self, subject: &'static str, threads: usize, per_item: Duration) {
        self.per_item.insert((subject, threads), per_item);
    }

    /// The subjects that take part; if they need more than what is left of the suite's time, the slowest ones
    /// go.
    pub fn choose(&self, subjects: &[&'static str], n: usize, threads: usize) -> Vec<&'static str> {
        let estimate = |subject: &'static str| {
            let per_item = self.per_item.get(&(subject, threads)).copied().unwrap_or_default();
            per_item.mul_f64(n as f64 * f64::from(self.runs))
        };
        let mut chosen: Vec<_> = subjects.iter().map(|&subject| (estimate(subject), subject)).collect();
        chosen.sort();
        let mut left = self.end.saturating_duration_since(Instant::now());
        chosen.retain(|&(estimate, _)| {
            let fits = estimate <= SUBJECT_LIMIT.min(left);
            left = left.saturating_sub(estimate);
            fits
        });
        chosen.into_iter().map(|(_, subject)| subject).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_stays_as_long_as_it_ends_in_time() {
        let mut affordable = Affordable::new(Effort::Full);
        affordable.note("fast", 1, Duration::from_nanos(100));
        affordable.note("slow", 1, Duration::from_micros(10));
        assert_eq!(affordable.choose(&["slow", "fast"], 100_000, 1), ["fast", "slow"], "8 s fit");
        assert_eq!(affordable.choose(&["slow", "fast"], 1_000_000, 1), ["fast"], "80 s do not");
    }

    #[test]
    fn the_slowest_go_first_when_the_suite_runs_out_of_time() {
        let mut affordable = Affordable::new(Effort::Full);
        affordable.end = Instant::now() + Duration::from_secs(50);
        affordable.note("a", 1, Duration::from_micros(5));
        affordable.note("b", 1, Duration::from_micros(4));
        assert_eq!(affordable.choose(&["a", "b"], 1_000_000, 1), ["b"], "32 s fit, 40 s more do not");
    }
}
