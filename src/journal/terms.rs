//! What is promised for a launch when it is recorded.

use std::time::{Duration, SystemTime};

pub use super::intent::Delivery;
use crate::policy::Restart;

/// What is promised for a launch when it is recorded. Later changes of its agent do not change it.
#[derive(Debug, Clone, PartialEq)]
pub struct Terms {
    /// How often a body of the launch may start.
    pub delivery: Delivery,
    /// How many attempts in one series, after which waits, and what is worth another one.
    pub restart: Restart,
    /// How many deaths of the process, while the launch was the only suspect that ran, make it a dead letter.
    pub max_crashes: u32,
    /// The limit of each attempt.
    pub timeout: Option<Duration>,
    /// How long the record is kept after the launch is done or cancelled, at least; the outcome and the key with it.
    pub retention: Duration,
    /// Which of an agent's launches goes first: the highest.
    pub priority: i32,
    /// Launches of one lane run one at a time, in the order in which they were recorded.
    pub lane: Option<String>,
}

impl Default for Terms {
    /// At least once, 5 attempts with the default backoff, 3 crashes, no timeout, kept for a day, no priority, no lane.
    fn default() -> Self {
        Self {
            delivery: Delivery::AtLeastOnce,
            restart: Restart::attempts(5),
            max_crashes: 3,
            timeout: None,
            retention: Duration::from_secs(24 * 60 * 60),
            priority: 0,
            lane: None,
        }
    }
}

/// When the first attempt of a launch may start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Due {
    /// As soon as there is a slot.
    #[default]
    Now,
    /// After this span. The time at which that is over is recorded too, and a later process waits for whichever comes first:
    /// a clock that was set back prolongs no wait, and time that passes while nothing runs counts.
    After(Duration),
    /// At this time of the wall clock.
    At(SystemTime),
}
