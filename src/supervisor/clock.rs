//! A clock of the crate's own, for what has to be waited for where a runtime may have no timer.
//!
//! A runtime that is built without `enable_time` has none, cannot be asked whether it has one, and panics where one is
//! used. A supervisor waits for actors and bodies that it has told to stop, and not for ever, on any runtime; so where the user
//! has set no limit in time, it does so by this clock. One thread serves the whole process. It begins when it is first needed,
//! sleeps while nothing is due, holds nothing of the user's, and ends when it has had nothing to do for a while.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ractor::ActorRef;

use super::message::Wake;
use crate::sync::lock;

/// How long the thread stays without anything to do.
const IDLE: Duration = Duration::from_secs(10);

static CLOCK: Clock = Clock { state: Mutex::new(ClockState::new()), changed: Condvar::new() };

struct Clock {
    state: Mutex<ClockState>,
    /// An alarm was set that is due before the thread would look again.
    changed: Condvar,
}

struct ClockState {
    alarms: BTreeMap<(Instant, u64), ActorRef<Wake>>,
    next: u64,
    /// When the thread looks again by itself; `None` if there is no thread.
    looks_at: Option<Instant>,
}

impl ClockState {
    const fn new() -> Self {
        Self { alarms: BTreeMap::new(), next: 0, looks_at: None }
    }
}

/// An alarm that is set. Dropping it unsets it.
pub(super) struct ClockAlarm((Instant, u64));

impl ClockAlarm {
    /// Wakes the supervisor at this moment of the real clock. `None` if there can be no thread for that.
    pub(super) fn set(at: Instant, supervisor: ActorRef<Wake>) -> Option<Self> {
        let mut state = lock(&CLOCK.state);
        match state.looks_at {
            Some(looks_at) if looks_at <= at => {}
            Some(_) => CLOCK.changed.notify_one(),
            None => {
                let thread = std::thread::Builder::new().name("sortie-clock".to_owned());
                if let Err(error) = thread.spawn(run) {
                    log_error!(%error, "there is no thread for the clock of supervisors");
                    return None;
                }
                state.looks_at = Some(at);
            }
        }
        let key = (at, state.next);
        state.next += 1;
        state.alarms.insert(key, supervisor);
        Some(Self(key))
    }
}

impl Drop for ClockAlarm {
    fn drop(&mut self) {
        let removed = lock(&CLOCK.state).alarms.remove(&self.0);
        // Without the lock: the last reference to an actor may be dropped here.
        drop(removed);
    }
}

/// The thread of the clock.
fn run() {
    let mut state = lock(&CLOCK.state);
    let mut idle_since = None;
    loop {
        let now = Instant::now();
        let later = state.alarms.split_off(&(now, u64::MAX));
        let due = std::mem::replace(&mut state.alarms, later);
        if !due.is_empty() {
            idle_since = None;
            drop(state);
            for supervisor in due.into_values() {
                // A supervisor that has ended needs no waking.
                let _ = supervisor.send_message(Wake);
            }
            state = lock(&CLOCK.state);
            continue;
        }
        let looks_at = match state.alarms.first_key_value() {
            Some(((at, _), _)) => {
                idle_since = None;
                *at
            }
            None => *idle_since.get_or_insert(now) + IDLE,
        };
        if looks_at <= now {
            state.looks_at = None;
            return;
        }
        state.looks_at = Some(looks_at);
        let waited = CLOCK.changed.wait_timeout(state, looks_at - now);
        state = waited.unwrap_or_else(PoisonError::into_inner).0;
    }
}
