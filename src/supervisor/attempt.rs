//! One attempt, step by step: begin, first poll, wait, time out, clean up.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use super::contain::{Contained, contain, discard};
use super::control::{Control, YIELD_GRACE, nanos};
use super::queue::Branch;
use super::seat::{Moment, NEVER, Seat};
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

impl<'a> Desk<'a> {
    pub(super) fn new(control: &'a Control, seat: &'a Arc<Seat>) -> Self {
        Self { control, seat, attempt: Arc::new(fresh_attempt(control, seat)) }
    }

    /// Makes one attempt, which starts `now`.
    pub(super) async fn make_attempt<W: Work>(
        &mut self,
        work: &W,
        branch: Branch<W::Job>,
        limit: Option<Duration>,
        now: Moment,
    ) -> Ended<W::Output> {
        let due = limit.map_or(NEVER, |limit| now.saturating_add(nanos(limit)));
        let cx = self.context(branch.index, branch.attempt, due);
        self.seat.start(branch.attempt, now, due);
        let ended = match contain(|| work.start(branch.job, cx)) {
            Ok(future) => self.run(Running::new(future, self.seat), due).await,
            Err(panic) => Some(Ended::Panicked(panic)),
        };
        let Some(ended) = ended else {
            self.clear(false);
            // Boxed, like all that is rare here: the future of an attempt that just runs is to be small.
            let stopped = Box::pin(self.bodies_return()).await;
            return Ended::TimedOut { limit: limit.unwrap_or_default(), stopped };
        };
        self.clear(true);
        ended
    }

    /// Polls the agent's future to its end, or until its time is up (`None`). It is dropped in either case.
    async fn run<O>(&self, mut running: Running<'_, O>, due: Moment) -> Option<Ended<O>> {
        // Most attempts in a tight loop end at their first poll: those need no timer.
        if let Poll::Ready(ended) = poll_fn(|cx| Poll::Ready(running.poll(cx))).await {
            return Some(ended);
        }
        let _suspended = self.control.suspend();
        let ended = running.resume(self.control.instant(due).map(sleep_until)).await;
        if ended.is_none() {
            self.attempt.cancelled.cancel();
            if !self.control.limits.stop_grace.is_zero() {
                let end = Instant::now().checked_add(self.control.limits.stop_grace);
                // What it returns now is too late, but it may clean up.
                discard(Box::pin(running.resume(end.map(sleep_until))).await);
            }
        }
        ended
    }

    /// Whether the attempt's future was all there was of it, or what else there is (a body on a blocking thread, a
    /// nested run) ends within the time that stopping may take.
    async fn bodies_return(&self) -> bool {
        let bodies = &self.seat.bodies;
        if !bodies.any_running() {
            return true;
        }
        self.seat.set_polling(false);
        let _suspended = self.control.suspend();
        timeout(YIELD_GRACE, bodies.returned()).await.is_ok()
    }

    #[inline]
    fn context(&self, index: usize, number: u32, due: Moment) -> AgentContext {
        self.attempt.begin(index, number, due.min(self.control.deadline_moment()));
        AgentContext::new(Arc::clone(&self.attempt))
    }

    /// Ends the attempt for those who still hold its context.
    #[inline]
    fn clear(&mut self, reusable: bool) {
        // With one reference left nobody can make another one.
        if !reusable || self.attempt.is_lent() || Arc::strong_count(&self.attempt) > 1 {
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
        self.end();
        Poll::Ready(ended)
    }

    /// Goes on after a poll that has ended in `Pending`, until the timer rings (`None`).
    async fn resume(&mut self, timer: Option<Sleep>) -> Option<Ended<O>> {
        tokio::pin!(timer);
        // The last poll of the future has told whom to wake. Polling it once more before that happens could run code of
        // the user's while somebody whom this task has just woken waits for the thread.
        let mut woken = false;
        poll_fn(|cx| {
            if std::mem::replace(&mut woken, true) {
                if let Poll::Ready(ended) = self.poll(cx) {
                    return Poll::Ready(Some(ended));
                }
            }
            match timer.as_mut().as_pin_mut() {
                Some(timer) => timer.poll(cx).map(|()| None),
                None => Poll::Pending,
            }
        })
        .await
    }

    /// Drops the future. Its `Drop` is code of the user's as well, and may take its time.
    fn end(&mut self) {
        if self.future.get().is_some() {
            self.seat.set_polling(true);
            self.future.clear();
        }
    }
}

impl<O> Drop for Running<'_, O> {
    fn drop(&mut self) {
        self.end();
    }
}
