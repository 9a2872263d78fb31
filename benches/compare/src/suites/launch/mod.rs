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
//! | `raw-fdatasync` | bytes in a file that is long enough; the limit, and the baseline | `fdatasync`, once for all that wait |
//! | `raw-append` | bytes at the end of a file, which becomes longer with them | the same |
//! | `apalis-full` | a row with an id in SQLite, found by that and by readiness | `synchronous=FULL` on a WAL: `fdatasync` for each |
//! | `apalis-default` | the same | `synchronous=OFF`, which apalis sets: not at all over a power cut |
//! | `effectum` | rows with an id in two tables of SQLite, found by that and by readiness | `synchronous=NORMAL` on a rollback journal: synced more than once, for up to 50 that wait |
//! | `duroxide` | the start of an orchestration, a row with an id in SQLite, found by that and by readiness | `synchronous=FULL` on a WAL, which is set from outside: `fdatasync` for each |
//! | `duroxide-default` | the same | `synchronous=NORMAL` on a WAL, which is what comes of what duroxide sets: not at all over a power cut |
//!
//! `apalis-default` and `duroxide-default` promise less than all others and are here because they are what one gets; their
//! rows are no comparison. effectum and duroxide run in processes of their own, which take their turns among the others, with
//! the same callers.
//!
//! One figure more is of a single caller that has 1,000 jobs at once: `System::launch_many`, which commits them together; one
//! write and one sync of a log; apalis's `push_bulk` and effectum's `add_jobs`, each in one transaction. duroxide starts them
//! one by one.

mod subjects;
mod suite;

pub use suite::SUITE;
