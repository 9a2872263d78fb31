//! What a child is told to do, and the child as its parent has it.

use std::error::Error;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// How often the parent looks whether a child has ended.
const LOOK: Duration = Duration::from_millis(5);

/// What a child is told to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) journal: PathBuf,
    /// The facts go here: see [`Log`](super::Log).
    pub(crate) log: PathBuf,
    /// The inputs follow from it.
    pub(crate) seed: u64,
    /// The bytes of each input.
    pub(crate) payload: usize,
    /// The first of the keys under which nothing was launched yet.
    pub(crate) first: u64,
    /// How many of them there are. Without any, the child ends when it has asked again for what was launched before.
    pub(crate) launches: u64,
    /// How long after the opening the second half of this is begun.
    pub(crate) late: Duration,
    /// What was launched before, and is asked for again.
    pub(crate) again: Vec<Again>,
    /// Whether to wait for the results of what is asked for again, and not only to read those that are there.
    pub(crate) wait: bool,
}

/// A key under which was launched before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Again {
    pub(crate) key: u64,
    /// The launch, if it was acknowledged.
    pub(crate) id: Option<String>,
    /// The launch that was there before it, and was removed.
    pub(crate) removed: Option<String>,
    /// Whether to launch under the key, and not only to look for these two.
    pub(crate) launch: bool,
}

/// A child process. Dropping it kills it, with SIGKILL.
pub(crate) struct Process(Child);

impl Process {
    /// Starts this program once more. The order is left in a file.
    pub(crate) fn start(order: &Order, file: &Path) -> Result<Self, Box<dyn Error>> {
        fs::write(file, serde_json::to_vec(order)?)?;
        Ok(Self(Command::new(std::env::current_exe()?).arg(super::worker::ORDER).arg(file).spawn()?))
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Waits for its end at most so long; `None` if it lives on.
    pub(crate) fn end_within(&mut self, limit: Duration) -> io::Result<Option<ExitStatus>> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait()? {
                return Ok(Some(status));
            }
            let left = limit.saturating_sub(start.elapsed());
            if left.is_zero() {
                return Ok(None);
            }
            std::thread::sleep(LOOK.min(left));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
