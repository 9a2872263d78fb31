//! Figures: what the rounds of a suite come to.

use serde::Serialize;

use crate::rounds::Samples;

/// What a suite found.
#[derive(Default)]
pub struct Findings {
    pub rows: Vec<Row>,
    /// Lines above the table: what this suite has to say of where its figures come from, beside what all say.
    pub facts: Vec<String>,
    /// Sentences below the table: what was left out, and what no single row shows.
    pub notes: Vec<String>,
}

/// One figure beside its baseline.
///
/// The fields and their names are read by others: add none, rename none.
#[derive(Serialize)]
pub struct Row {
    pub suite: &'static str,
    pub subject: &'static str,
    pub n: usize,
    pub threads: usize,
    /// The median of the rounds.
    pub value: f64,
    pub unit: String,
    pub min: f64,
    pub max: f64,
    pub baseline: &'static str,
    /// The median of value / baseline's value, round by round. More than 1 is slower, or faster for units in
    /// `/s`.
    pub ratio: f64,
}

/// What the rows of one contest have in common.
pub struct Setting {
    pub suite: &'static str,
    pub n: usize,
    pub threads: usize,
    pub unit: String,
}

impl Setting {
    /// Compares the subject with the baseline, which went through the same rounds.
    pub fn row(&self, subject: &Samples, baseline: &Samples) -> Row {
        let ratios = subject.values.iter().zip(&baseline.values).map(|(value, base)| value / base);
        let values = sorted(subject.values.iter().copied());
        Row {
            suite: self.suite,
            subject: subject.name,
            n: self.n,
            threads: self.threads,
            value: rounded(median(&values)),
            unit: self.unit.clone(),
            min: rounded(values[0]),
            max: rounded(values[values.len() - 1]),
            baseline: baseline.name,
            ratio: rounded(median(&sorted(ratios))),
        }
    }
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 }
}

/// Four decimals are finer than any of our clocks.
fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_paired_round_by_round() {
        let setting = Setting { suite: "suite", n: 1, threads: 1, unit: "ms".to_owned() };
        let subject = Samples { name: "subject", values: vec![1.0, 20.0, 300.0] };
        let baseline = Samples { name: "baseline", values: vec![2.0, 10.0, 100.0] };
        let row = setting.row(&subject, &baseline);
        assert_eq!((row.value, row.min, row.max), (20.0, 1.0, 300.0));
        assert_eq!(row.ratio, 2.0, "the median of 0.5, 2 and 3");
    }

    #[test]
    fn an_even_number_of_rounds_has_its_median_between_two() {
        assert_eq!(median(&[1.0, 2.0, 4.0, 9.0]), 3.0);
    }
}
