//! Which runs there are, and whether another one may start.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Tree;
use crate::supervisor::run::Bench;
use crate::supervisor::run::Crew;
use crate::supervisor::run::Stop;
use crate::sync::lock;

/// How far the life of a system has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Phase {
    /// Everything goes on.
    Running,
    /// It shuts down: what runs may go on for a while, nothing new starts but what is nested in it.
    Draining,
    /// It shuts down: what runs is being stopped.
    Stopping,
    /// Nothing runs any more.
    Ended,
}

/// The runs of a system, and how far its life has come.
pub(crate) struct Gate {
    state: Mutex<State>,
    /// Whether runs are being stopped, or have been: what the phase says, for those who look at every failure.
    is_stopping: AtomicBool,
    drain: CancellationToken,
}

struct State {
    phase: Phase,
    drain_until: Option<Instant>,
    runs: HashMap<u64, Entry>,
    next: u64,
    /// What services have still to do before the system may end.
    errands: usize,
    /// Launches that a shutdown has given back.
    handed_back: usize,
    /// Runs that ended because they were stopped at a shutdown.
    cut_short: usize,
    /// Benches whose run has ended, but where something still runs.
    left: Vec<Arc<Bench>>,
}

struct Entry {
    crew: Weak<dyn Crew>,
    standing: Standing,
}

/// Whose run it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::supervisor) enum Standing {
    /// A caller's.
    Caller,
    /// Another run's of the same system, in whose attempt it is nested.
    Nested,
    /// A service's of the system: a shutdown waits for what is under way in it, and does not count it.
    Service,
}

impl Default for Gate {
    fn default() -> Self {
        let (phase, runs, left) = (Phase::Running, HashMap::new(), Vec::new());
        let (drain_until, next, errands, handed_back, cut_short) = (None, 0, 0, 0, 0);
        let state = State { phase, drain_until, runs, next, errands, handed_back, cut_short, left };
        Self {
            state: Mutex::new(state),
            is_stopping: AtomicBool::new(false),
            drain: CancellationToken::new(),
        }
    }
}

impl Gate {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub(crate) fn phase(&self) -> Phase {
        self.state().phase
    }

    /// How many runs there are, those that are nested in others included, and without those of services.
    pub(crate) fn runs(&self) -> usize {
        self.state().runs.values().filter(|run| run.standing != Standing::Service).count()
    }

    /// Counts launches that were given back.
    pub(crate) fn hand_back(&self, launches: usize) {
        self.state().handed_back += launches;
    }

    /// How many launches were given back by a shutdown.
    pub(super) fn handed_back(&self) -> usize {
        self.state().handed_back
    }

    /// How many bodies of ended runs still run.
    pub(crate) fn not_stopped(&self) -> usize {
        let mut state = self.state();
        state.forget_what_has_stopped();
        state.left.iter().map(|bench| bench.running()).sum()
    }

    /// How many runs were cut short by a shutdown.
    pub(super) fn cut_short(&self) -> usize {
        self.state().cut_short
    }

    /// When draining ends, once it has begun.
    pub(super) fn drain_until(&self) -> Option<Instant> {
        self.state().drain_until
    }

    /// Lets nothing new start from now on. The earliest end counts.
    pub(super) fn drain(&self, until: Instant) {
        let mut state = self.state();
        state.phase = state.phase.max(Phase::Draining);
        state.drain_until = Some(state.drain_until.map_or(until, |set| set.min(until)));
        drop(state);
        self.drain.cancel();
    }

    /// Waits for the order to shut down.
    pub(crate) async fn drain_begins(&self) {
        self.drain.cancelled().await;
    }

    /// Whether the runs that were to be waited for have ended. What is nested ends with what it is nested in.
    pub(super) fn is_drained(&self) -> bool {
        self.state().runs.values().all(|run| run.standing == Standing::Nested)
    }

    /// Whether no run is left, and nothing that a service has still to do.
    pub(super) fn is_empty(&self) -> bool {
        let state = self.state();
        state.runs.is_empty() && state.errands == 0
    }

    /// Stops every run. Nothing starts from now on.
    pub(super) fn stop(&self) {
        let runs: Vec<_> = {
            let mut state = self.state();
            state.phase = state.phase.max(Phase::Stopping);
            // Before any run is told, and before one that is nested is refused: an attempt may hear of both first.
            self.is_stopping.store(true, Ordering::SeqCst);
            state.runs.values().filter_map(|run| Some((run.crew.upgrade()?, run.standing))).collect()
        };
        // Where there was no order to shut down: a failure is more than that to whoever waits for one.
        self.drain.cancel();
        // Without the lock: a run that is stopped may end at once, and with it its admission.
        let stopped = runs.iter().filter(|(run, _)| run.control().stop(Stop::ShutDown));
        let cut = stopped.filter(|(_, standing)| *standing == Standing::Caller).count();
        self.state().cut_short += cut;
    }

    /// Whether runs are being stopped, or have been.
    pub(in crate::supervisor) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::SeqCst)
    }

    pub(super) fn close(&self) {
        let mut state = self.state();
        state.phase = Phase::Ended;
        self.is_stopping.store(true, Ordering::SeqCst);
    }
}

impl State {
    fn forget_what_has_stopped(&mut self) {
        self.left.retain(|bench| bench.running() > 0);
    }
}

/// The leave for one run to be there, until it is dropped: by the run's supervisor, when that ends.
pub(crate) struct Admission {
    tree: Arc<Tree>,
    number: u64,
}

impl Tree {
    /// Lets a run in, unless the system shuts down: then only one that is nested in another run, as long as that may go on.
    pub(in crate::supervisor) fn admit(
        self: &Arc<Self>,
        crew: &Arc<dyn Crew>,
        standing: Standing,
    ) -> Option<Admission> {
        let mut state = self.gate.state();
        let open =
            state.phase == Phase::Running || standing == Standing::Nested && state.phase == Phase::Draining;
        if !open {
            return None;
        }
        let number = state.next;
        state.next += 1;
        state.runs.insert(number, Entry { crew: Arc::downgrade(crew), standing });
        Some(Admission { tree: Arc::clone(self), number })
    }
}

/// What a service has still to do: until it is dropped, the system does not end.
pub(crate) struct Errand(Arc<Tree>);

impl Tree {
    pub(crate) fn begin_errand(self: &Arc<Self>) -> Errand {
        self.gate.state().errands += 1;
        Errand(Arc::clone(self))
    }
}

impl Drop for Errand {
    fn drop(&mut self) {
        let mut state = self.0.gate.state();
        state.errands -= 1;
        let waited_for = state.phase > Phase::Running;
        drop(state);
        if waited_for {
            self.0.wake();
        }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        let mut state = self.tree.gate.state();
        let run = state.runs.remove(&self.number).and_then(|run| run.crew.upgrade());
        if let Some(run) = &run {
            let running = run.running_benches();
            if !running.is_empty() {
                state.forget_what_has_stopped();
                state.left.extend(running);
            }
        }
        let waited_for = state.phase > Phase::Running;
        // A run may be dropped here, and with it values of the user's.
        drop(state);
        drop(run);
        if waited_for {
            self.tree.wake();
        }
    }
}
