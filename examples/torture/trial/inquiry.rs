//! The end of a trial, or of a part of it: everything is asked for.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use super::judge::Judge;
use super::log::Log;
use super::order::{Order, Process};

/// How long the child may take to bring everything to an end.
const LIMIT: Duration = Duration::from_secs(100);

/// Asks for everything that was ever tried, and waits until it is done, by a child that is left alone. The order says on
/// which journal.
pub(crate) fn inquire(
    mut order: Order,
    file: &Path,
    judge: &mut Judge,
    log: &mut Log,
) -> Result<(), Box<dyn Error>> {
    (order.launches, order.wait, order.again) = (0, true, judge.all());
    let mut child = Process::start(&order, file)?;
    let end = child.end_within(LIMIT)?;
    drop(child);
    judge.hear(log.read()?);
    match (judge.broken(), end) {
        (Some(what), _) => Err(what.into()),
        (None, Some(status)) if !status.success() => {
            Err(format!("a child that was left alone ended with {status}").into())
        }
        // One that was not ready in time has left something undone, which the judge sees.
        _ => Ok(()),
    }
}
