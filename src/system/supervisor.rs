//! Named supervisors, before they are started.

use std::sync::Arc;

use crate::agent::AgentRef;
use crate::policy::Intensity;
use crate::supervisor::tree::{Hosted, IntoResident, Owned, Service, Supervisor};

/// A named supervisor that is being built; [`Builder::supervisor`](crate::Builder::supervisor) gives it.
///
/// A supervisor owns residents: long-lived actors that are started with the system and restarted, one for one and at
/// once, when they die. If they die more often than its [intensity](SupervisorBuilder::intensity) allows, the supervisor
/// fails: its remaining residents are killed, and the root starts it afresh, with all of them. Supervisors isolate
/// residents from each other: what dies too often takes down only what stands beside it.
#[derive(Debug)]
pub struct SupervisorBuilder {
    pub(super) name: Arc<str>,
    intensity: Intensity,
    residents: Vec<Owned>,
    /// The agents whose launches run under it.
    pub(super) agents: Vec<Arc<str>>,
    pub(super) launch_concurrency: Option<usize>,
}

impl SupervisorBuilder {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            intensity: Intensity::default(),
            residents: Vec::new(),
            agents: Vec::new(),
            launch_concurrency: None,
        }
    }

    pub(super) fn has_residents(&self) -> bool {
        !self.residents.is_empty()
    }

    /// How many deaths of residents in how long the supervisor puts up with; 3 in 5 s unless set. All its residents count
    /// together.
    pub fn intensity(&mut self, intensity: Intensity) -> &mut Self {
        self.intensity = intensity;
        self
    }

    /// Gives the supervisor a resident, which [`actor::resident`](crate::actor::resident) makes, and gives back the agent
    /// through which it is called.
    ///
    /// Residents start in the order in which they are given, when the system starts.
    pub fn resident<I, O>(&mut self, resident: impl IntoResident<I, O>) -> AgentRef<I, O> {
        let (resident, agent) = resident.into_resident();
        self.residents.push(Owned::new(resident));
        agent
    }

    /// Launches of this agent run under this supervisor, and not under `main`: they share no slots with those of others,
    /// and what goes wrong there does not touch them. Recorded is nothing of that, so an agent may change its supervisor
    /// from one start of the system to the next. In a system without a journal, nothing runs so.
    ///
    /// An agent that is not registered with the builder, or that two supervisors are given, makes
    /// [`start`](crate::Builder::start) fail.
    ///
    /// ```
    /// use sortie::{MemoryJournal, System, agent_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let mut builder = System::builder().journal(MemoryJournal::new());
    /// let mail = builder.register(agent_fn(|to: String, _| async move { Ok(to) }).named("mail"));
    /// builder.supervisor("post office").launches_of(&mail).launch_concurrency(4);
    /// let system = builder.start().await?;
    /// # Ok(()) }
    /// ```
    pub fn launches_of<I, O>(&mut self, agent: &AgentRef<I, O>) -> &mut Self {
        self.agents.push(agent.shared_name());
        self
    }

    /// How many launches run at once under this supervisor; as many as the
    /// [builder](crate::Builder::launch_concurrency) says unless set. `usize::MAX` means that there is no limit.
    ///
    /// # Panics
    /// If `limit` is zero.
    #[track_caller]
    pub fn launch_concurrency(&mut self, limit: usize) -> &mut Self {
        assert!(limit > 0, "at least 1 launch must be able to run: leave the agents out for none");
        self.launch_concurrency = Some(limit);
        self
    }

    /// Gives the supervisor a service.
    pub(super) fn host(&mut self, service: Arc<dyn Service>) {
        self.residents.push(Owned::new(Arc::new(Hosted::new(service))));
    }

    pub(super) fn build(self) -> Supervisor {
        Supervisor::new(self.name, self.intensity, self.residents)
    }
}
