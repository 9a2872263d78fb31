//! A wait of a launch for another one, during which it lends its slot.

use std::future::Future;
use std::pin::Pin;
use std::sync::Weak;
use std::task::{Context, Poll};

use crate::agent::{Leased, SlotLease, Wait, ambient};
use crate::journal::{Journal, LaunchStatus};
use crate::outcome::LaunchId;

/// The slot of the launch in whose code this is called, or else of the one that has made the ticket: a task that the
/// agent has spawned is not known as its code.
pub(super) fn lease_of(owner: &Weak<SlotLease>) -> Option<Leased> {
    ambient::current().and_then(|cx| cx.lease().cloned()).or_else(|| owner.upgrade().map(Leased::new))
}

/// Waits for another launch with `inner`, and lends the slot of `lease` as long as that is not there.
pub(super) async fn wait<T>(
    journal: &dyn Journal,
    leased: Option<Leased>,
    other: LaunchId,
    inner: impl Future<Output = T> + Send,
) -> T {
    let Some(leased) = leased else { return inner.await };
    let behind_in_lane = is_behind_in_lane(journal, &leased.lease, other).await;
    let inner: Pin<Box<dyn Future<Output = T> + Send + '_>> = Box::pin(inner);
    LaunchWait { inner, output: None, leased, other, behind_in_lane, wait: Wait::default(), begun: None }
        .await
}

/// Whether the other launch stands in the same lane behind this one, and so cannot start before this one has ended.
async fn is_behind_in_lane(journal: &dyn Journal, lease: &SlotLease, other: LaunchId) -> bool {
    let Some(lane) = lease.lane() else { return false };
    // What cannot be read is said by the wait itself.
    let Ok(Some(record)) = journal.get(other).await else { return false };
    let waits = matches!(record.status, LaunchStatus::Pending | LaunchStatus::Parked);
    waits && other > lease.launch() && record.terms.lane.as_deref() == Some(&**lane)
}

struct LaunchWait<'a, T> {
    inner: Pin<Box<dyn Future<Output = T> + Send + 'a>>,
    output: Option<T>,
    leased: Leased,
    other: LaunchId,
    behind_in_lane: bool,
    wait: Wait,
    /// Whether the wait cannot end, once it has begun.
    begun: Option<bool>,
}

/// The output is only kept.
impl<T> Unpin for LaunchWait<'_, T> {}

impl<T> LaunchWait<'_, T> {
    fn lease(&self) -> &SlotLease {
        &self.leased.lease
    }

    fn begin(&mut self) {
        let unending = self.lease().pool().wait_begins(self.lease(), self.other, self.behind_in_lane);
        self.begun = Some(unending);
        if unending && self.lease().note_unending(self.other) {
            let why = match self.behind_in_lane {
                true => "the other one stands behind it in its lane",
                false if self.other == self.lease().launch() => "that is itself",
                false => "the other one waits for it",
            };
            log_warn!(
                launch = %self.lease().launch(),
                waits_for = %self.other,
                why,
                "a launch waits for another one that cannot end before it"
            );
        }
    }

    fn end(&mut self) {
        if let Some(unending) = self.begun.take() {
            self.lease().pool().wait_ends(self.lease(), self.other, unending);
        }
    }
}

impl<T> Future for LaunchWait<'_, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let this = &mut *self;
        if this.output.is_none() {
            match this.inner.as_mut().poll(cx) {
                Poll::Ready(output) => {
                    this.output = Some(output);
                    this.end();
                }
                Poll::Pending => {
                    if this.leased.wait_is_pending(&mut this.wait) {
                        this.begin();
                    }
                    return Poll::Pending;
                }
            }
        }
        if this.leased.poll_end_of_wait(&mut this.wait, cx).is_pending() {
            return Poll::Pending;
        }
        this.output.take().map_or(Poll::Pending, Poll::Ready)
    }
}

impl<T> Drop for LaunchWait<'_, T> {
    fn drop(&mut self) {
        self.end();
        self.leased.drop_wait(&mut self.wait);
    }
}
