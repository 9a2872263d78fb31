//! What is found in the end.

use std::fmt;

/// How many findings are printed.
const PRINTED: usize = 30;

/// What a judge has found, or several of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Verdict {
    /// How many launches were acknowledged.
    pub(crate) acknowledged: usize,
    /// How often the journal was open.
    pub(crate) opened: u64,
    /// How many launches were found to be removed, because they had expired.
    pub(crate) removed: usize,
    /// How many sweeps were killed in their midst.
    pub(crate) cut: usize,
    /// Launches that were acknowledged and are missing, or will never be done.
    pub(crate) lost: usize,
    /// Keys with two launches, and launches that were done and ran again, changed their result, or were removed and came back.
    pub(crate) twice: usize,
    /// How often the journal could not be opened.
    pub(crate) unopenable: usize,
    /// All of that in words.
    pub(crate) findings: Vec<String>,
}

impl Verdict {
    pub(crate) fn is_good(&self) -> bool {
        self.lost == 0 && self.twice == 0 && self.unopenable == 0
    }

    /// Prints the findings, unless there are too many to be read.
    pub(crate) fn print_findings(&self) {
        self.findings.iter().take(PRINTED).for_each(|finding| println!("{finding}"));
        if self.findings.len() > PRINTED {
            println!("and {} more", self.findings.len() - PRINTED);
        }
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.acknowledged += other.acknowledged;
        self.opened += other.opened;
        self.removed += other.removed;
        self.cut += other.cut;
        self.lost += other.lost;
        self.twice += other.twice;
        self.unopenable += other.unopenable;
        self.findings.extend(other.findings);
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { acknowledged, lost, twice, unopenable, .. } = self;
        write!(f, "acked={acknowledged} lost={lost} recorded_twice={twice} unopenable={unopenable}")
    }
}
