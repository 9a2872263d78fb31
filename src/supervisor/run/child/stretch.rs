//! How long a child may go on at a stretch.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use crate::supervisor::run::seat::Moment;

/// How long a child may go on without letting its siblings and its supervisor have the thread.
///
/// The lanes of a child share it, because they share its task: hence the atomics, which only one thread uses at a time.
#[derive(Debug)]
pub(in crate::supervisor::run) struct Stretch {
    /// Whether the child has several lanes, and begins a new stretch in each of its turns.
    by_turns: bool,
    attempts: AtomicU32,
    started: AtomicU64,
    /// How many attempts the child has gone on with in this turn.
    resumed: AtomicU32,
    /// Whether it has woken the supervisor in this turn.
    rang: AtomicBool,
}

impl Stretch {
    const MOST_ATTEMPTS: u32 = 32;
    /// 100 µs.
    const LONGEST: Moment = 100_000;

    /// The stretch of a child with a single lane.
    pub(super) fn alone(now: Moment) -> Self {
        Self {
            by_turns: false,
            attempts: AtomicU32::new(0),
            started: AtomicU64::new(now),
            resumed: AtomicU32::new(0),
            rang: AtomicBool::new(false),
        }
    }

    /// The stretch that the lanes of a child share.
    pub(super) fn shared() -> Self {
        Self { by_turns: true, ..Self::alone(0) }
    }

    /// The task of a child with several lanes is polled again: others have had the thread.
    pub(super) fn next_turn(&self) {
        self.attempts.store(0, Ordering::Relaxed);
        self.resumed.store(0, Ordering::Relaxed);
        self.rang.store(false, Ordering::Relaxed);
    }

    /// Lets go before the next attempt: the supervisor was woken, and may wait for this very thread.
    pub(super) fn end(&self) {
        self.attempts.store(Self::MOST_ATTEMPTS, Ordering::Relaxed);
        self.ring();
    }

    /// The supervisor was woken by an attempt that now waits. Other lanes must let it have the thread.
    pub(in crate::supervisor::run) fn ring(&self) {
        self.rang.store(true, Ordering::Relaxed);
    }

    /// Whether the next attempt, which would start now, shall wait for the others.
    #[inline]
    pub(super) fn is_over(&self, now: Moment) -> bool {
        let attempts = self.attempts.load(Ordering::Relaxed);
        if self.by_turns && attempts == 0 {
            self.started.store(now, Ordering::Relaxed);
        }
        self.attempts.store(attempts + 1, Ordering::Relaxed);
        let past = now.saturating_sub(self.started.load(Ordering::Relaxed));
        attempts >= Self::MOST_ATTEMPTS || past >= Self::LONGEST
    }

    /// The others have had the thread, and an attempt starts now.
    pub(super) fn renew(&self, now: Moment) {
        if self.by_turns {
            // The turn is a new one; this attempt is not the only one in it.
            let _ = self.is_over(now);
        } else {
            self.attempts.store(0, Ordering::Relaxed);
            self.started.store(now, Ordering::Relaxed);
        }
    }

    /// Whether an attempt that could go on shall leave the thread to others first, lanes of the same child included.
    pub(super) fn is_others_turn(&self) -> bool {
        if !self.by_turns {
            return false;
        }
        let resumed = self.resumed.load(Ordering::Relaxed);
        let over = resumed >= Self::MOST_ATTEMPTS || self.rang.load(Ordering::Relaxed);
        if !over {
            self.resumed.store(resumed + 1, Ordering::Relaxed);
        }
        over
    }
}
