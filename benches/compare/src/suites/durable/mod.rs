//! What the suites of durable work share: a place on the disk, the job, those who ask for it, and the subjects' own
//! ways to record it.
//!
//! | part | what it is |
//! |---|---|
//! | [`Place`](disk::Place) | directories on a real disk, and how long that takes to make bytes durable |
//! | [`job`](job::job) | what is recorded: 200 bytes |
//! | [`Demand`](callers::Demand) | callers, each of which waits until its job is recorded before it asks again |
//! | [`RawLog`](raw_log::RawLog) | a log and a thread that syncs it: what no journal with the same disk can beat |
//! | [`Ran`](ran::Ran) | which jobs have run |
//! | [`Gate`](sortie::Gate) | a sortie system whose launches wait until they shall run |
//! | `apalis` | a queue on SQLite, with the feature `sqlite` of this package |
//! | [`Apart`](apart::Apart) | more peers on SQLite, in programs of their own, with the same feature |

#[cfg(feature = "sqlite")]
pub mod apalis;
#[cfg(feature = "sqlite")]
pub mod apart;
pub mod callers;
pub mod disk;
pub mod fill;
pub mod job;
pub mod ran;
pub mod raw_log;
pub mod sortie;

use tokio::runtime::{Builder, Runtime};

/// Callers and agents share so many threads. What a subject starts besides, such as a thread that writes, is its own.
pub const THREADS: usize = 2;

/// A runtime for one suite.
pub fn runtime() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .expect("the system has threads to spare")
}
