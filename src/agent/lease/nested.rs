//! Waits and nested runs of an attempt, as its slot knows them.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use super::SlotLease;
use crate::agent::ambient;

/// A slot as code of its attempt has it: the agent's own, or that of an attempt in a run nested in it.
#[derive(Clone)]
pub(crate) struct Leased {
    pub(crate) lease: Arc<SlotLease>,
    /// The nested run.
    run: Option<Arc<NestedRun>>,
}

/// A run that is nested in an attempt, as the lease of that attempt knows it. It is read and written under the lock of
/// the lease.
struct NestedRun {
    /// The run in whose attempt it is nested.
    outer: Option<Arc<NestedRun>>,
    /// The waits within it that count.
    waits: AtomicUsize,
    /// Whether the future of the run was dropped: the code that has awaited it goes on, while the run is being stopped.
    is_abandoned: AtomicBool,
}

/// One wait for another launch, as the lease counts it.
#[derive(Debug, Default)]
pub(crate) struct Wait {
    counted: bool,
    key: Option<u64>,
}

impl Leased {
    /// A slot as the code of the agent that was launched has it.
    pub(crate) fn new(lease: Arc<SlotLease>) -> Self {
        Self { lease, run: None }
    }

    /// The same slot as attempts of a run have it that is nested here.
    pub(in crate::agent) fn nested(&self) -> Self {
        let (waits, is_abandoned) = (AtomicUsize::new(0), AtomicBool::new(false));
        let run = NestedRun { outer: self.run.clone(), waits, is_abandoned };
        Self { lease: Arc::clone(&self.lease), run: Some(Arc::new(run)) }
    }

    /// The future of the run was dropped, or has ended. What is being stopped of it waits no more, as far as the slot
    /// is concerned: code of the attempt goes on, and has the slot.
    pub(crate) fn abandon(&self) {
        let Some(run) = &self.run else { return };
        self.lease.change(|state, _| {
            if !run.is_void() {
                let waits = run.waits.load(Ordering::Relaxed);
                run.runs().for_each(|run| run.add(0usize.wrapping_sub(waits)));
                state.waits -= waits;
            }
            run.is_abandoned.store(true, Ordering::Relaxed);
        });
        self.regain_on_blocking_thread(&mut None);
    }

    /// Code of the attempt waits for another launch whose end is not there yet. Says whether the wait is new.
    pub(crate) fn wait_is_pending(&self, wait: &mut Wait) -> bool {
        let is_new = !std::mem::replace(&mut wait.counted, true);
        self.lease.change(|state, _| {
            if is_new && !self.is_void() {
                self.runs().for_each(|run| run.add(1));
                state.waits += 1;
            }
            // Otherwise code that is not gated may have regained the slot since, and waits again.
        });
        is_new
    }

    /// A wait that is counted counts no more.
    fn discount(&self, wait: &mut Wait) {
        if std::mem::take(&mut wait.counted) {
            self.lease.change(|state, _| {
                // Those of a run that was abandoned were discounted with it.
                if !self.is_void() {
                    self.runs().for_each(|run| run.add(usize::MAX));
                    state.waits -= 1;
                }
            });
        }
    }

    /// The end of the other launch is there, or the time of the wait is up. Pending until code may go on after the
    /// wait: at once if the attempt has its slot or still waits elsewhere, and otherwise when it has its slot again.
    pub(crate) fn poll_end_of_wait(&self, wait: &mut Wait, cx: &Context<'_>) -> Poll<()> {
        if !wait.counted && wait.key.is_none() {
            return Poll::Ready(());
        }
        self.discount(wait);
        if self.lease.may_go_on(&mut wait.key, cx.waker()) { Poll::Ready(()) } else { Poll::Pending }
    }

    /// A wait is dropped. If it was the last one and the slot is lent, the next poll of code of the attempt has it
    /// again; on the thread of a blocking agent, whose code goes on without a poll, this does.
    pub(crate) fn drop_wait(&self, wait: &mut Wait) {
        if wait.counted || wait.key.is_some() {
            self.discount(wait);
            self.regain_on_blocking_thread(&mut wait.key);
            self.lease.give_up(&mut wait.key);
        }
    }

    /// Waits until code may go on that has awaited a nested run: where it is not gated, what was lent during the run is
    /// to be had back first.
    pub(crate) async fn regained(&self) {
        struct Blocked<'a>(&'a Arc<SlotLease>, Option<u64>);
        impl Drop for Blocked<'_> {
            fn drop(&mut self) {
                self.0.give_up(&mut self.1);
            }
        }
        let mut blocked = Blocked(&self.lease, None);
        poll_fn(|cx| {
            let Blocked(lease, key) = &mut blocked;
            if lease.may_go_on(key, cx.waker()) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// On the thread of the blocking agent whose slot this is: blocks until the slot is there, unless the attempt still
    /// waits.
    fn regain_on_blocking_thread(&self, key: &mut Option<u64>) {
        let current = ambient::current_on_blocking_thread();
        let is_current = current
            .is_some_and(|cx| cx.lease().is_some_and(|current| Arc::ptr_eq(&current.lease, &self.lease)));
        if is_current && !std::thread::panicking() {
            let waker = ambient::waker_of_this_thread();
            while !self.lease.may_go_on(key, &waker) {
                std::thread::park();
            }
        }
    }

    /// The nested runs from the innermost one outwards.
    fn runs(&self) -> impl Iterator<Item = &NestedRun> {
        self.run.iter().flat_map(|run| run.runs())
    }

    fn is_void(&self) -> bool {
        self.run.as_ref().is_some_and(|run| run.is_void())
    }
}

impl NestedRun {
    fn runs(&self) -> impl Iterator<Item = &NestedRun> {
        std::iter::successors(Some(self), |run| run.outer.as_deref())
    }

    /// Whether waits within it do not count.
    fn is_void(&self) -> bool {
        self.runs().any(|run| run.is_abandoned.load(Ordering::Relaxed))
    }

    /// Adds to the number of waits, modulo its range.
    fn add(&self, waits: usize) {
        self.waits.fetch_add(waits, Ordering::Relaxed);
    }
}
