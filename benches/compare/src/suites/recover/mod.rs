//! A process that has recorded launches is killed with SIGKILL; how soon the next one goes on.
//!
//! The program starts itself: once per number of launches to prepare a journal, which is killed when everything is
//! recorded, and then once per sample to open a copy of what it left behind. The clock starts when that process begins its
//! work, before it opens the journal. The copy is synced before that, and is in the system's cache, as it would be after a
//! kill.
//!
//! | state | what the killed process left |
//! |---|---|
//! | in flight | N launches whose attempts were all under way |
//! | pending | N launches that had not begun |
//!
//! Launches that were in flight are suspects: each may be what has killed the process, so that they run one after another.
//!
//! `open` is when the journal is open, `ready` when the system has started, and with it may be asked and launched on;
//! `first body` when the first of the launches runs again, `last body` when each of them has: of pending ones that is asked
//! up to 10,000, with 64 at once. Memory is that of the whole process when it is ready: `peak` is the most that it ever had
//! by then.
//!
//! What each subject has at the start, and what is durable before a body runs:
//!
//! | subject | when it is ready | before the body runs |
//! |---|---|---|
//! | `sortie` | it knows every launch by id, key and readiness, and has checked its records | that this attempt runs, by `fdatasync` |
//! | `raw-fdatasync` | it has read a log from start to end, and knows where each job stands; the baseline of all times | it has no bodies: all times are that one |
//! | `apalis-full` | the database is open and a worker is started; nothing is read yet | that the worker has the job, 64 at once, with `synchronous=FULL` on a WAL |
//! | `effectum` | the database is open, its tables are of the right version, and a worker is registered | that the worker has the job, with `synchronous=NORMAL` on a rollback journal, which it cannot be told to change |
//!
//! apalis-sqlite opens its tables without the question whether they are of the right version, because that would set
//! `synchronous=OFF`. A queue takes part up to as many pending jobs as it runs within a minute, in all rounds.
//!
//! In flight, no queue does the same work. apalis gives up the jobs of a dead worker when that has been silent for a minute,
//! so that a figure would be that of a setting; effectum runs them again at once, as many together as it may, and so may
//! have the one that killed the process kill the next one in the middle of all others.

#[cfg(feature = "sqlite")]
mod apalis;
mod copy;
mod killed;
mod resumed;
mod suite;
mod watch;

pub use suite::SUITE;
use suite::process;

use crate::suites::contest::resident;

/// How many bodies run at once, if they were pending. Those that were in flight run one after another.
const SLOTS: usize = 64;

/// Of more pending launches than so many, only the first body is waited for: the suite `drain` runs them all.
const MOST_RUN: usize = 10_000;

/// The MiB of this process that are resident, and the peak.
fn memory() -> [f64; 2] {
    [resident::mib(), resident::peak_mib()]
}

/// What the killed process left.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Left {
    InFlight,
    Pending,
}

impl Left {
    const ALL: [Self; 2] = [Self::InFlight, Self::Pending];

    fn word(self) -> &'static str {
        match self {
            Self::InFlight => "in-flight",
            Self::Pending => "pending",
        }
    }

    fn of_word(word: &str) -> Self {
        Self::ALL.into_iter().find(|left| left.word() == word).expect("the state of a launch")
    }
}
