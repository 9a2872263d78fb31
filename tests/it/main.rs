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
mod aliases;
mod at_most_once;
mod at_most_once_kills;
mod axum_service;
mod believed;
mod blocking;
mod buffered;
mod buffered_interval;
mod child_launches;
mod context;
#[cfg(unix)]
mod crash_points;
mod dead_letters;
mod directory;
mod discard_kills;
#[cfg(unix)]
mod doomed;
mod drops;
mod endings;
mod examples;
mod export;
mod failures;
mod foreach_stream;
mod hooks;
mod hostile;
mod input;
mod intents;
mod journal_bounds;
mod journal_clock;
mod journal_conformance;
mod journal_damage;
mod journal_disk;
mod journal_fixtures;
mod journal_inside;
mod journal_kills;
mod journal_log;
mod journal_model;
mod journal_paths;
mod journal_store;
mod keyed_stream;
mod lanes;
#[cfg(unix)]
mod launch_faults;
mod launch_kills;
mod launch_lanes;
mod launch_listing;
mod launch_names;
mod launch_options;
mod launch_order;
mod launch_races;
mod launch_slots;
mod launch_slots_random;
mod launch_stalls;
mod launch_waits;
mod launches;
mod launches_disk;
mod layers;
mod limits;
mod log;
mod machine_clock;
mod nested;
mod newsroom_notifications;
mod no_timer;
mod outliving;
mod panics;
mod payloads;
mod policy;
mod queue_timeout;
mod random_moments;
mod read_faults;
mod recorder;
mod recorder_deaths;
mod residents;
mod restarts;
mod results;
mod retention;
mod retention_kills;
mod scenarios;
mod seams;
mod seams_launches;
mod services;
mod size_hints;
mod stopping;
mod support;
mod system;
mod system_stress;
mod threads;
mod unlimited;
