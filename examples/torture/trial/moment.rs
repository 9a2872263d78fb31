//! When a child is struck.

use std::error::Error;
use std::ops::Range;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use super::judge::Judge;
use super::log::Log;
use super::order::Process;

/// In microseconds from its start: while it starts and opens the journal.
const EARLY: Range<u64> = 0..12_000;
/// How often the log is looked at.
const LOOK: Duration = Duration::from_millis(1);
/// How long a journal may take to be opened. One that takes longer is struck then.
const OPENING: Duration = Duration::from_secs(60);

/// A random moment. How fast the machine is decides how far a child comes, so some moments are counted from its start, and
/// others from when it has the journal open.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Moment {
    FromStart(Duration),
    FromOpening(Duration),
}

impl Moment {
    /// The moment of one turn: every other is counted from the opening, every fourth is early. `range` is in microseconds.
    pub(crate) fn draw(random: &mut fastrand::Rng, turn: u64, range: Range<u64>) -> Self {
        let mut within = |range| Duration::from_micros(random.u64(range));
        match turn % 4 {
            0 | 2 => Self::FromOpening(within(range)),
            1 => Self::FromStart(within(range)),
            _ => Self::FromStart(within(EARLY)),
        }
    }

    /// Waits for it. Gives how the child has ended, if it did by itself.
    pub(crate) fn wait(
        self,
        child: &mut Process,
        log: &mut Log,
        judge: &mut Judge,
    ) -> Result<Option<ExitStatus>, Box<dyn Error>> {
        let after = match self {
            Self::FromStart(after) => after,
            Self::FromOpening(after) => {
                let (start, before) = (Instant::now(), judge.opened());
                while judge.opened() == before && start.elapsed() < OPENING {
                    if let Some(status) = child.end_within(LOOK)? {
                        return Ok(Some(status));
                    }
                    judge.hear(log.read()?);
                }
                after
            }
        };
        Ok(child.end_within(after)?)
    }
}
