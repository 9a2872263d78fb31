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
use crate::agent::ambient::within;
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
    /// The last attempt's context, for the next one.
    spare: Option<AgentContext>,
    /// Whether the last attempt has waited at an `.await`.
    pub(super) has_waited: bool,
}

impl<'a> Desk<'a> {
    pub(super) fn new(control: &'a Control, seat: &'a Arc<Seat>) -> Self {
        Self { control, seat, spare: None, has_waited: false }
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
        let attempt = self.spare.take().unwrap_or_else(|| self.fresh_context(branch.index));
        attempt.begin(branch.index, branch.attempt, due.min(self.control.deadline()));
        self.seat.start(branch.attempt, now, due);
        let cx = attempt.clone();
        let mut running = Running { future: Contained::empty(), attempt: Some(attempt), seat: self.seat };
        let ended = match running.start(|| work.start(branch.job, cx)) {
            Ok(()) => self.run(&mut running, due).await,
            Err(panic) => Some(Ended::Panicked(panic)),
        };
        let Some(ended) = ended else {
            drop(running);
            // Boxed, like all that is rare here: the future of an attempt that just runs is to be small.
            let stopped = Box::pin(self.bodies_return()).await;
            return Ended::TimedOut { limit: limit.unwrap_or_default(), stopped };
        };
        // Nobody else has the context: it may serve again.
        self.spare = running.attempt.take_if(|attempt| attempt.may_serve_again());
        ended
    }

    /// Polls the agent's future to its end, or until its time is up (`None`).
    async fn run<O>(&mut self, running: &mut Running<'_, O>, due: Moment) -> Option<Ended<O>> {
        self.has_waited = false;
        // Most attempts in a tight loop end at their first poll: those need no timer.
        if let Poll::Ready(ended) = poll_fn(|cx| Poll::Ready(running.poll(cx))).await {
            return Some(ended);
        }
        self.has_waited = true;
        let _suspended = self.control.suspend();
        let ended = running.resume(self.control.instant(due).map(sleep_until)).await;
        if ended.is_none() {
            running.cancel();
            if !self.control.limits.stop_grace.is_zero() {
                let end = Instant::now().checked_add(self.control.limits.stop_grace);
                // What it returns now is too late, but it may clean up.
                discard(Box::pin(running.resume(end.map(sleep_until))).await);
            }
            running.end();
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

    fn fresh_context(&self, index: usize) -> AgentContext {
        let cancelled = self.control.info.cancelled.child_token();
        let run = Arc::clone(&self.control.info);
        let (key, launched) = (run.roster.arrived_key(index), run.roster.launched(index));
        AgentContext::new(Attempt::new(run, cancelled, Arc::clone(&self.seat.bodies), key, launched))
    }
}

/// The agent's future. Every touch of it is contained, its drop included.
struct Running<'a, O> {
    future: Contained<BoxFuture<'a, Result<O, AgentError>>>,
    /// The attempt as the agent's code finds it on its thread.
    attempt: Option<AgentContext>,
    seat: &'a Seat,
}

impl<'a, O> Running<'a, O> {
    fn start(&mut self, make: impl FnOnce() -> BoxFuture<'a, Result<O, AgentError>>) -> Result<(), String> {
        self.future = Contained::new(within(&mut self.attempt, || contain(make))?);
        Ok(())
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ended<O>> {
        let Some(future) = self.future.get_mut() else { return Poll::Pending };
        self.seat.set_polling(true);
        let ended = match within(&mut self.attempt, || contain(|| future.as_mut().poll(cx))) {
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

    fn cancel(&self) {
        if let Some(attempt) = &self.attempt {
            attempt.cancel();
        }
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
        // For those who still hold the context.
        self.cancel();
    }
}
