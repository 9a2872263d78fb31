//! sortie, with launches that wait until they shall run.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sortie::{AgentRef, SledJournal, System, agent_fn};
use tokio::sync::{Notify, Semaphore};

use super::callers::Recorder;

/// A system with a journal on disk whose slots are all taken: by launches of an agent that waits for a gate to open.
/// Whatever else is launched is recorded, and not claimed before that.
pub struct Gate {
    pub system: System,
    job: AgentRef<String, usize>,
    gate: Arc<Semaphore>,
    slots: usize,
}

/// The name of the agent that waits at the gate.
pub const GATE: &str = "gate";

impl Gate {
    /// Starts the system over a fresh journal; `job` is the agent whose launches wait.
    ///
    /// It returns when as many launches as may run at once wait at the gate.
    pub async fn start(path: &Path, slots: usize, job: AgentRef<String, usize>) -> Self {
        let mut builder = System::builder().journal(SledJournal::open(path).expect("a journal can be made"));
        builder.launch_concurrency(slots).most_pending(usize::MAX);
        let (gate, waiting, complete) =
            (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let (theirs, all_wait) = (Arc::clone(&gate), Arc::clone(&complete));
        let gatekeeper = agent_fn(move |(): (), _| {
            let (gate, waiting, complete) =
                (Arc::clone(&theirs), Arc::clone(&waiting), Arc::clone(&complete));
            async move {
                if waiting.fetch_add(1, Ordering::AcqRel) + 1 == slots {
                    complete.notify_one();
                }
                let _open = gate.acquire().await?;
                Ok(())
            }
        });
        let gatekeeper = builder.register(gatekeeper.named(GATE));
        let job = builder.register(job);
        let system = builder.start().await.expect("a system can be started");
        for _ in 0..slots {
            system.launch(&gatekeeper, ()).await.expect("a launch can be recorded");
        }
        all_wait.notified().await;
        Self { system, job, gate, slots }
    }

    /// Lets those at the gate end, and with them begins what waits for their slots.
    pub fn open(&self) {
        self.gate.add_permits(self.slots);
    }

    /// Ends the system. What has not run is still recorded.
    pub async fn end(&self) {
        self.system.shutdown(Duration::ZERO).await.expect("the system is running");
    }
}

/// With `Immediate` durability: a launch is acknowledged when its record is in sled's log and that is synced with
/// `fdatasync`. It then has an id and stands where it is found by that, and by its key if it has one.
impl Recorder for Gate {
    async fn record(&self, job: String) {
        self.system.launch(&self.job, job).await.expect("a launch can be recorded");
    }

    /// One commit for up to 1,000 launches.
    async fn record_all(&self, jobs: Vec<String>) {
        let launches = jobs.into_iter().map(|job| self.system.launch(&self.job, job));
        for ticket in self.system.launch_many(launches).await {
            ticket.expect("a launch can be recorded");
        }
    }
}
