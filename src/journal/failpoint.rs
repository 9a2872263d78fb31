//! Named points in the stores at which tests make things go wrong.
//!
//! Without the feature `failpoints` a point is nothing at all. With it, a point does what it was armed with: by a test,
//! for one directory ([`arm`]), or for the whole process by the variable `SORTIE_FAILPOINT`, as in
//! `store.after_sync=kill` or `store.fdatasync=fail@3;store.before_batch=delay:50`. `@3` means the third time.
//! What can be armed: `kill`, `panic`, `full`, `fail`, `delay:MILLISECONDS`.

#[cfg(feature = "failpoints")]
pub(crate) use armed::{Armed, Fault, arm, hit};

/// Passes a point.
#[cfg(not(feature = "failpoints"))]
#[inline]
pub(crate) fn hit(_: &'static str, _: &std::path::Path) -> std::io::Result<()> {
    Ok(())
}

#[cfg(feature = "failpoints")]
mod armed {
    use std::io;
    use std::path::{Path, PathBuf};
    use std::process::{self, Command};
    use std::sync::{LazyLock, Mutex, PoisonError};
    use std::thread;
    use std::time::Duration;

    /// What goes wrong.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) enum Fault {
        /// The process kills itself with SIGKILL: nothing is unwound, flushed or told.
        Kill,
        /// The thread panics.
        Panic,
        /// The operation fails.
        Fail(io::ErrorKind),
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
                _ => Self::Delay(Duration::from_millis(text.strip_prefix("delay:")?.parse().ok()?)),
            })
        }

        fn strike(self, point: &str) -> io::Result<()> {
            match self {
                Self::Kill => kill(),
                Self::Panic => panic!("failpoint {point}"),
                Self::Fail(kind) => Err(io::Error::new(kind, format!("failpoint {point}"))),
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
    struct Trap {
        id: u64,
        point: String,
        /// Everywhere, if there is none.
        directory: Option<PathBuf>,
        /// How many hits are let pass before it strikes; from then on it always does.
        passes: u64,
        fault: Fault,
    }

    #[derive(Debug)]
    struct Traps {
        next: u64,
        set: Vec<Trap>,
    }

    static TRAPS: LazyLock<Mutex<Traps>> = LazyLock::new(|| {
        let variable = std::env::var("SORTIE_FAILPOINT").unwrap_or_default();
        let set = variable.split(';').filter(|text| !text.is_empty()).filter_map(from_variable).collect();
        Mutex::new(Traps { next: 1, set })
    });

    fn from_variable(text: &str) -> Option<Trap> {
        let trap = text.split_once('=').and_then(|(point, fault)| {
            let (fault, time) = fault.split_once('@').unwrap_or((fault, "1"));
            let (fault, time) = (Fault::parse(fault)?, time.parse::<u64>().ok()?);
            Some(Trap {
                id: 0,
                point: point.to_owned(),
                directory: None,
                passes: time.checked_sub(1)?,
                fault,
            })
        });
        if trap.is_none() {
            tracing::warn!(text, "SORTIE_FAILPOINT is not understood");
        }
        trap
    }

    /// An armed point. Dropping it disarms the point.
    #[derive(Debug)]
    pub(crate) struct Armed(u64);

    impl Drop for Armed {
        fn drop(&mut self) {
            let mut traps = TRAPS.lock().unwrap_or_else(PoisonError::into_inner);
            traps.set.retain(|trap| trap.id != self.0);
        }
    }

    /// Arms a point for one directory (canonical), from the `passes + 1`th hit on.
    pub(crate) fn arm(directory: &Path, point: &str, passes: u64, fault: Fault) -> Armed {
        let mut traps = TRAPS.lock().unwrap_or_else(PoisonError::into_inner);
        let id = traps.next;
        traps.next += 1;
        let (point, directory) = (point.to_owned(), Some(directory.to_owned()));
        traps.set.push(Trap { id, point, directory, passes, fault });
        Armed(id)
    }

    /// Passes a point, unless it is armed for this directory.
    pub(crate) fn hit(point: &'static str, directory: &Path) -> io::Result<()> {
        let fault = {
            let mut traps = TRAPS.lock().unwrap_or_else(PoisonError::into_inner);
            let here = |trap: &&mut Trap| {
                trap.point == point && trap.directory.as_deref().is_none_or(|armed| armed == directory)
            };
            let Some(trap) = traps.set.iter_mut().find(here) else { return Ok(()) };
            if trap.passes > 0 {
                trap.passes -= 1;
                return Ok(());
            }
            trap.fault
        };
        fault.strike(point)
    }
}
