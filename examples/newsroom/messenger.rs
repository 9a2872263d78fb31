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

/// Sending is limited apart from `--timeout`, as reading is: a disk that is slow is no fault, and what is cut short must be
/// tried again.
const POST_LIMIT: Duration = Duration::from_secs(30);

/// Sends one notification. It is launched, so its attempts are recorded and go on in the next process.
pub(crate) struct Messenger {
    post: AgentRef<(Notification, LaunchId), ()>,
    faults: Faults,
    pace: Duration,
    timeout: Duration,
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
    /// The agent as it is registered, which notes in `sent` what it has sent. Its attempts and their limit are recorded with
    /// each launch.
    pub(crate) fn agent(
        outbox: Outbox,
        faults: Faults,
        pace: Duration,
        timeout: Duration,
        sent: Sent,
    ) -> AgentRef<Notification, ()> {
        // On blocking threads, so that a slow disk holds up no other agent.
        let post = sortie::blocking(move |(notification, launch): (Notification, LaunchId), _| {
            // Noted here, where nothing is cut short: an attempt that exceeds its limit has sent it all the same.
            if outbox.post(&notification, launch)? == Posted::Now {
                sent.note(launch);
            }
            Ok(())
        });
        let post = AgentRef::new(post.named("post"));
        let backoff = Backoff::exponential(Duration::from_millis(20));
        AgentRef::new(Self { post, faults, pace, timeout })
            .timeout(timeout + pace + POST_LIMIT)
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
        // What hangs does so as a peer would that does not answer: whoever calls one has a limit for that.
        let fault = self.faults.inject(&notification.document, self.name(), cx.attempt());
        tokio::time::timeout(self.timeout, fault).await.map_err(|_| "no answer")??;
        tokio::time::sleep(self.pace).await;
        // As text, because a failure of nested work is final: the attempts of a launch are recorded, those of what is
        // nested in it are not, so it is the launch that tries again.
        let posted = cx.ask(&self.post, (notification, launch)).await;
        posted.map_err(|failure| AgentError::retry(format!("{failure:#}")))
    }
}
