//! What a system is doing.

use std::fmt;

use crate::journal::LaunchCounts;
use crate::launch::Launcher;
use crate::supervisor::tree::{Phase, Resident, Supervisor, Tree};

/// What a system is doing, at one moment. [`System::status`](crate::System::status) tells.
///
/// `{}` prints it as lines for people.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// How far its life has come.
    pub phase: Phase,
    /// How many runs it answers for, nested ones included.
    pub runs: usize,
    /// How many bodies of runs that have ended still run: code that did not yield when it was told to stop.
    pub not_stopped: usize,
    /// The names of the registered agents, sorted.
    pub agents: Vec<String>,
    /// The named supervisors, in the order in which they were built.
    pub supervisors: Vec<SupervisorStatus>,
    /// How many launches stand how, if there is a journal and it can tell.
    pub launches: Option<LaunchCounts>,
}

/// What a named supervisor is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SupervisorStatus {
    /// Its name.
    pub name: String,
    /// How often its actor has died and was restarted.
    pub restarts: u32,
    /// How many of its residents have died.
    pub deaths: u32,
    /// Which of them died last, and of what.
    pub last_death: Option<String>,
    /// Its residents.
    pub residents: Vec<ResidentStatus>,
}

/// What the actors of a resident pool are doing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResidentStatus {
    /// The resident's name.
    pub name: String,
    /// How many actors there shall be.
    pub instances: usize,
    /// How many there are.
    pub alive: usize,
}

impl Status {
    /// The supervisor with this name.
    pub fn supervisor(&self, name: &str) -> Option<&SupervisorStatus> {
        self.supervisors.iter().find(|supervisor| supervisor.name == name)
    }

    pub(super) fn of(tree: &Tree, agents: Vec<String>) -> Self {
        Self {
            phase: tree.phase(),
            runs: tree.gate.runs(),
            not_stopped: tree.gate.not_stopped(),
            agents,
            launches: Launcher::of(tree).and_then(|launcher| launcher.journal().counts()),
            supervisors: tree.supervisors.iter().map(|supervisor| SupervisorStatus::of(supervisor)).collect(),
        }
    }
}

impl SupervisorStatus {
    fn of(supervisor: &Supervisor) -> Self {
        Self {
            name: supervisor.name().to_owned(),
            restarts: supervisor.restarts(),
            deaths: supervisor.deaths(),
            last_death: supervisor.last_death(),
            residents: supervisor.residents().map(|resident| ResidentStatus::of(&**resident)).collect(),
        }
    }
}

impl ResidentStatus {
    fn of(resident: &dyn Resident) -> Self {
        Self { name: resident.name().to_owned(), instances: resident.instances(), alive: resident.alive() }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { phase, runs, not_stopped, .. } = self;
        write!(f, "{phase:?}: runs={runs} not_stopped={not_stopped} agents={}", self.agents.len())?;
        if let Some(LaunchCounts { pending, parked, running, dead, ambiguous, .. }) = self.launches {
            write!(
                f,
                "\n  launches: pending={pending} parked={parked} running={running} dead={dead} ambiguous={ambiguous}"
            )?;
        }
        for supervisor in &self.supervisors {
            let SupervisorStatus { name, restarts, deaths, .. } = supervisor;
            write!(f, "\n  supervisor {name}: restarts={restarts} deaths={deaths}")?;
            if let Some(last) = &supervisor.last_death {
                write!(f, " last: {last}")?;
            }
            for ResidentStatus { name, instances, alive } in &supervisor.residents {
                write!(f, "\n    resident {name}: {alive} of {instances} alive")?;
            }
        }
        Ok(())
    }
}
