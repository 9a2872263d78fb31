//! Durable launches: what it costs until a job of 200 bytes is recorded, such that a power cut does not lose it.
//!
//! Launches are recorded and not executed. In sortie's case all slots of the system are taken by a launch that waits
//! until the end ([`Gate`](super::durable::sortie::Gate)), so that nothing else is claimed; the queues of the peers have
//! no workers.
//!
//! Every sample begins with an empty journal, log or database and some launches that are not counted. Each caller waits
//! for the answer to one launch before it makes the next; callers are tasks on the same two threads for all subjects.
//!
//! What each subject has done when it answers:
//!
//! | subject | the job is | durable by |
//! |---|---|---|
//! | `sortie` | a record with an id, the agent's name and its policies, found by id, key and readiness | `fdatasync`, once for all that wait |
//! | `raw-fdatasync` | bytes at the end of a file; the limit, and the baseline | `fdatasync`, once for all that wait |
//! | `apalis-full` | a row with an id in SQLite, found by that and by readiness | `synchronous=FULL` on a WAL: `fdatasync` for each |
//! | `apalis-default` | the same | `synchronous=OFF`, which apalis sets: not at all over a power cut |
//! | `effectum` | rows with an id in two tables of SQLite, found by that and by readiness | `synchronous=NORMAL` on a rollback journal: synced more than once, for up to 50 that wait |
//!
//! `apalis-default` promises less than all others and is here because it is what one gets; its rows are no comparison.
//! effectum runs in a process of its own, which takes its turn among the others, with the same callers.
//!
//! One figure more is of a single caller that has 1,000 jobs at once: `System::launch_many`, which commits them together; one
//! write and one sync of a log; apalis's `push_bulk` and effectum's `add_jobs`, each in one transaction.

mod subjects;
mod suite;

pub use suite::SUITE;
