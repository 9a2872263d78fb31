//! What a user of the crate relies on, through its public API.
//!
//! Waits are on tokio's paused clock wherever it can serve; tests that need real threads say so. Scenario numbers
//! (`s08_…`) are those of the list of acceptance scenarios.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that unwraps an error has failed, and says where"
)]
#![expect(clippy::disallowed_methods, reason = "tests are callers: they spawn tasks of their own")]

mod actors;
mod axum_service;
mod blocking;
mod context;
#[cfg(unix)]
mod crash_points;
mod directory;
#[cfg(unix)]
mod doomed;
mod drops;
mod endings;
mod examples;
mod failures;
mod foreach_stream;
mod input;
mod intents;
mod journal_damage;
mod journal_disk;
mod journal_kills;
mod journal_store;
mod keyed_stream;
mod lanes;
#[cfg(unix)]
mod launch_faults;
mod launch_kills;
mod launches;
mod launches_disk;
mod layers;
mod limits;
mod nested;
mod panics;
mod policy;
mod queue_timeout;
mod random_moments;
mod recorder;
mod recorder_deaths;
mod residents;
mod restarts;
mod scenarios;
mod seams;
mod support;
mod system;
mod system_stress;
mod threads;
