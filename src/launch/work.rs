//! A launch's attempt as a branch of a run.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::oneshot;

use super::begun::Begun;
use super::bytes::{Runnable, is_unreadable};
use crate::agent::{AgentContext, Body, Gated, SlotLease};
use crate::journal::failpoint::pass;
use crate::outcome::{AgentError, LaunchId};
use crate::supervisor::{Policy, Work};

/// How late a body that does not yield is found out, at most.
const LOOK: Duration = Duration::from_secs(1);

/// Makes the attempts of launches. One for each branch: whether another one follows is decided where the outcome is
/// recorded, and in whichever process then runs.
#[derive(Default)]
pub(super) struct Attempts {
    /// How many of those that are under way have a timeout.
    pub(super) limited: Arc<AtomicUsize>,
}

/// An attempt that is to be made.
pub(super) struct Job {
    pub(super) agent: Runnable,
    pub(super) input: Vec<u8>,
    pub(super) policy: Policy,
    pub(super) slot: Arc<Slot>,
}

/// What an attempt occupies as long as any code of it runs, on whichever thread.
pub(super) struct Slot {
    permit: Permit,
    /// Which attempt it is, and where to note that its body begins.
    attempt: (LaunchId, u32),
    begun: Arc<Begun>,
    /// Dropped with the slot, which tells whoever waits for that.
    _gone: oneshot::Sender<()>,
    _body: Body,
    limited: Option<Arc<AtomicUsize>>,
}

/// What an attempt occupies until no code of it runs and its outcome is durable: its slot, but for the time for which that is
/// lent. The last clone gives it back.
pub(super) struct Permit(Arc<SlotLease>);

impl Permit {
    pub(super) fn new(lease: Arc<SlotLease>) -> Self {
        lease.add_holder();
        Self(lease)
    }

    pub(super) fn lease(&self) -> &Arc<SlotLease> {
        &self.0
    }
}

impl Clone for Permit {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.0))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.leave_holder();
    }
}

impl Slot {
    pub(super) fn new(
        permit: Permit,
        (attempt, begun): ((LaunchId, u32), Arc<Begun>),
        gone: oneshot::Sender<()>,
        body: Body,
        limited: Option<&Arc<AtomicUsize>>,
    ) -> Self {
        let limited = limited.cloned();
        if let Some(limited) = &limited {
            limited.fetch_add(1, Ordering::AcqRel);
        }
        Self { permit, attempt, begun, _gone: gone, _body: body, limited }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // No code of the attempt runs any more: what still waits in its name lends nothing.
        self.permit.lease().finish();
        if let Some(limited) = &self.limited {
            limited.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

impl Work for Attempts {
    type Job = Job;
    type Output = Vec<u8>;

    fn policy<'a>(&'a self, job: &'a Job) -> &'a Policy {
        &job.policy
    }

    fn shortest_timeout(&self) -> Option<Duration> {
        // Timeouts come with the launches. While there are none, nobody needs to look.
        (self.limited.load(Ordering::Acquire) > 0).then_some(LOOK)
    }

    fn copy(&self, _: &Job) -> Option<Job> {
        None
    }

    fn start<'a>(&'a self, job: Job, cx: AgentContext) -> BoxFuture<'a, Result<Vec<u8>, AgentError>> {
        let Job { agent, input, slot, .. } = job;
        Box::pin(async move {
            // Outlives the agent's code, and what that leaves running.
            let slot = slot;
            pass("launch.before_body")?;
            let (id, attempt) = slot.attempt;
            if !slot.begun.begin(id, attempt) {
                return Err(AgentError::fatal("it was given back before it began"));
            }
            let lease = Arc::clone(slot.permit.lease());
            let output = Gated::of_launch(lease, || agent.attempt_owned(input, cx)).await;
            pass("launch.after_body")?;
            // Here, where it costs this attempt if the error does not return from being formatted or dropped.
            output.map_err(|error| if is_unreadable(&error) { error } else { error.into_text() })
        })
    }
}
