//! The future of an attempt that is polled only while the attempt has its slot.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;

use super::lease::SlotLease;

/// The future of the agent of a launch, or of an attempt of a run that is nested in one. It is made and polled only
/// while the launch has its slot: a poll that finds the slot lent asks for it and is made when the slot is there.
///
/// So what the code waits with makes no difference: it may join waits, select among them, limit them or drop them.
pub(crate) struct Gated<'a, T, M> {
    lease: Arc<SlotLease>,
    /// Under which it waits for the slot, while it does.
    key: Option<u64>,
    make: Option<M>,
    future: Option<BoxFuture<'a, T>>,
    /// Whether the attempt has finished when this has.
    is_outermost: bool,
}

impl<'a, T, M: FnOnce() -> BoxFuture<'a, T>> Gated<'a, T, M> {
    /// The future of the agent that was launched.
    pub(crate) fn of_launch(lease: Arc<SlotLease>, make: M) -> Self {
        Self { lease, key: None, make: Some(make), future: None, is_outermost: true }
    }

    /// The future of an attempt that is nested in it.
    pub(crate) fn nested(lease: Arc<SlotLease>, make: M) -> Self {
        Self { lease, key: None, make: Some(make), future: None, is_outermost: false }
    }
}

/// Nothing in it is pinned but the box.
impl<T, M> Unpin for Gated<'_, T, M> {}

impl<'a, T, M: FnOnce() -> BoxFuture<'a, T>> Future for Gated<'a, T, M> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let Self { lease, key, make, future, is_outermost } = &mut *self;
        if !lease.enter(key, cx) {
            return Poll::Pending;
        }
        // Also if the code panics.
        let mut inside = Inside { lease, finishes: *is_outermost };
        if let Some(make) = make.take() {
            *future = Some(make());
        }
        let Some(future) = future else { return Poll::Pending };
        let polled = future.as_mut().poll(cx);
        inside.finishes &= polled.is_ready();
        polled
    }
}

impl<T, M> Drop for Gated<'_, T, M> {
    fn drop(&mut self) {
        self.lease.give_up(&mut self.key);
    }
}

/// A poll that is in progress.
struct Inside<'a> {
    lease: &'a Arc<SlotLease>,
    finishes: bool,
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        if self.finishes {
            self.lease.finish();
        }
        self.lease.leave();
    }
}
