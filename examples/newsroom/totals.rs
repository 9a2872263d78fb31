//! What all documents together came to.

use std::fmt::{self, Display};
use std::time::Duration;

use sortie::Cause;

use crate::line::{Line, Status, title};
use crate::terminal::{grouped, signed};

/// The sums over all lines.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    pub(crate) documents: usize,
    ok: usize,
    partial: usize,
    failed: usize,
    words: usize,
    attempts: u32,
    causes: Causes,
    moods: Vec<(f64, String)>,
    wall: Duration,
}

/// Failed branches by what ended their last attempt.
#[derive(Debug, Default)]
struct Causes {
    errors: usize,
    panics: usize,
    timeouts: usize,
    others: usize,
}

impl Totals {
    pub(crate) fn of(lines: &[Line<'_>], wall: Duration) -> Self {
        let mut totals = Self { wall, ..Self::default() };
        for line in lines {
            totals.add(line);
        }
        totals
    }

    fn add(&mut self, line: &Line<'_>) {
        self.documents += 1;
        match line.status() {
            Status::Ok => self.ok += 1,
            Status::Partial => self.partial += 1,
            Status::Failed => self.failed += 1,
        }
        self.attempts += line.attempts().iter().sum::<u32>();
        for failure in line.failures() {
            match failure.cause() {
                Cause::Failed(_) => self.causes.errors += 1,
                Cause::Panicked(_) => self.causes.panics += 1,
                Cause::TimedOut { .. } => self.causes.timeouts += 1,
                _ => self.causes.others += 1,
            }
        }
        self.words += line.words();
        // A document without words has no mood; its zero would only dilute that of the others.
        if let Some(mood) = line.mood().filter(|_| line.words() > 0) {
            self.moods.push((mood.polarity(), title(line.name)));
        }
    }

    /// One line for programs.
    pub(crate) fn summary(&self) -> String {
        let Self { documents, ok, partial, failed, .. } = self;
        format!("newsroom: documents={documents} ok={ok} partial={partial} failed={failed}")
    }

    fn mood(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by_polarity = |a: &&(f64, String), b: &&(f64, String)| a.0.total_cmp(&b.0);
        let (Some(lowest), Some(highest)) =
            (self.moods.iter().min_by(by_polarity), self.moods.iter().max_by(by_polarity))
        else {
            return writeln!(f, "mood       none: no document with words was weighed");
        };
        // At least one mood is there, so that this is a number.
        let average = self.moods.iter().map(|(polarity, _)| polarity).sum::<f64>() / self.moods.len() as f64;
        writeln!(
            f,
            "mood       average {}, most positive {} ({}), most negative {} ({})",
            signed(average),
            highest.1,
            signed(highest.0),
            lowest.1,
            signed(lowest.0)
        )
    }
}

/// Several lines for readers.
impl Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { documents, ok, partial, failed, .. } = self;
        let Causes { errors, panics, timeouts, others } = self.causes;
        writeln!(f, "documents  {documents}: {ok} ok, {partial} partial, {failed} failed")?;
        writeln!(f, "words      {}", grouped(self.words))?;
        self.mood(f)?;
        writeln!(f, "failures   errors {errors}, panics {panics}, timeouts {timeouts}, others {others}")?;
        let wall = Duration::from_millis(self.wall.as_millis() as u64);
        writeln!(f, "work       {} attempts in {}", self.attempts, humantime::format_duration(wall))
    }
}
