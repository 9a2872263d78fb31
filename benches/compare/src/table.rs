//! Findings as a table for people.

use std::fmt::Write;

use crate::environment;
use crate::figures::{Findings, Row};
use crate::suites::{Comparison, Effort, Suite};

/// The table, below what one must know to read it.
pub fn render(suite: &Suite, effort: Effort, findings: &Findings) -> String {
    let mut text = String::new();
    let mut line = |text_line: String| writeln!(text, "{text_line}").expect("a string takes all");
    line(format!("## {}", suite.name));
    line(format!("work:       {}", suite.work));
    line(environment::describe());
    findings.facts.iter().for_each(|fact| line(fact.clone()));
    line(format!("durability: {}", suite.durability));
    line(format!(
        "rounds:     {} after a warm-up, subjects in turn; values are medians; {}",
        effort.rounds(),
        match suite.comparison {
            Comparison::Ratio => "ratio: value / baseline, median of the rounds' ratios",
            Comparison::Efficiency => "efficiency: baseline / value, median of the rounds' ratios",
        },
    ));
    let mut previous: Option<&Row> = None;
    line(String::new());
    line(titles(suite.comparison));
    for row in &findings.rows {
        if previous.is_some_and(|previous| contest(previous) != contest(row)) {
            line(String::new());
        }
        line(cells(row, suite.comparison));
        previous = Some(row);
    }
    if !findings.notes.is_empty() {
        line(String::new());
    }
    for note in &findings.notes {
        line(format!("- {note}"));
    }
    text
}

/// What rows share if their subjects met in the same rounds.
fn contest(row: &Row) -> (usize, usize, &str) {
    (row.n, row.threads, &row.unit)
}

fn titles(comparison: Comparison) -> String {
    let ratio = match comparison {
        Comparison::Ratio => "ratio",
        Comparison::Efficiency => "efficiency",
    };
    aligned(["n", "threads", "subject", "value", "min", "max", "unit", ratio, "to baseline"])
}

fn cells(row: &Row, comparison: Comparison) -> String {
    let ratio = match comparison {
        Comparison::Ratio => format!("{:.3}", row.ratio),
        Comparison::Efficiency => format!("{:.2} %", 100.0 / row.ratio),
    };
    let [n, threads] = [row.n, row.threads].map(|count| count.to_string());
    let [value, min, max] = [row.value, row.min, row.max].map(|value| format!("{value:.1}"));
    aligned([&n, &threads, row.subject, &value, &min, &max, &row.unit, &ratio, row.baseline])
}

/// Numbers to the right, words to the left.
fn aligned([n, threads, subject, value, min, max, unit, ratio, baseline]: [&str; 9]) -> String {
    format!("{n:>8} {threads:>7}  {subject:<22}{value:>9}{min:>9}{max:>9}  {unit:<30}{ratio:>10}  {baseline}")
}
