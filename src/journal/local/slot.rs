//! Launches and agents, as the ledger has them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::queue::{Queue, Rank, Wait};
use crate::journal::intent::Millis;
use crate::outcome::LaunchId;

/// A launch that has not ended, or that its lane waits for.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    pub(super) agent: u32,
    pub(super) priority: i32,
    /// When it was or will be due; the time of its record if it never waited.
    pub(super) due: Millis,
    pub(super) suspect: bool,
    pub(super) stands: Stands,
    /// The lane that it is in: until it is done, dead or cancelled.
    pub(super) lane: Option<Arc<str>>,
}

/// How a launch stands, as far as the ledger is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stands {
    /// It could start now, if it is its turn in its lane.
    Ready,
    Delayed(Wait),
    Running,
    Parked,
    /// Nobody knows how far it came. It is not pending, but its lane waits for it.
    Ambiguous,
    Over,
}

/// The agents that launches name, each with those that wait.
#[derive(Debug, Default)]
pub(super) struct Agents {
    pub(super) numbers: HashMap<String, u32>,
    pub(super) queues: Vec<Queue>,
}

impl Agents {
    /// Nobody waits yet. Names under which agents were known before stand for their names of today.
    pub(super) fn new(aliases: &BTreeMap<String, String>) -> Self {
        let mut agents = Self::default();
        for (alias, today) in aliases {
            let number = agents.number(today);
            agents.numbers.insert(alias.clone(), number);
        }
        agents
    }

    pub(super) fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = self.queues.len() as u32;
        self.numbers.insert(name.to_owned(), number);
        self.queues.push(Queue::default());
        number
    }

    pub(super) fn known(&self, name: &str) -> Option<&Queue> {
        self.numbers.get(name).map(|number| &self.queues[*number as usize])
    }

    pub(super) fn queue(&mut self, number: u32) -> &mut Queue {
        &mut self.queues[number as usize]
    }
}

impl Slot {
    pub(super) fn rank(&self, id: LaunchId) -> Rank {
        (Reverse(self.priority), self.due, id)
    }

    pub(super) fn runs(&self) -> bool {
        self.stands == Stands::Running
    }

    pub(super) fn is_pending(&self) -> bool {
        !matches!(self.stands, Stands::Ambiguous | Stands::Over)
    }
}
