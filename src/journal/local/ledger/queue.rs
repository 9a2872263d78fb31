//! The launches of one agent that wait for their next attempt: for a slot, or for a time.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use super::now::Now;
use super::waits::Wait;
use crate::journal::contract::Scope;
use crate::journal::intent::Millis;
use crate::outcome::LaunchId;

/// How often the wall clock is looked at while somebody waits for a time of it: it may be set forward meanwhile.
const LOOK: Duration = Duration::from_secs(2);

/// Which of an agent's launches goes first: by priority, then due time, then age.
pub(super) type Rank = (Reverse<i32>, Millis, LaunchId);

/// The launches of one agent that wait for their next attempt.
#[derive(Debug, Default)]
pub(super) struct Queue {
    by_rank: BTreeSet<Rank>,
    by_age: BTreeSet<LaunchId>,
    spans: BTreeSet<(Duration, LaunchId)>,
    times: BTreeSet<(Millis, LaunchId)>,
    starts: u64,
    /// Whether this process can run the launches of the agent.
    pub(super) registered: bool,
    /// When its turn was, counted in turns of all agents.
    pub(super) last_turn: u64,
}

/// The agents that launches name, each with those that wait.
#[derive(Debug, Default)]
pub(super) struct Agents {
    numbers: HashMap<String, u32>,
    queues: Vec<Queue>,
    registered: HashSet<String>,
}

impl Agents {
    /// Names under which agents were known before stand for their names of today.
    pub(super) fn new(scope: &Scope) -> Self {
        let mut agents = Self { registered: scope.agents.clone(), ..Self::default() };
        for (alias, today) in &scope.aliases {
            let number = agents.number(today);
            agents.numbers.insert(alias.clone(), number);
        }
        agents
    }

    /// The number of an agent, which it gets if it has none.
    pub(super) fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = self.queues.len() as u32;
        self.numbers.insert(name.to_owned(), number);
        self.queues.push(Queue { registered: self.registered.contains(name), ..Queue::default() });
        number
    }

    pub(super) fn known(&self, name: &str) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    pub(super) fn queue(&self, number: u32) -> &Queue {
        &self.queues[number as usize]
    }

    pub(super) fn queue_mut(&mut self, number: u32) -> &mut Queue {
        &mut self.queues[number as usize]
    }
}

impl Queue {
    /// A launch could start now.
    pub(super) fn add(&mut self, rank: Rank) {
        self.by_rank.insert(rank);
        self.by_age.insert(rank.2);
    }

    pub(super) fn remove(&mut self, rank: Rank) {
        self.by_rank.remove(&rank);
        self.by_age.remove(&rank.2);
    }

    /// A launch can start when this is over.
    pub(super) fn delay(&mut self, id: LaunchId, wait: Wait) {
        match wait {
            Wait::Span(end) => self.spans.insert((end, id)),
            Wait::Time(time) => self.times.insert((time, id)),
        };
    }

    pub(super) fn forget_delay(&mut self, id: LaunchId, wait: Wait) {
        match wait {
            Wait::Span(end) => self.spans.remove(&(end, id)),
            Wait::Time(time) => self.times.remove(&(time, id)),
        };
    }

    /// One whose wait is over.
    pub(super) fn due(&self, now: Now) -> Option<LaunchId> {
        let span = self.spans.first().filter(|(end, _)| *end <= now.steady).map(|(_, id)| *id);
        let time = || self.times.first().filter(|(time, _)| *time <= now.wall).map(|(_, id)| *id);
        span.or_else(time)
    }

    /// How long until the next wait is over, or until the wall clock should be looked at again.
    pub(super) fn next_due(&self, now: Now) -> Option<Duration> {
        let span = self.spans.first().map(|(end, _)| end.saturating_sub(now.steady));
        let time =
            self.times.first().map(|(time, _)| LOOK.min(Duration::from_millis(time - now.wall.min(*time))));
        span.into_iter().chain(time).min()
    }

    /// Who starts next: the first by rank, and the oldest of all at every eighth start, so that nobody waits for ever.
    pub(super) fn next(&mut self) -> Option<LaunchId> {
        let next = if self.starts % 8 == 7 {
            self.by_age.first().copied()
        } else {
            self.by_rank.first().map(|(.., id)| *id)
        };
        self.starts += u64::from(next.is_some());
        next
    }
}
