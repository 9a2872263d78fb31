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

mod subjects;
mod suite;

pub use suite::SUITE;
