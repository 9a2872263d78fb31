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
}

impl SupervisorBuilder {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.into(), intensity: Intensity::default(), residents: Vec::new() }
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

    /// Gives the supervisor a service.
    pub(super) fn host(&mut self, service: Arc<dyn Service>) {
        self.residents.push(Owned::new(Arc::new(Hosted::new(service))));
    }

    pub(super) fn build(self) -> Supervisor {
        Supervisor::new(self.name, self.intensity, self.residents)
    }
}
