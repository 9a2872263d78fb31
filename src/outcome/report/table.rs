//! Reports as text: a line for each branch and attempt, so texts of others are escaped.

use std::fmt;
use std::time::Duration;

use humantime::format_duration;

use super::{AttemptReport, BranchReport, Counts, Report, RunEnd, RunReport};
use crate::user_code::printable;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.runs().iter().try_for_each(|run| write!(f, "{run}"))
    }
}

/// The run, then its branches, each with its attempts below.
impl fmt::Display for RunReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "run {}", self.id())?;
        match (self.end(), self.duration()) {
            (Some(end), Some(duration)) => write!(f, " {end} after {}", Rounded(duration))?,
            _ => f.write_str(" is under way")?,
        }
        writeln!(f, ": {}", self.counts())?;
        self.branches().iter().try_for_each(|branch| write!(f, "{branch}"))
    }
}

impl fmt::Display for BranchReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  {:>4} {}", self.index(), printable(self.agent()))?;
        if let Some(label) = self.label() {
            write!(f, " `{}`", printable(label))?;
        }
        match self.outcome() {
            None => f.write_str(": pending")?,
            Some(Ok(())) => f.write_str(": ok")?,
            Some(Err(failure)) => write!(f, ": {}", printable(failure.cause()))?,
        }
        match self.queue_wait() {
            Some(wait) => writeln!(f, ", queued for {}", Rounded(wait))?,
            None => writeln!(f, ", not started")?,
        }
        self.attempts().iter().try_for_each(|attempt| writeln!(f, "       {attempt}"))
    }
}

impl fmt::Display for AttemptReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}. {}", self.number(), Rounded(self.start()))?;
        match self.end() {
            None => return f.write_str(" … running"),
            Some(end) => write!(f, " … {}", Rounded(end))?,
        }
        match self.failure() {
            None => f.write_str(" ok"),
            Some(failure) => write!(f, " {}", printable(failure.cause())),
        }
    }
}

/// The counts that are not zero.
impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (name, count) in self.named().into_iter().filter(|(_, count)| *count > 0) {
            write!(f, "{separator}{count} {name}")?;
            separator = ", ";
        }
        if separator.is_empty() { f.write_str("no branches") } else { Ok(()) }
    }
}

impl fmt::Display for RunEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Finished => "finished",
            Self::Decided => "was decided",
            Self::DeadlineExceeded => "exceeded its deadline",
            Self::Cancelled => "was cancelled",
            Self::ShutDown => "was shut down",
            Self::Stuck => "was stuck",
            Self::Dropped => "was dropped",
            Self::Lost => "lost its supervisor",
        })
    }
}

/// A time to the microsecond: more digits hide it.
struct Rounded(Duration);

impl fmt::Display for Rounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = u64::try_from(self.0.as_micros()).unwrap_or(u64::MAX);
        format_duration(Duration::from_micros(micros)).fmt(f)
    }
}
