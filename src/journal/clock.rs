//! The clock of what is stored.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::intent::Millis;

/// The clock of all times that a journal stores: that of the machine, unless a test brings its own.
///
/// Waits for a span do not depend on it within a process; they are tokio's. Waits for a time do: the clock is looked at now and
/// then.
#[derive(Clone)]
pub struct WallClock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl WallClock {
    /// A clock that reads what `read` gives, which may step in both directions, as the clock of a machine does.
    pub fn new(read: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    /// The time.
    pub fn now(&self) -> SystemTime {
        (self.0)()
    }

    pub(crate) fn millis(&self) -> Millis {
        to_millis(self.now())
    }
}

impl Default for WallClock {
    fn default() -> Self {
        Self::new(SystemTime::now)
    }
}

impl fmt::Debug for WallClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WallClock").field(&self.now()).finish()
    }
}

/// The latest time that is stored. There are as many milliseconds behind it for what begins then and is waited for.
const LATEST: Millis = Millis::MAX / 2;

/// A time as it is stored. Times before 1970 are taken for 1970, and those in 292 million years for the last of them.
pub(crate) fn to_millis(time: SystemTime) -> Millis {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis::try_from(since.as_millis()).unwrap_or(LATEST).min(LATEST)
}

/// A time as it stands in the name of a file, to the second: the years 1970 to 9999, beyond which it is their first or last second.
#[cfg(feature = "sled")]
pub(crate) fn in_names(time: SystemTime) -> String {
    const END_OF_9999: u64 = 253_402_300_799;
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs().min(END_OF_9999);
    let time = UNIX_EPOCH.checked_add(Duration::from_secs(since)).unwrap_or(UNIX_EPOCH);
    humantime::format_rfc3339_seconds(time).to_string().replace(['-', ':'], "")
}

/// A stored time. One that the machine's type cannot hold is taken for 1970.
pub(crate) fn from_millis(millis: Millis) -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_millis(millis)).unwrap_or(UNIX_EPOCH)
}
