//! Launches as branches of a run.

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::Leased;
use crate::outcome::LaunchId;

/// Which launch stands at which position of a run, until its outcome is taken.
#[derive(Debug, Default)]
pub(crate) struct Launches(Mutex<HashMap<usize, Launched>>);

/// The attempt of a launch that a branch makes.
#[derive(Clone)]
pub(crate) struct Launched {
    pub(crate) id: LaunchId,
    pub(crate) agent: Arc<str>,
    /// The attempt's number among all that the launch has had, in whichever process.
    pub(crate) attempt: u32,
    /// What is held as long as any code of the attempt runs.
    pub(crate) slot: Weak<dyn Any + Send + Sync>,
    /// Its slot, which it lends while it waits.
    pub(crate) lease: Leased,
}

impl Launches {
    /// Notes the launch at `index`, before anybody can pull it.
    pub(crate) fn put(&self, index: usize, launched: Launched) {
        self.lock().insert(index, launched);
    }

    pub(crate) fn get(&self, index: usize) -> Option<Launched> {
        self.lock().get(&index).cloned()
    }

    pub(crate) fn forget(&self, index: usize) {
        self.lock().remove(&index);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<usize, Launched>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Launched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Launched")
            .field("id", &self.id)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}
