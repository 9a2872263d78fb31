//! Keys that come with the items of a stream.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The keys of those branches whose items have arrived and whose outcomes nobody has got yet, by position.
#[derive(Debug, Default)]
pub struct Keys(Mutex<HashMap<usize, Arc<str>>>);

impl Keys {
    /// Notes the key of the branch at `index`, before anybody can pull it.
    pub(crate) fn put(&self, index: usize, key: Arc<str>) {
        self.lock().insert(index, key);
    }

    /// The key of the branch at `index`; `None` if its item could not be had.
    pub(crate) fn get(&self, index: usize) -> Option<Arc<str>> {
        self.lock().get(&index).cloned()
    }

    /// The same, for the last one who asks.
    pub(crate) fn take(&self, index: usize) -> Option<Arc<str>> {
        self.lock().remove(&index)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<usize, Arc<str>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
