//! Those who wait for news of launches.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::journal::launch_record::LaunchCounts;
use crate::outcome::LaunchId;
use crate::sync::lock;
use crate::user_code::contain;

/// What a commit makes known, whether or not whoever asked for it still waits.
#[derive(Default)]
pub(super) struct News {
    /// Changes when something has become ready, or will be due earlier than was known.
    pub(super) ready: watch::Sender<()>,
    pub(super) ends: Waiting,
    /// How many launches stand how, as of the last commit.
    counts: Mutex<Option<LaunchCounts>>,
}

impl News {
    pub(super) fn set_counts(&self, counts: LaunchCounts) {
        *lock(&self.counts) = Some(counts);
    }

    pub(super) fn counts(&self) -> Option<LaunchCounts> {
        *lock(&self.counts)
    }
}

/// Those who wait for the end of a launch, all of the same one together.
#[derive(Default)]
pub(super) struct Waiting {
    rooms: Arc<Rooms>,
    closing: CancellationToken,
}

type Rooms = Mutex<HashMap<LaunchId, Room>>;

/// Where all wait for one launch.
struct Room {
    end: CancellationToken,
    waiting: usize,
}

impl News {
    /// Something has become ready.
    pub(super) fn tell_ready(&self) {
        let _ = contain(|| self.ready.send_replace(()));
    }
}

impl Room {
    /// The launch has ended. The waker of who waits may be the user's, and the thread that tells it is that of the store.
    fn tell(&self) {
        let _ = contain(|| self.end.cancel());
    }
}

impl Waiting {
    /// Waits until the launch's end is told from now on, or nothing will be told any more.
    pub(super) fn wait_for(&self, id: LaunchId) -> impl Future<Output = ()> + Send + use<> {
        let end = {
            let mut rooms = lock(&self.rooms);
            let empty = || Room { end: self.closing.child_token(), waiting: 0 };
            let room = rooms.entry(id).or_insert_with(empty);
            room.waiting += 1;
            room.end.clone()
        };
        let chair = Chair { rooms: Arc::clone(&self.rooms), id, end: end.clone() };
        async move {
            let _chair = chair;
            end.cancelled().await;
        }
    }

    /// A launch has ended. Who comes later waits elsewhere: for the next end, if this one is taken back.
    pub(super) fn tell(&self, id: LaunchId) {
        if let Some(room) = lock(&self.rooms).remove(&id) {
            room.tell();
        }
    }

    /// It is not known which launches have ended: everybody looks.
    pub(super) fn tell_all(&self) {
        let rooms = std::mem::take(&mut *lock(&self.rooms));
        rooms.values().for_each(Room::tell);
    }

    /// Nobody will be told any more.
    pub(super) fn close(&self) {
        // Each for itself, before all together: a waker that panics there would keep the rest from being told.
        self.tell_all();
        let _ = contain(|| self.closing.cancel());
    }

    /// Whether nobody will be told any more.
    pub(super) fn is_closed(&self) -> bool {
        self.closing.is_cancelled()
    }

    /// Waits until nobody will be told any more.
    pub(super) fn closed(&self) -> impl Future<Output = ()> + Send + use<> {
        self.closing.clone().cancelled_owned()
    }
}

/// One who waits. Who leaves last closes the room.
struct Chair {
    rooms: Arc<Rooms>,
    id: LaunchId,
    end: CancellationToken,
}

impl Drop for Chair {
    fn drop(&mut self) {
        let mut rooms = lock(&self.rooms);
        // Once told, the room is gone, and another one may be in its place.
        if self.end.is_cancelled() {
            return;
        }
        if let Some(room) = rooms.get_mut(&self.id) {
            room.waiting -= 1;
            if room.waiting == 0 {
                rooms.remove(&self.id);
            }
        }
    }
}
