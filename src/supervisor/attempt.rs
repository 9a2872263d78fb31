//! One attempt, step by step: begin, first poll, wait, time out, clean up.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::time::{Instant, Sleep, sleep_until};

use super::contain::{Contained, contain};
use super::control::Control;
use super::queue::Branch;
use super::seat::{Entry, NEVER, Seat};
use super::work::Work;
use crate::agent::{AgentContext, Attempt};
use crate::outcome::AgentError;

/// How an attempt ended.
pub(super) enum Ended<O> {
    Output(O),
    Error(AgentError),
    Panicked(String),
    TimedOut { limit: Duration, stopped: bool },
}

/// The part of a child that lasts from attempt to attempt.
pub(super) struct Desk<'a> {
    control: &'a Control,
    pub(super) seat: &'a Arc<Seat>,
    /// The last attempt's allocation, for the next one.
    attempt: Arc<Attempt>,
}

/// What is known of an attempt once it has ended.
pub(super) struct Report<O> {
    pub(super) ticket: u64,
    pub(super) ended: Ended<O>,
}

impl<'a> Desk<'a> {
    pub(super) fn new(control: &'a Control, seat: &'a Arc<Seat>) -> Self {
        Self { control, seat, attempt: Arc::new(fresh_attempt(control, seat)) }
    }

    /// Makes one attempt. `now` is its start: the caller has just read the clock at the end of the one before.
    pub(super) async fn make_attempt<W: Work>(
        &mut self,
        work: &W,
        branch: Branch<W::Job>,
        limit: Option<Duration>,
        now: Instant,
    ) -> Report<W::Output> {
        // A limit beyond what the clock can tell is none.
        let due = limit.and_then(|limit| now.checked_add(limit));
        let started = self.control.nanos(now);
        let due_nanos = due.map_or(NEVER, |due| self.control.nanos(due));
        let cx = self.context(branch.index, branch.attempt, due_nanos);
        let ticket = self.seat.begin(&Entry {
            index: branch.index,
            attempt: branch.attempt,
            branch_started: branch.started.map_or(started, |first| self.control.nanos(first)),
            started,
            due: due_nanos,
        });
        let ended = match contain(|| work.start(branch.job, cx)) {
            Ok(future) => self.run(Running::new(future, self.seat), due).await.unwrap_or_else(|| {
                // The future is gone. What may be left of the attempt is a body on a blocking thread.
                let stopped = !self.seat.bodies.any_running();
                Ended::TimedOut { limit: limit.unwrap_or_default(), stopped }
            }),
            Err(panic) => Ended::Panicked(panic),
        };
        self.clear(!matches!(ended, Ended::TimedOut { .. }));
        Report { ticket, ended }
    }

    /// Polls the agent's future to its end, or until its time is up (`None`). It is dropped in either case.
    async fn run<O>(&self, mut running: Running<'_, O>, due: Option<Instant>) -> Option<Ended<O>> {
        // Most attempts in a tight loop end at their first poll: those need no timer.
        if let Poll::Ready(ended) = poll_fn(|cx| Poll::Ready(running.poll(cx))).await {
            return Some(ended);
        }
        let _suspended = self.control.suspend();
        let Some(due) = due else { return Some(poll_fn(|cx| running.poll(cx)).await) };
        let ended = running.poll_until(sleep_until(due)).await;
        if ended.is_some() {
            return ended;
        }
        self.attempt.cancelled.cancel();
        if !self.control.limits.stop_grace.is_zero() {
            // What it returns now is too late, but it may clean up.
            if let Some(end) = Instant::now().checked_add(self.control.limits.stop_grace) {
                let _ = running.poll_until(sleep_until(end)).await;
            }
        }
        None
    }

    fn context(&self, index: usize, number: u32, due: u64) -> AgentContext {
        self.attempt.begin(index, number, due.min(self.control.deadline_nanos()));
        AgentContext::new(Arc::clone(&self.attempt))
    }

    /// Ends the attempt for those who still hold its context.
    fn clear(&mut self, reusable: bool) {
        // With one reference left nobody can make another one.
        if !reusable || Arc::strong_count(&self.attempt) > 1 {
            self.attempt.cancelled.cancel();
            self.attempt = Arc::new(fresh_attempt(self.control, self.seat));
        }
    }
}

impl Drop for Desk<'_> {
    fn drop(&mut self) {
        self.attempt.cancelled.cancel();
    }
}

fn fresh_attempt(control: &Control, seat: &Seat) -> Attempt {
    let cancelled = control.info.cancelled.child_token();
    Attempt::new(Arc::clone(&control.info), cancelled, Arc::clone(&seat.bodies))
}

/// The agent's future. Every touch of it is contained, its drop included.
struct Running<'a, O> {
    future: Contained<BoxFuture<'a, Result<O, AgentError>>>,
    seat: &'a Seat,
}

impl<'a, O> Running<'a, O> {
    fn new(future: BoxFuture<'a, Result<O, AgentError>>, seat: &'a Seat) -> Self {
        Self { future: Contained::new(future), seat }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ended<O>> {
        let Some(future) = self.future.get_mut() else { return Poll::Pending };
        self.seat.set_polling(true);
        let ended = match contain(|| future.as_mut().poll(cx)) {
            Ok(Poll::Pending) => {
                self.seat.set_polling(false);
                return Poll::Pending;
            }
            Ok(Poll::Ready(Ok(output))) => Ended::Output(output),
            Ok(Poll::Ready(Err(error))) => Ended::Error(error),
            Err(panic) => Ended::Panicked(panic),
        };
        self.future.clear();
        Poll::Ready(ended)
    }

    async fn poll_until(&mut self, timer: Sleep) -> Option<Ended<O>> {
        tokio::pin!(timer);
        poll_fn(|cx| match self.poll(cx) {
            Poll::Ready(ended) => Poll::Ready(Some(ended)),
            Poll::Pending => timer.as_mut().poll(cx).map(|()| None),
        })
        .await
    }
}
