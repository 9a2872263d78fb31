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
//! `first body` when the first of the launches runs again, `last body` when each of them has. Memory is that of the
//! whole process when it is ready: `peak` is the most that it ever had by then.
//!
//! `raw-fdatasync` reads a log of as many jobs from start to end, and notes where each of them stands. It has no bodies,
//! and is ready then: that is the baseline of all times.

mod copy;
mod killed;
mod resumed;
mod suite;

pub use suite::SUITE;

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
