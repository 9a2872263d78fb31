//! One attempt, step by step: first poll, wait, time out, clean up.

use std::future::{Future, pending, poll_fn};
use std::panic::resume_unwind;
use std::pin::{Pin, pin};
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use tokio::time::{Instant, sleep_until, timeout};

use super::alarm::Alarm;
use super::stretch::Stretch;
use crate::agent::AgentContext;
use crate::agent::ambient::within;
use crate::outcome::AgentError;
use crate::supervisor::run::control::{Control, Stop, Suspended, YIELD_GRACE};
use crate::supervisor::run::seat::Seat;
use crate::user_code::{Contained, contain, discard};

/// How an attempt ended.
pub(super) enum Ended<O> {
    Output(O),
    Error(AgentError),
    Panicked(String),
    TimedOut {
        stopped: bool,
    },
    /// With an error, after the order to stop it was given: the order is the cause.
    CutShort(Stop),
}

/// How an attempt stood before a poll.
#[derive(Clone, Copy)]
enum Before {
    /// It had not been polled.
    First,
    /// It waited.
    Waiting,
    /// It waited, and its run had been ordered to stop.
    Ordered,
}

/// What the attempts of a child share.
pub(super) struct Desk<'a> {
    pub(super) control: &'a Control,
    pub(super) stretch: Stretch,
    pub(super) alarm: Alarm,
    /// Whether the child has several lanes, so that waking its task does not wake all of them.
    pub(super) is_shared: bool,
    /// Whether the child has called the usher, and not let it have the thread.
    pub(super) has_called: AtomicBool,
}

/// An attempt under way: the agent's future. Every touch of it is contained, its drop included.
///
/// Awaiting it takes the attempt to its end, or until its time is up (`None`). It is a future by hand because very many
/// of them may wait at once, and this is all that such an attempt takes besides its seat, its context and its agent.
pub(super) struct Running<'a, O> {
    desk: &'a Desk<'a>,
    seat: &'a Seat,
    future: Contained<BoxFuture<'a, Result<O, AgentError>>>,
    /// The attempt as the agent's code finds it on its thread.
    attempt: Option<AgentContext>,
    suspended: Option<Suspended<'a>>,
}

impl<'a, O> Running<'a, O> {
    /// Has the agent make its future. If that panics, the first poll does.
    pub(super) fn start(
        desk: &'a Desk<'a>,
        seat: &'a Seat,
        attempt: AgentContext,
        make: impl FnOnce() -> BoxFuture<'a, Result<O, AgentError>>,
    ) -> Self {
        let mut attempt = Some(attempt);
        let future = within(&mut attempt, || contain(make))
            .unwrap_or_else(|panic| Box::pin(async move { resume_unwind(Box::new(panic)) }));
        Self { desk, seat, future: Contained::new(future), attempt, suspended: None }
    }

    /// Gives the context back if nobody else has it: it may serve again.
    #[inline]
    pub(super) fn take_context(&mut self) -> Option<AgentContext> {
        self.attempt.take_if(|attempt| attempt.may_serve_again())
    }

    /// Whether the attempt has waited at an `.await`.
    #[inline]
    pub(super) fn has_waited(&self) -> bool {
        self.suspended.is_some()
    }

    /// Stops an attempt whose time is up. Returns whether its future was all there was of it, or what else there is (a
    /// body on a blocking thread, a nested run) ended within the time that stopping may take.
    pub(super) async fn stop(mut self) -> bool {
        self.cancel();
        let (control, stretch, seat) = (self.desk.control, &self.desk.stretch, self.seat);
        if !control.limits.stop_grace.is_zero() && self.future.get().is_some() {
            // What it returns now is too late, but it may clean up.
            discard(self.clean_up(Instant::now().checked_add(control.limits.stop_grace)).await);
        }
        self.end();
        drop(self);
        if !seat.bodies.any_running() {
            return true;
        }
        seat.set_polling(false);
        let _suspended = control.suspend(stretch);
        timeout(YIELD_GRACE, seat.bodies.returned()).await.is_ok()
    }

    async fn clean_up(&mut self, end: Option<Instant>) -> Option<Ended<O>> {
        let mut end = pin!(async {
            match end {
                Some(end) => sleep_until(end).await,
                None => pending().await,
            }
        });
        // The order to stop has told the future whom to wake, as its last poll has.
        let mut woken = false;
        poll_fn(|cx| {
            if std::mem::replace(&mut woken, true) {
                if self.waits_for_others(cx) {
                    return Poll::Pending;
                }
                if let Poll::Ready(ended) = self.poll_agent(cx) {
                    return Poll::Ready(Some(ended));
                }
            }
            end.as_mut().poll(cx).map(|()| None)
        })
        .await
    }

    /// Whether this child has to let others have the thread before the attempt goes on. It is woken then.
    fn waits_for_others(&self, cx: &Context<'_>) -> bool {
        let waits = self.desk.stretch.is_others_turn();
        if waits {
            cx.waker().wake_by_ref();
        }
        waits
    }

    #[inline]
    fn poll_agent(&mut self, cx: &mut Context<'_>) -> Poll<Ended<O>> {
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

    /// What counts of the end of an attempt: whatever stops an attempt decides its cause, and not what the attempt, or the
    /// work nested in it, says about being stopped. `None` if its time was up.
    ///
    /// An error does not count if an order stood before the poll that gave it, or if nested work was stopped: the attempt
    /// may hear of an order through that before its run does. An error of the first poll, during which an order may come, is
    /// the attempt's own unless nested work was stopped. A value counts in spite of an order, and so does a panic, unless
    /// nested work was stopped: then it is taken for what the attempt made of that.
    fn judge(&self, ended: Ended<O>, before: Before) -> Option<Ended<O>> {
        let is_error = match &ended {
            Ended::Error(_) => true,
            Ended::Panicked(_) => false,
            Ended::Output(_) | Ended::TimedOut { .. } | Ended::CutShort(_) => return Some(ended),
        };
        let (control, seat) = (self.desk.control, self.seat);
        let (stop, is_late) = if self.attempt.as_ref().is_some_and(AgentContext::was_nested_work_stopped) {
            (control.order(), is_error && seat.is_overdue(|| control.now()))
        } else {
            match before {
                Before::Ordered if is_error => (control.stopped(), seat.has_rung()),
                Before::Waiting if is_error => (control.order_from_above(), seat.has_rung()),
                Before::First | Before::Ordered | Before::Waiting => return Some(ended),
            }
        };
        match stop {
            Some(stop) => {
                discard(ended);
                Some(Ended::CutShort(stop))
            }
            None if is_late => {
                discard(ended);
                None
            }
            None => Some(ended),
        }
    }

    /// The first poll of the future has told whom to wake. From now on the attempt waits.
    fn suspend(&mut self, cx: &Context<'_>) {
        let desk = self.desk;
        self.suspended = Some(desk.control.suspend(&desk.stretch));
        if let Some(due) = self.seat.set_alarm(desk.is_shared.then(|| cx.waker())) {
            desk.alarm.set(due);
        }
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

impl<O> Future for Running<'_, O> {
    type Output = Option<Ended<O>>;

    /// The future is polled once per wake-up: doing so again in the same turn could run code of the user's while somebody
    /// whom this task has just woken waits for the thread.
    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let running = &mut *self;
        // Most attempts in a tight loop end at their first poll: those need no alarm.
        let first = running.suspended.is_none();
        if !first && running.waits_for_others(cx) {
            return Poll::Pending;
        }
        let before = match first {
            true => Before::First,
            false if running.desk.control.is_open() => Before::Waiting,
            false => Before::Ordered,
        };
        match running.poll_agent(cx) {
            Poll::Ready(ended) => Poll::Ready(running.judge(ended, before)),
            Poll::Pending if first => {
                running.suspend(cx);
                Poll::Pending
            }
            Poll::Pending if running.seat.has_rung() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
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
