//! The supervisor's alarm clock.

use ractor::ActorRef;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::message::Wake;

/// Wakes the supervisor at one moment: the earliest it was set to. Dropping it unsets it.
#[derive(Default)]
pub(super) struct Timer(Option<(Instant, JoinHandle<()>)>);

impl Timer {
    /// Sets the timer to `at`, unless it will ring before that anyway. One whose moment is not after `now` has rung,
    /// or rings for this very look.
    pub(super) fn set(&mut self, at: Instant, now: Instant, supervisor: &ActorRef<Wake>) {
        if self.0.as_ref().is_some_and(|(set, _)| *set > now && *set <= at) {
            return;
        }
        self.unset();
        let supervisor = supervisor.clone();
        #[expect(clippy::disallowed_methods, reason = "the supervisor's own timer, aborted with it")]
        let task = tokio::spawn(async move {
            tokio::time::sleep_until(at).await;
            // A supervisor that has ended needs no waking.
            let _ = supervisor.send_message(Wake);
        });
        self.0 = Some((at, task));
    }

    fn unset(&mut self) {
        if let Some((_, task)) = self.0.take() {
            task.abort();
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.unset();
    }
}
