//! How many branches came to what.

use std::ops::AddAssign;

use crate::outcome::{Cause, Outcome};

/// How many branches came to what. Each branch is counted once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Branches with an output.
    pub ok: usize,
    /// Branches whose agent returned an error: [`Cause::Failed`].
    pub failed: usize,
    /// Branches whose agent panicked, or in whose place the iterator did: [`Cause::Panicked`].
    pub panicked: usize,
    /// Branches that exceeded their timeout: [`Cause::TimedOut`].
    pub timed_out: usize,
    /// Branches that were queued for too long: [`Cause::QueueTimedOut`].
    pub queue_timed_out: usize,
    /// Branches that exceeded the deadline of their fan-out: [`Cause::DeadlineExceeded`].
    pub deadline_exceeded: usize,
    /// Branches that were no longer wanted: [`Cause::Cancelled`].
    pub cancelled: usize,
    /// Branches whose system was shut down: [`Cause::ShutDown`].
    pub shut_down: usize,
    /// Branches that never got a slot: [`Cause::Stuck`].
    pub stuck: usize,
    /// Branches without an outcome: they wait or run.
    pub pending: usize,
}

impl Counts {
    /// All branches.
    pub fn total(&self) -> usize {
        self.ok + self.pending + self.without_output()
    }

    /// The branches that have an outcome and no output.
    pub fn without_output(&self) -> usize {
        self.named().iter().map(|(_, count)| count).sum::<usize>() - self.ok - self.pending
    }

    /// One more branch.
    pub(super) fn add(&mut self, outcome: Option<&Outcome<()>>) {
        *match outcome {
            None => &mut self.pending,
            Some(Ok(())) => &mut self.ok,
            Some(Err(failure)) => match failure.cause() {
                Cause::Failed(_) => &mut self.failed,
                Cause::Panicked(_) => &mut self.panicked,
                Cause::TimedOut { .. } => &mut self.timed_out,
                Cause::QueueTimedOut { .. } => &mut self.queue_timed_out,
                Cause::DeadlineExceeded { .. } => &mut self.deadline_exceeded,
                Cause::Cancelled { .. } => &mut self.cancelled,
                Cause::ShutDown { .. } => &mut self.shut_down,
                Cause::Stuck => &mut self.stuck,
            },
        } += 1;
    }

    /// The counts with their names, as texts show them.
    pub(super) fn named(&self) -> [(&'static str, usize); 10] {
        [
            ("ok", self.ok),
            ("failed", self.failed),
            ("panicked", self.panicked),
            ("timed out", self.timed_out),
            ("timed out in the queue", self.queue_timed_out),
            ("past the deadline", self.deadline_exceeded),
            ("cancelled", self.cancelled),
            ("shut down", self.shut_down),
            ("stuck", self.stuck),
            ("pending", self.pending),
        ]
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.ok += other.ok;
        self.failed += other.failed;
        self.panicked += other.panicked;
        self.timed_out += other.timed_out;
        self.queue_timed_out += other.queue_timed_out;
        self.deadline_exceeded += other.deadline_exceeded;
        self.cancelled += other.cancelled;
        self.shut_down += other.shut_down;
        self.stuck += other.stuck;
        self.pending += other.pending;
    }
}
