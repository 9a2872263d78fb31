//! The agent that notifies.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sortie::{Agent, AgentContext, AgentError, AgentRef, Backoff, LaunchId, Restart};

use crate::faults::Faults;
use crate::notification::Notification;
use crate::outbox::{Outbox, Posted};

/// How many attempts a notification has, over all processes. The faults that the README injects hit seven attempts of ten:
/// the default of five would leave a sixth of the notifications dead.
const ATTEMPTS: u32 = 8;

/// Sends one notification. It is launched, so its attempts are recorded and go on in the next process.
pub(crate) struct Messenger {
    post: AgentRef<(Notification, LaunchId), Posted>,
    faults: Faults,
    pace: Duration,
    sent: Sent,
}

/// The launches whose notifications were sent by this process.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sent(Arc<Mutex<HashSet<LaunchId>>>);

impl Sent {
    fn note(&self, launch: LaunchId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(launch);
    }

    pub(crate) fn has(&self, launch: LaunchId) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&launch)
    }

    pub(crate) fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl Messenger {
    /// The agent as it is registered. What is said here of attempts and their limit is recorded with each launch; a
    /// notification takes `pace`, so the limit comes on top.
    pub(crate) fn agent(
        outbox: Outbox,
        faults: Faults,
        pace: Duration,
        timeout: Duration,
        sent: Sent,
    ) -> AgentRef<Notification, ()> {
        // On blocking threads, so that a slow disk holds up no other agent.
        let post = sortie::blocking(move |(notification, launch): (Notification, LaunchId), _| {
            outbox.post(&notification, launch).map_err(AgentError::retry)
        });
        let post = AgentRef::new(post.named("post"));
        let backoff = Backoff::exponential(Duration::from_millis(20));
        AgentRef::new(Self { post, faults, pace, sent })
            .timeout(pace + timeout)
            .restart(Restart::attempts(ATTEMPTS).backoff(backoff))
    }
}

impl Agent for Messenger {
    type Input = Notification;
    type Output = ();

    fn name(&self) -> &str {
        "notify"
    }

    async fn run(&self, notification: Notification, cx: AgentContext) -> Result<(), AgentError> {
        let launch = cx.launch_id().ok_or("a notification is launched, not asked for")?;
        self.faults.inject(&notification.document, self.name(), cx.attempt()).await?;
        tokio::time::sleep(self.pace).await;
        // As text, because a failure of nested work is final: the attempts of a launch are recorded, those of what is
        // nested in it are not, so it is the launch that tries again.
        let posted = cx.ask(&self.post, (notification, launch)).await;
        match posted.map_err(|failure| AgentError::retry(format!("{failure:#}")))? {
            Posted::Now => self.sent.note(launch),
            Posted::Before => {}
        }
        Ok(())
    }
}
