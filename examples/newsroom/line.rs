//! The one line that each document gets.

use std::fmt::{self, Display};

use sortie::{Failure, Outcome};

use crate::desk::Review;
use crate::sentiment::Mood;
use crate::terminal::{cut, grouped, signed, visible};

/// How many characters of a summary are shown.
const SUMMARY_WIDTH: usize = 100;

/// What a document came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// It was read, and both branches delivered.
    Ok,
    /// It was read, and one branch delivered.
    Partial,
    /// It could not be read, or no branch delivered.
    Failed,
}

/// A document's name and outcome.
pub(crate) struct Line<'a> {
    pub(crate) name: &'a str,
    pub(crate) outcome: &'a Outcome<Review>,
}

impl<'a> Line<'a> {
    pub(crate) fn status(&self) -> Status {
        let Ok(review) = self.outcome else { return Status::Failed };
        match (&review.mood, &review.summary) {
            (Ok(_), Ok(_)) => Status::Ok,
            (Err(_), Err(_)) => Status::Failed,
            _ => Status::Partial,
        }
    }

    /// How many words of the document were read.
    pub(crate) fn words(&self) -> usize {
        self.outcome.as_ref().map_or(0, |review| review.extent.words)
    }

    pub(crate) fn mood(&self) -> Option<Mood> {
        Some(self.outcome.as_ref().ok()?.mood.as_ref().ok()?.value)
    }

    /// The attempts of each branch that had any, sentiment first.
    pub(crate) fn attempts(&self) -> Vec<u32> {
        let Ok(review) = self.outcome else { return Vec::new() };
        let mood = review.mood.as_ref().map_or_else(Failure::attempts, |filed| filed.attempt);
        let summary = review.summary.as_ref().map_or_else(Failure::attempts, |filed| filed.attempt);
        vec![mood, summary]
    }

    /// Every branch of this document that failed; the reading of it is one.
    pub(crate) fn failures(&self) -> Vec<&'a Failure> {
        match self.outcome {
            Err(failure) => vec![failure],
            Ok(review) => {
                review.mood.as_ref().err().into_iter().chain(review.summary.as_ref().err()).collect()
            }
        }
    }

    fn reviewed(&self, review: &Review, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>9} words", grouped(review.extent.words))?;
        match &review.mood {
            Ok(filed) => write!(f, "  mood {}", signed(filed.value.polarity()))?,
            Err(_) => f.write_str("  mood  none")?,
        }
        let attempts: Vec<_> = self.attempts().iter().map(u32::to_string).collect();
        write!(f, "  attempts {}", attempts.join("+"))?;
        match &review.summary {
            Ok(filed) if filed.value.is_empty() => f.write_str("  (no sentence)")?,
            Ok(filed) => write!(f, "  \"{}\"", cut(&visible(&filed.value), SUMMARY_WIDTH))?,
            Err(_) => {}
        }
        for failure in self.failures() {
            write!(f, "  {}", visible(&format!("{failure:#}")))?;
        }
        for (holds, note) in
            [(review.extent.truncated, "truncated to 1 MiB"), (review.extent.lossy, "not UTF-8")]
        {
            if holds {
                write!(f, "  [{note}]")?;
            }
        }
        Ok(())
    }
}

/// The width is that of the column of names: `{line:20}`.
impl Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = f.width().unwrap_or(0);
        write!(f, "{:width$}  {:7}", title(self.name), self.status().to_string())?;
        match self.outcome {
            Ok(review) => self.reviewed(review, f),
            // The cause is enough: the failure itself would only repeat the document's name.
            Err(failure) => write!(f, "  {}", visible(&format!("{:#}", failure.cause()))),
        }
    }
}

impl Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "ok",
            Self::Partial => "partial",
            Self::Failed => "failed",
        })
    }
}

/// A document's name as it is shown. Nothing would be there to see of an empty one.
pub(crate) fn title(name: &str) -> String {
    if name.is_empty() { "\"\"".to_owned() } else { visible(name) }
}
