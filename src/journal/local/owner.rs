//! The thread that owns the store, and makes commits of requests.
//!
//! With an interval, requests that may be answered before their commit are, and the commit follows within the interval;
//! whatever must not wait is committed at once, and takes along what came before it. Whether the interval is over is looked at
//! before requests are taken, and after each of them: however much there is to do, what was answered does not wait for the
//! end of it. The clock is read only while something was answered that is not committed.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::committer::{Answer, Desk, Request};
use super::ledger::Now;
use super::plan::Plan;
use crate::journal::failpoint::pass;
use crate::journal::{JournalError, JournalErrorKind};
use crate::user_code::printable;

/// How many changes are committed together: more would only make those wait who came first.
const LARGEST_BATCH: usize = 256;

/// How often what is owed is tried to be committed at the end, and how long to wait in between.
const LAST_TRIES: usize = 3;
const LAST_WAIT: Duration = Duration::from_millis(50);

/// The thread that owns the store.
pub(super) struct Owner {
    plan: Plan,
    desk: Arc<Desk>,
    /// Why the store must be opened again before anything is written.
    broken: Option<JournalError>,
    /// How long an answer may come before its commit.
    interval: Option<Duration>,
    /// By when what was answered and is not committed must be committed.
    commit_by: Option<Instant>,
    /// How long the last commit of a buffered journal took: by so much earlier the next one begins.
    last_commit: Duration,
    /// The time of the last request.
    last: Option<Now>,
}

/// What there is to do.
enum Next {
    Requests(Vec<Request>),
    /// The interval is over.
    Commit,
    End,
}

impl Owner {
    pub(super) fn new(plan: Plan, desk: Arc<Desk>, interval: Option<Duration>) -> Self {
        Self { plan, desk, broken: None, interval, commit_by: None, last_commit: Duration::ZERO, last: None }
    }

    /// Works until the journal is closed and nothing is owed.
    pub(super) fn work(mut self) {
        loop {
            match self.next() {
                Next::Requests(requests) => self.carry_out(requests),
                Next::Commit => drop(self.commit(&mut Vec::new())),
                Next::End => break,
            }
        }
        self.commit(&mut Vec::new());
        self.pay_at_last();
    }

    /// Tries again to commit what somebody was told of: nobody will ask for anything any more.
    fn pay_at_last(&mut self) {
        for _ in 0..LAST_TRIES {
            let Some(now) = self.last.filter(|_| self.broken.is_some() && self.plan.is_indebted()) else {
                return;
            };
            std::thread::sleep(LAST_WAIT);
            if self.heal(now).is_none() {
                self.commit(&mut Vec::new());
            }
        }
    }

    fn next(&self) -> Next {
        // Before the lock, which a caller may hold for as long as its thread is not executed.
        if self.must_commit() {
            return Next::Commit;
        }
        let mut queue = self.desk.queue();
        loop {
            let left = self.commit_by.map(|end| end.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return Next::Commit;
            }
            if !queue.requests.is_empty() {
                queue.busy = true;
                return Next::Requests(std::mem::take(&mut queue.requests));
            }
            if queue.closed {
                return Next::End;
            }
            let Some(left) = left else {
                self.desk.rest(&mut queue);
                queue = self.desk.work.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let waited = self.desk.work.wait_timeout(queue, left);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn carry_out(&mut self, mut requests: Vec<Request>) {
        let mut answers = Vec::with_capacity(requests.len());
        let queued = pass("journal.queued").map_err(JournalError::from).err();
        let mut broken = queued.or_else(|| requests.first().and_then(|first| self.heal(first.now)));
        while !requests.is_empty() {
            for Request { now, ask } in requests {
                self.last = Some(now);
                let answer = ask(broken.as_ref().map_or(Ok(&mut self.plan), Err), now);
                match answer {
                    Some(answer) if self.interval.is_some() && !self.plan.is_urgent() => {
                        answer(Ok(()));
                        self.owe();
                    }
                    answer => answers.extend(answer),
                }
                if self.plan.changes() >= LARGEST_BATCH || self.must_commit() {
                    broken = broken.or(self.commit(&mut answers));
                }
            }
            // Who was answered after the last commit has asked again meanwhile: one sync serves them as well.
            let more = !answers.is_empty() && answers.len() < LARGEST_BATCH;
            requests = if more { std::mem::take(&mut self.desk.queue().requests) } else { Vec::new() };
        }
        if !answers.is_empty() {
            self.commit(&mut answers);
        }
    }

    /// What is planned so far was answered for.
    fn owe(&mut self) {
        if self.plan.owe() && self.commit_by.is_none() {
            // A commit takes a while itself. It begins early enough to end in time, and not so early that it comes too often.
            let interval = self.interval.unwrap_or_default();
            let wait = interval.saturating_sub(self.last_commit.min(interval / 2));
            self.commit_by = Instant::now().checked_add(wait);
        }
    }

    /// Whether what was answered has waited for as long as it may.
    fn must_commit(&self) -> bool {
        self.commit_by.is_some_and(|end| Instant::now() >= end)
    }

    /// Commits what was planned, and tells those who asked for it. Gives the error for those who come later.
    fn commit(&mut self, answers: &mut Vec<Answer>) -> Option<JournalError> {
        let begun = self.commit_by.take().map(|_| Instant::now());
        let error = self.write().err();
        if let Some(begun) = begun {
            self.last_commit = begun.elapsed();
        }
        if let Some(error) = &error {
            log_error!(error = %printable(&error), "a commit of the journal has failed");
            self.broken = Some(error.clone());
            self.plan.alarm();
        }
        for answer in answers.drain(..) {
            answer(error.as_ref().map_or(Ok(()), Err));
        }
        error
    }

    /// Makes what was planned durable, if anything was.
    fn write(&mut self) -> Result<(), JournalError> {
        if self.broken.is_some() || !self.plan.is_dirty() {
            return Ok(());
        }
        pass("journal.planned")?;
        self.plan.commit()?;
        // From here on nothing can fail: the answers have only to arrive.
        let _ = pass("journal.synced");
        Ok(())
    }

    /// Opens the store again if the last commit has failed. Gives the error for as long as that fails too.
    fn heal(&mut self, now: Now) -> Option<JournalError> {
        let error = self.broken.take()?;
        if error.kind() == JournalErrorKind::NotSynced {
            self.broken = Some(error.clone());
            return Some(error);
        }
        if let Err(error) = self.plan.reopen(now) {
            self.broken = Some(error.clone());
            return Some(error);
        }
        log_info!("the journal works again");
        None
    }
}
