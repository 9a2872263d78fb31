//! Which jobs have run.

use std::sync::Mutex;

use tokio::sync::Notify;

/// What jobs note when they run: which, in the order in which they did.
pub struct Ran<T> {
    those: Mutex<Vec<T>>,
    expected: usize,
    all: Notify,
}

impl<T: Clone> Ran<T> {
    /// Nothing has run yet, and `expected` jobs shall.
    pub fn none_of(expected: usize) -> Self {
        Self { those: Mutex::new(Vec::with_capacity(expected)), expected, all: Notify::new() }
    }

    /// A job runs.
    pub fn note(&self, which: T) {
        let mut those = self.those.lock().expect("nobody panics with the lock");
        those.push(which);
        if those.len() == self.expected {
            self.all.notify_one();
        }
    }

    /// Waits until as many as expected have run, and gives them.
    pub async fn all(&self) -> Vec<T> {
        self.all.notified().await;
        self.those.lock().expect("nobody panics with the lock").clone()
    }
}
