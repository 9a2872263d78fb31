//! Which launches of this process wait for which.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use crate::outcome::LaunchId;
use crate::sync::lock;

/// The waits of launches for each other, of all supervisors of a system: to find those that cannot end.
#[derive(Debug, Default)]
pub(crate) struct WaitGraph(Mutex<HashMap<LaunchId, Vec<LaunchId>>>);

impl WaitGraph {
    /// A launch waits for another one. Says whether that one waits for it, in this moment, itself or through others:
    /// then none of these waits ends unless one of them is given up.
    pub(super) fn add(&self, waiter: LaunchId, other: LaunchId) -> bool {
        let mut waits = lock(&self.0);
        waits.entry(waiter).or_default().push(other);
        let (mut seen, mut open) = (HashSet::new(), vec![other]);
        while let Some(next) = open.pop() {
            if next == waiter {
                return true;
            }
            if let Some(others) = waits.get(&next).filter(|_| seen.insert(next)) {
                open.extend(others);
            }
        }
        false
    }

    /// One such wait is over, or was given up.
    pub(super) fn remove(&self, waiter: LaunchId, other: LaunchId) {
        let mut waits = lock(&self.0);
        if let Some(others) = waits.get_mut(&waiter) {
            if let Some(position) = others.iter().position(|id| *id == other) {
                others.swap_remove(position);
            }
            if others.is_empty() {
                waits.remove(&waiter);
            }
        }
    }
}
