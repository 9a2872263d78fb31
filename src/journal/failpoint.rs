//! Named points at which tests make things go wrong: in the stores, in the journal above them, and where launches are run.
//!
//! Without the feature `failpoints` a point is nothing at all. With it, a point does what it was armed with: by a test
//! ([`Trap`]), or by the variable `SORTIE_FAILPOINT`, as in `store.after_sync=kill` or
//! `store.fdatasync=fail@3;store.before_write=delay:50`. `@3` means the third time only; without it, it is every time.
//! What can be armed: `kill`, `panic`, `full`, `fail`, `errno:NUMBER`, `delay:MILLISECONDS`.
//!
//! What a process leaves behind that is killed at a point, and what the next one makes of it, has a number in the tests
//! (`tests/it/crash_points`):
//!
//! | # | killed after … | point | where |
//! |---|---|---|---|
//! | 0 | launch called, not yet queued | `launch.called` | `launch/request.rs` |
//! | 1 | queued at the committer | `journal.queued` | `journal/local/owner.rs` |
//! | 2 | written, not synced | `store.after_write_before_sync`, `store.checkpoint.*` | `journal/sled/{log,database}.rs` |
//! | 3 | synced, `Ok` not yet sent | `store.after_sync`, `journal.synced` | `journal/sled/log.rs`, `journal/local/owner.rs` |
//! | 4 | `Ok` sent, not dispatched | `launch.claiming` | `launch/dispatcher.rs` |
//! | 5 | dispatch chosen, attempt not yet durable | `journal.planned` | `journal/local/owner.rs` |
//! | 6 | attempt durable, body not begun | `launch.before_body` | `launch/work.rs` |
//! | 7 | body running, its effect not done | in the body | the test's own |
//! | 8 | effect done, reply not sent | `launch.after_body` | `launch/work.rs` |
//! | 9 | reply queued, not synced | `launch.concluding`, `journal.planned` | `launch/life.rs`, `journal/local/owner.rs` |
//! | 10 | outcome synced, nothing else yet | `launch.recorded` | `launch/life.rs` |
//! | 11 | terminal, waiters not told | `store.after_sync` | `journal/sled/log.rs` |
//! | 12 | failure recorded, backoff running | `launch.recorded` | `launch/life.rs` |
//! | 13 | cancel requested, child still running | `journal.synced` | `journal/local/owner.rs` |
//! | 18 | inside a retention sweep | `sweep.pieces`, `sweep.head` | `journal/local/removal.rs` |
//! | 19 | during recovery | `recovery.planned`, `recovery.part`, `recovery.synced`, `store.open.*`, `store.read.*` | `journal/local/{journal,recovery}.rs`, `journal/sled` |
//! | 20 | a journal write failed | any of the store's | `journal/sled` |

#[cfg(feature = "failpoints")]
pub use armed::Trap;
#[cfg(all(feature = "failpoints", feature = "sled"))]
pub(crate) use armed::hit;
#[cfg(feature = "failpoints")]
pub(crate) use armed::pass;

/// Passes a point of the store in a directory.
#[cfg(all(not(feature = "failpoints"), feature = "sled"))]
#[inline]
pub(crate) fn hit(_: &'static str, _: &std::path::Path) -> std::io::Result<()> {
    Ok(())
}

/// Passes a point that belongs to no directory.
#[cfg(not(feature = "failpoints"))]
#[inline]
pub(crate) fn pass(_: &'static str) -> std::io::Result<()> {
    Ok(())
}

#[cfg(feature = "failpoints")]
mod armed {
    use std::io;
    use std::path::{Path, PathBuf};
    use std::process::{self, Command};
    use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
    use std::thread;
    use std::time::Duration;

    /// What goes wrong.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Fault {
        /// The process kills itself with SIGKILL: nothing is unwound, flushed or told.
        Kill,
        /// The thread panics.
        Panic,
        /// The operation fails.
        Fail(io::ErrorKind),
        /// The operation fails with this error number of the operating system.
        Errno(i32),
        /// The operation takes longer.
        Delay(Duration),
    }

    impl Fault {
        fn parse(text: &str) -> Option<Self> {
            Some(match text {
                "kill" => Self::Kill,
                "panic" => Self::Panic,
                "full" => Self::Fail(io::ErrorKind::StorageFull),
                "fail" => Self::Fail(io::ErrorKind::Other),
                _ => match text.strip_prefix("errno:") {
                    Some(number) => Self::Errno(number.parse().ok()?),
                    None => Self::Delay(Duration::from_millis(text.strip_prefix("delay:")?.parse().ok()?)),
                },
            })
        }

        fn strike(self, point: &str) -> io::Result<()> {
            match self {
                Self::Kill => kill(),
                Self::Panic => panic!("failpoint {point}"),
                Self::Fail(kind) => Err(io::Error::new(kind, format!("failpoint {point}"))),
                Self::Errno(number) => Err(io::Error::from_raw_os_error(number)),
                Self::Delay(time) => {
                    thread::sleep(time);
                    Ok(())
                }
            }
        }
    }

    /// SIGKILL, by way of a shell: an abort would be another signal, and this crate has no unsafe code.
    fn kill() -> ! {
        let _ = Command::new("sh").arg("-c").arg(format!("kill -9 {}", process::id())).status();
        process::abort() // there was no shell
    }

    #[derive(Debug)]
    struct Set {
        id: u64,
        point: String,
        /// Everywhere, if there is none.
        directory: Option<PathBuf>,
        /// How many hits are let pass before it strikes.
        passes: u64,
        /// Whether it strikes only once.
        once: bool,
        fault: Fault,
    }

    #[derive(Debug)]
    struct Traps {
        next: u64,
        set: Vec<Set>,
    }

    static TRAPS: LazyLock<Mutex<Traps>> = LazyLock::new(|| {
        let variable = std::env::var("SORTIE_FAILPOINT").unwrap_or_default();
        let mut set = Vec::new();
        for text in variable.split(';').filter(|text| !text.is_empty()) {
            let parsed = Set::parse(text);
            if parsed.is_none() {
                log_warn!(text = %crate::user_code::printable(&text), "SORTIE_FAILPOINT is not understood");
            }
            set.extend(parsed);
        }
        Mutex::new(Traps { next: 1, set })
    });

    fn traps() -> MutexGuard<'static, Traps> {
        TRAPS.lock().unwrap_or_else(PoisonError::into_inner)
    }

    impl Set {
        fn parse(text: &str) -> Option<Self> {
            let (point, fault) = text.split_once('=')?;
            let (fault, time) = match fault.split_once('@') {
                Some((fault, time)) => (fault, Some(time)),
                None => (fault, None),
            };
            let passes = time.map_or(Some(0), |time| time.parse::<u64>().ok()?.checked_sub(1))?;
            let (point, fault) = (point.to_owned(), Fault::parse(fault)?);
            Some(Self { id: 0, point, directory: None, passes, once: time.is_some(), fault })
        }

        fn arm(self) -> Trap {
            let mut traps = traps();
            let id = traps.next;
            traps.next += 1;
            traps.set.push(Self { id, ..self });
            Trap(id)
        }
    }

    /// An armed failpoint. Dropping it disarms it.
    #[derive(Debug)]
    #[must_use = "dropping a trap disarms it"]
    pub struct Trap(u64);

    impl Trap {
        /// What `SORTIE_FAILPOINT` would arm: in the whole process, as in `journal.synced=kill@2`.
        ///
        /// # Panics
        /// If the text is not understood.
        #[track_caller]
        pub fn everywhere(text: &str) -> Self {
            match Set::parse(text) {
                Some(set) => set.arm(),
                None => panic!("`{text}` is no failpoint with a fault"),
            }
        }

        /// A point of the store fails with this error for one directory (canonical).
        pub fn fail(directory: &Path, point: &str, error: io::ErrorKind) -> Self {
            Self::here(directory, point, 0, Fault::Fail(error))
        }

        /// A point of the store fails for one directory with this error number of the operating system, once it has been passed
        /// so many times.
        pub fn errno(directory: &Path, point: &str, number: i32, passes: u64) -> Self {
            Self::here(directory, point, passes, Fault::Errno(number))
        }

        /// A point of the store panics for one directory, once it has been passed so many times.
        pub fn panic(directory: &Path, point: &str, passes: u64) -> Self {
            Self::here(directory, point, passes, Fault::Panic)
        }

        /// A point of the store takes longer for one directory.
        pub fn delay(directory: &Path, point: &str, time: Duration) -> Self {
            Self::here(directory, point, 0, Fault::Delay(time))
        }

        /// A point of the store kills the process for one directory, once it has been passed so many times.
        pub fn kill(directory: &Path, point: &str, passes: u64) -> Self {
            Self::here(directory, point, passes, Fault::Kill)
        }

        fn here(directory: &Path, point: &str, passes: u64, fault: Fault) -> Self {
            let (point, directory) = (point.to_owned(), Some(directory.to_owned()));
            Set { id: 0, point, directory, passes, once: false, fault }.arm()
        }
    }

    impl Drop for Trap {
        fn drop(&mut self) {
            traps().set.retain(|set| set.id != self.0);
        }
    }

    /// Passes a point of the store in a directory.
    #[cfg(feature = "sled")]
    pub(crate) fn hit(point: &'static str, directory: &Path) -> io::Result<()> {
        come_to(point, Some(directory))
    }

    /// Passes a point that belongs to no directory.
    pub(crate) fn pass(point: &'static str) -> io::Result<()> {
        come_to(point, None)
    }

    fn come_to(point: &str, directory: Option<&Path>) -> io::Result<()> {
        let fault = {
            let mut traps = traps();
            let here = |set: &Set| {
                set.point == point && (set.directory.is_none() || set.directory.as_deref() == directory)
            };
            let Some(position) = traps.set.iter().position(here) else { return Ok(()) };
            let set = &mut traps.set[position];
            if set.passes > 0 {
                set.passes -= 1;
                return Ok(());
            }
            let fault = set.fault;
            if set.once {
                traps.set.remove(position);
            }
            fault
        };
        fault.strike(point)
    }
}
