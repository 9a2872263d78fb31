//! What has arrived from the stream of the items, and was not pulled yet.

use std::collections::VecDeque;
use std::sync::Mutex;

use futures::stream::BoxStream;
use tokio::sync::Notify;

use super::seat::{Moment, NEVER};
use super::source::Next;
use crate::outcome::{AgentError, Cause};
use crate::sync::lock;
use crate::user_code::{Contained, EachContained, discard};

/// The stream of the items of a run.
pub(super) type Items<J> = BoxStream<'static, Result<J, AgentError>>;

/// A branch that has arrived, or why it fails without an attempt.
pub(super) type Arrival<J> = Result<J, Box<Cause>>;

/// The branches that have arrived and were not pulled yet: few, because the usher waits while there is no room.
pub(super) struct Arrivals<J> {
    /// The stream, until the usher takes it.
    items: Mutex<Contained<Items<J>>>,
    belt: Mutex<Belt<J>>,
    most: usize,
    /// How long one may wait for its first attempt.
    patience: Moment,
    room: Notify,
}

struct Belt<J> {
    arrived: EachContained<VecDeque<(Moment, Arrival<J>)>>,
    /// Whether more may come.
    is_open: bool,
    /// Whether there is an usher, who has the stream.
    has_usher: bool,
    /// Whether it waits for room.
    is_waited_for: bool,
}

impl<J> Arrivals<J> {
    /// However many attempts may run at once, no more branches than this wait for one of them.
    const MOST: usize = 64;

    pub(super) fn new(items: Items<J>, concurrency: usize, patience: Moment) -> Self {
        let arrived = EachContained(VecDeque::new());
        let belt = Belt { arrived, is_open: true, has_usher: false, is_waited_for: false };
        Self {
            items: Mutex::new(Contained::new(items)),
            belt: Mutex::new(belt),
            most: concurrency.min(Self::MOST),
            patience,
            room: Notify::new(),
        }
    }

    /// The stream, for its usher.
    pub(super) fn take_items(&self) -> Option<Items<J>> {
        lock(&self.belt).has_usher = true;
        lock(&self.items).take()
    }

    /// The usher has dropped the stream.
    pub(super) fn usher_leaves(&self) {
        lock(&self.belt).has_usher = false;
    }

    /// Whether somebody has the stream. After the end of the run it is somebody who does not return from polling it.
    pub(super) fn has_usher(&self) -> bool {
        lock(&self.belt).has_usher
    }

    /// Puts down one more, which has arrived `now`. After the end of the run it is dropped.
    pub(super) fn push(&self, arrival: Arrival<J>, now: Moment) {
        let mut belt = lock(&self.belt);
        if !belt.is_open {
            drop(belt);
            return discard(arrival);
        }
        belt.arrived.0.push_back((now.saturating_add(self.patience), arrival));
    }

    /// Nothing more comes. `false` if this was known before.
    pub(super) fn close(&self) -> bool {
        std::mem::replace(&mut lock(&self.belt).is_open, false)
    }

    /// Whether the usher has to wait; if so, it will be called.
    pub(super) fn is_full(&self) -> bool {
        let mut belt = lock(&self.belt);
        belt.is_waited_for = belt.arrived.0.len() >= self.most;
        belt.is_waited_for
    }

    /// Waits until the usher has been called since it found no room.
    pub(super) async fn room(&self) {
        self.room.notified().await;
    }

    /// Calls the usher if it waits and half of what it had put down is gone. Whoever goes on computing after a `true`
    /// yields first: a task that was just woken cannot be taken by another thread while this one does not let go.
    pub(super) fn call(&self) -> bool {
        let mut belt = lock(&self.belt);
        let call = belt.is_waited_for && belt.arrived.0.len() <= self.most / 2;
        if call {
            belt.is_waited_for = false;
            drop(belt);
            self.room.notify_one();
        }
        call
    }

    pub(super) fn next(&self) -> Next<J> {
        match lock(&self.belt).arrived.0.pop_front() {
            Some((expires, Ok(job))) => Next::Job { job, expires },
            Some((_, Err(cause))) => Next::Failed(cause),
            None => Next::Nothing,
        }
    }

    /// How many wait.
    pub(super) fn ready(&self) -> usize {
        lock(&self.belt).arrived.0.len()
    }

    /// How many have waited too long, and when the next one will have.
    pub(super) fn expired(&self, now: Moment) -> (usize, Option<Moment>) {
        let belt = lock(&self.belt);
        let expired = belt.arrived.0.iter().take_while(|(expires, _)| *expires <= now).count();
        let next = belt.arrived.0.get(expired).map(|(expires, _)| *expires);
        (expired, next.filter(|expires| *expires != NEVER))
    }

    /// Whether waiting too long ends them.
    pub(super) fn may_expire(&self) -> bool {
        self.patience != NEVER
    }

    /// Whether nothing more comes, and fewer than that wait.
    pub(super) fn are_fewer_than(&self, count: usize) -> bool {
        let belt = lock(&self.belt);
        !belt.is_open && belt.arrived.0.len() < count
    }

    /// Whether more may come. Once it does not, what is [ready](Arrivals::ready) only becomes less.
    pub(super) fn is_open(&self) -> bool {
        lock(&self.belt).is_open
    }
}
