//! A wall clock that goes as the bench wants.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use sortie::WallClock;

/// In the year 2023.
const START: u64 = 1_700_000_000_000;

/// A clock that stands still unless it is set forward.
#[derive(Clone, Default)]
pub struct Clock(Arc<AtomicU64>);

impl Clock {
    /// Sets it forward by so many milliseconds.
    pub fn forward(&self, millis: u64) {
        self.0.fetch_add(millis, Ordering::Relaxed);
    }

    pub fn wall(&self) -> WallClock {
        let millis = Arc::clone(&self.0);
        WallClock::new(move || UNIX_EPOCH + Duration::from_millis(START + millis.load(Ordering::Relaxed)))
    }
}
