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
/// In microseconds from when the journal is open: while what has expired is being removed, and a little longer. Removing begins
/// a second after a system has started, and is soon over.
const SWEEP: Range<u64> = 998_000..1_100_000;
/// One turn of so many is spent on that, because it takes so long; it is the third, so that there is something to remove.
const TURNS_PER_SWEEP: u64 = 16;
const TURN_OF_SWEEP: u64 = 2;
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
    /// From the opening, too: when launches are being removed.
    InSweep(Duration),
}

impl Moment {
    /// The moment of one turn: every other is counted from the opening, and every fourth is early, among them that after a
    /// sweep. `range` is in microseconds.
    pub(crate) fn draw(random: &mut fastrand::Rng, turn: u64, range: Range<u64>) -> Self {
        if turn % TURNS_PER_SWEEP == TURN_OF_SWEEP {
            // The earliest of three: more than half of them come within the first quarter of the time.
            let end = random.u64(SWEEP).min(random.u64(SWEEP)).min(random.u64(SWEEP));
            return Self::InSweep(Duration::from_micros(end));
        }
        let mut within = |range| Duration::from_micros(random.u64(range));
        match turn % 4 {
            0 | 2 => Self::FromOpening(within(range)),
            1 => Self::FromStart(within(range)),
            _ => Self::FromStart(within(EARLY)),
        }
    }

    /// Whether launches are removed then, if any have expired.
    pub(crate) fn is_in_sweep(self) -> bool {
        matches!(self, Self::InSweep(_))
    }

    /// When a child is to go on with what it has kept back, so that it does so at this moment.
    pub(crate) fn late(self) -> Duration {
        if self.is_in_sweep() { Duration::from_micros(SWEEP.start) } else { Duration::ZERO }
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
            Self::FromOpening(after) | Self::InSweep(after) => {
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
