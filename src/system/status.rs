//! What a system is doing.

use std::fmt;
use std::time::Duration;

use humantime::format_duration;
use tokio::time::Instant;

use crate::journal::LaunchCounts;
use crate::launch::{LaunchSlots, Launcher, SlotCounts};
use crate::supervisor::tree::{Phase, Resident, Supervisor, Tree};
use crate::user_code::printable;

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
    /// The launches that run under it; `None` if it runs none.
    pub launches: Option<LaunchesStatus>,
}

/// What the launches of a supervisor are doing that have begun.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LaunchesStatus {
    /// The slots of all of them.
    pub slots: SlotStatus,
    /// The slots of each agent that has a [limit of its own](crate::Builder::launch_concurrency_of), sorted by name.
    pub agents: Vec<(String, SlotStatus)>,
    /// For how long every slot has been held without any attempt beginning, ending, lending its slot or having it back;
    /// `None` while a slot is free. After a minute of it a warning in the log names some of the launches that hold the
    /// slots.
    pub stalled: Option<Duration>,
    /// How many waits of launches for other launches there are that cannot end: a launch waits for itself, or launches
    /// wait for each other, or one waits for another one that stands behind it in its lane. Each was said in the log
    /// when it began.
    pub unending_waits: usize,
}

/// What the slots of launches are doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SlotStatus {
    /// How many there are; `None` if there is no limit.
    pub limit: Option<usize>,
    /// How many attempts have one.
    pub held: usize,
    /// How many attempts have lent theirs, because they wait for other launches.
    pub waiting: usize,
    /// How many attempts want theirs back, because what they have waited for is there.
    pub returning: usize,
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
        let launcher = Launcher::of(tree);
        let supervisors = tree.supervisors.iter().map(|supervisor| {
            let slots = launcher.as_ref().and_then(|launcher| launcher.slots(supervisor.name()));
            SupervisorStatus::of(supervisor, slots)
        });
        Self {
            phase: tree.phase(),
            runs: tree.gate.runs(),
            not_stopped: tree.gate.not_stopped(),
            agents,
            launches: launcher.as_ref().and_then(|launcher| launcher.journal().counts()),
            supervisors: supervisors.collect(),
        }
    }
}

impl SupervisorStatus {
    fn of(supervisor: &Supervisor, slots: Option<&LaunchSlots>) -> Self {
        Self {
            name: supervisor.name().to_owned(),
            restarts: supervisor.restarts(),
            deaths: supervisor.deaths(),
            last_death: supervisor.last_death(),
            residents: supervisor.residents().map(|resident| ResidentStatus::of(&**resident)).collect(),
            launches: slots.map(LaunchesStatus::of),
        }
    }
}

impl LaunchesStatus {
    fn of(slots: &LaunchSlots) -> Self {
        let agents = slots.of_agents().into_iter();
        Self {
            slots: SlotStatus::of(slots.all()),
            agents: agents.map(|(agent, slots)| (agent.as_ref().to_owned(), SlotStatus::of(slots))).collect(),
            stalled: slots.full_since().map(|since| Instant::now().saturating_duration_since(since)),
            unending_waits: slots.unending(),
        }
    }
}

impl SlotStatus {
    fn of(SlotCounts { limit, held, lent, queued }: SlotCounts) -> Self {
        Self { limit, held, waiting: lent, returning: queued }
    }
}

impl ResidentStatus {
    fn of(resident: &dyn Resident) -> Self {
        Self { name: resident.name().to_owned(), instances: resident.instances(), alive: resident.alive() }
    }
}

impl fmt::Display for SlotStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { limit, held, waiting, returning } = self;
        match limit {
            Some(limit) => write!(f, "{held} of {limit} slots held")?,
            None => write!(f, "{held} slots held, no limit")?,
        }
        write!(f, " waiting={waiting} returning={returning}")
    }
}

impl fmt::Display for LaunchesStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "launches: {}", self.slots)?;
        if let Some(stalled) = self.stalled {
            write!(f, " stalled={}", format_duration(Duration::from_secs(stalled.as_secs())))?;
        }
        if self.unending_waits > 0 {
            write!(f, " unending_waits={}", self.unending_waits)?;
        }
        Ok(())
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
            write!(f, "\n  supervisor {}: restarts={restarts} deaths={deaths}", printable(name))?;
            if let Some(last) = &supervisor.last_death {
                write!(f, " last: {}", printable(last))?;
            }
            if let Some(launches) = &supervisor.launches {
                write!(f, "\n    {launches}")?;
                for (agent, slots) in &launches.agents {
                    write!(f, "\n      agent {agent:?}: {slots}")?;
                }
            }
            for ResidentStatus { name, instances, alive } in &supervisor.residents {
                write!(f, "\n    resident {}: {alive} of {instances} alive", printable(name))?;
            }
        }
        Ok(())
    }
}
