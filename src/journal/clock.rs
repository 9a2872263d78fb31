//! The clock of what is stored.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::intent::{LAST_TIME, Millis};
use crate::sync::lock;
use crate::user_code::{Contained, contain};

/// The clock of all times that a journal stores: that of the machine, unless a test brings its own.
///
/// Waits for a span do not depend on it within a process; they are tokio's. Waits for a time do: the clock is looked at now and
/// then.
#[derive(Clone, Default)]
pub struct WallClock(Option<Arc<Given>>);

/// A clock that is not that of the machine.
struct Given {
    read: Contained<Box<dyn Fn() -> SystemTime + Send + Sync>>,
    /// What it gave last, which stands where it panics.
    last: Mutex<Option<SystemTime>>,
}

impl WallClock {
    /// A clock that reads what `read` gives, which may step in both directions, as the clock of a machine does.
    pub fn new(read: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(Given { read: Contained::new(Box::new(read)), last: Mutex::default() })))
    }

    /// The time. Where `read` panics it is the one that it gave last, or that of the machine if it gave none.
    pub fn now(&self) -> SystemTime {
        let Some(given) = &self.0 else { return SystemTime::now() };
        let read = given.read.get().and_then(|read| contain(read).ok());
        let mut last = lock(&given.last);
        *last = read.or(*last);
        last.unwrap_or_else(SystemTime::now)
    }

    pub(crate) fn millis(&self) -> Millis {
        to_millis(self.now())
    }
}

impl fmt::Debug for WallClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WallClock").field(&self.now()).finish()
    }
}

/// A time as it is stored. Times before 1970 are taken for 1970, and those beyond the year 9999 for the end of that, which is
/// also the latest time that a record is believed to hold.
pub(crate) fn to_millis(time: SystemTime) -> Millis {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis::try_from(since.as_millis()).unwrap_or(LAST_TIME).min(LAST_TIME)
}

/// A stored time. One that the machine's type cannot hold is taken for 1970.
pub(crate) fn from_millis(millis: Millis) -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_millis(millis)).unwrap_or(UNIX_EPOCH)
}
