//! The supervisor's alarm clock.

use ractor::ActorRef;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::clock;
use super::message::Wake;

/// Wakes the supervisor at one moment: the earliest it was set to. Dropping it unsets it.
#[derive(Default)]
pub(super) struct Timer {
    set: Option<(Instant, TimerHandle)>,
    /// Whether the runtime is known to have a timer.
    by_runtime: bool,
}

enum TimerHandle {
    Runtime(JoinHandle<()>),
    Clock { _alarm: Option<clock::ClockAlarm> },
}

impl Drop for TimerHandle {
    fn drop(&mut self) {
        if let Self::Runtime(task) = self {
            task.abort();
        }
    }
}

impl Timer {
    /// `by_runtime` says whether the runtime is known to have a timer. Otherwise the timer works without one.
    pub(super) fn new(by_runtime: bool) -> Self {
        Self { set: None, by_runtime }
    }

    /// Sets the timer to `at`, unless it will ring before that anyway. One whose moment is not after `now` has rung,
    /// or rings for this very look.
    pub(super) fn set(&mut self, at: Instant, now: Instant, supervisor: &ActorRef<Wake>) {
        if self.set.as_ref().is_some_and(|(set, _)| *set > now && *set <= at) {
            return;
        }
        self.set = None;
        let supervisor = supervisor.clone();
        let alarm = if self.by_runtime || !is_clock_real() {
            #[expect(clippy::disallowed_methods, reason = "the supervisor's own timer, aborted with it")]
            let task = tokio::spawn(async move {
                tokio::time::sleep_until(at).await;
                // A supervisor that has ended needs no waking.
                let _ = supervisor.send_message(Wake);
            });
            TimerHandle::Runtime(task)
        } else {
            TimerHandle::Clock { _alarm: clock::ClockAlarm::set(at.into_std(), supervisor) }
        };
        self.set = Some((at, alarm));
    }
}

/// Whether tokio's clock is that of the machine. Where it was paused it is not, and where it could be paused there is a
/// timer.
fn is_clock_real() -> bool {
    let before = std::time::Instant::now();
    let told = Instant::now().into_std();
    before <= told && told <= std::time::Instant::now()
}
