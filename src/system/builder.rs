//! What a system is made of.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::handle::System;
use super::json::{Registrable, json_view};
use super::start_error::{Problem, StartError};
use super::supervisor::SupervisorBuilder;
use crate::agent::AgentRef;
use crate::policy::Intensity;
use crate::supervisor::tree::{Parent, Tree};

/// Collects what a system is made of; [`start`](Builder::start) reports all that is wrong with it at once.
/// [`System::builder`] makes it.
#[derive(Default)]
#[must_use = "a builder does nothing until it is started"]
pub struct Builder {
    agents: BTreeMap<String, AgentRef<Value, Value>>,
    supervisors: Vec<SupervisorBuilder>,
    intensity: Intensity,
    parent: Option<Parent>,
    problems: Vec<Problem>,
}

impl Builder {
    /// Makes an agent known by its name, as [`System::agent`] gives it: called with JSON.
    ///
    /// Gives back the typed agent. To give the JSON view a timeout or a restart policy, register an [`AgentRef`] that has
    /// them; what is set on the returned reference belongs to that reference. Only agents that shall be found by their
    /// name need to be registered: any other agent runs in a system just as well.
    ///
    /// Two agents of one name, or one without a name, make [`start`](Builder::start) fail.
    pub fn register<R: Registrable>(&mut self, agent: R) -> AgentRef<R::Input, R::Output> {
        let agent = agent.into_ref();
        let name = agent.name().to_owned();
        if name.is_empty() {
            self.problems.push(Problem::NamelessAgent);
        } else if self.agents.insert(name.clone(), json_view(&agent)).is_some() {
            self.problems.push(Problem::DuplicateAgent(name));
        }
        agent
    }

    /// The supervisor with this name: a new one, or the one that was built under this name before.
    ///
    /// ```
    /// use std::time::Duration;
    /// use sortie::{Intensity, System};
    ///
    /// let mut builder = System::builder();
    /// builder.supervisor("mail").intensity(Intensity::new(5, Duration::from_secs(60)));
    /// ```
    pub fn supervisor(&mut self, name: &str) -> &mut SupervisorBuilder {
        let known = self.supervisors.iter().position(|supervisor| supervisor.name.as_ref() == name);
        let position = known.unwrap_or_else(|| {
            if name.is_empty() {
                self.problems.push(Problem::NamelessSupervisor);
            }
            self.supervisors.push(SupervisorBuilder::new(name));
            self.supervisors.len() - 1
        });
        &mut self.supervisors[position]
    }

    /// How many deaths of supervisors in how long the root puts up with; 3 in 5 s unless set. Beyond that the system ends
    /// with an error, which [`System::wait`] returns.
    pub fn intensity(&mut self, intensity: Intensity) -> &mut Self {
        self.intensity = intensity;
        self
    }

    /// Links the root under an actor of the user's.
    pub(crate) fn link(&mut self, parent: Parent) {
        self.parent = Some(parent);
    }

    /// Starts the system: the root, then each supervisor with its residents, in the order in which they were built.
    ///
    /// # Errors
    /// [`StartError`], if something is wrong with what was built, or if a resident did not start. Nothing is running then.
    ///
    /// # Cancel safety
    /// If the future is dropped, what has been started is stopped.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn start(self) -> Result<System, StartError> {
        if !self.problems.is_empty() {
            return Err(StartError::new(self.problems));
        }
        let supervisors = self.supervisors.into_iter().map(SupervisorBuilder::build).collect();
        match Tree::start(supervisors, self.intensity, self.parent).await {
            Ok(tree) => Ok(System::new(tree, self.agents)),
            Err(problem) => Err(StartError::new(vec![Problem::Supervisor(problem)])),
        }
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("agents", &self.agents.keys())
            .field("supervisors", &self.supervisors)
            .field("intensity", &self.intensity)
            .finish_non_exhaustive()
    }
}
