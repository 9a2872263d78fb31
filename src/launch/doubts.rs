//! Launches that may have become ambiguous.

use std::collections::VecDeque;
use std::sync::Mutex;

use tokio::sync::Notify;

use crate::outcome::LaunchId;
use crate::sync::lock;

/// Launches of which a dispatcher says that they may have become ambiguous, until a hook's arbiter takes them.
///
/// Each takes 16 bytes, where its record takes more: there is no other bound, because nobody shall wait for a hook.
#[derive(Default)]
pub(crate) struct Doubts {
    launches: Mutex<VecDeque<LaunchId>>,
    news: Notify,
}

impl Doubts {
    pub(super) fn raise(&self, launches: impl IntoIterator<Item = LaunchId>) {
        lock(&self.launches).extend(launches);
        self.news.notify_one();
    }

    /// The next of them; waits until there is one. There is one caller at a time. One that is dropped takes none.
    pub(super) async fn next(&self) -> LaunchId {
        loop {
            if let Some(launch) = lock(&self.launches).pop_front() {
                return launch;
            }
            self.news.notified().await;
        }
    }
}
