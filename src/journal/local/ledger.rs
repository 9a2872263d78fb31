//! Where every launch stands, in memory: rebuilt when a journal is opened, and what decides which launch is next.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use super::expiring::Expiring;
use crate::journal::intent::{Delivery, Head, Millis, State, StoredDue};
use crate::outcome::LaunchId;

/// The clock as the one who asks reads it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    /// The wall clock, which is stored, and which may go back.
    pub(crate) wall: Millis,
    /// A clock that does not go back, since the journal was opened.
    pub(crate) steady: Duration,
}

/// Every launch of a journal, by what is asked of it: by key, by readiness, by due time.
///
/// It holds no payloads, and heads only of launches that run.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    slots: HashMap<LaunchId, Slot>,
    keys: HashMap<(u32, u128), LaunchId>,
    agents: Agents,
    delayed: BTreeSet<(Duration, LaunchId)>,
    /// Launches whose process died while they ran. They run one at a time, so that it shows who kills it.
    suspects: BTreeSet<LaunchId>,
    suspect_runs: bool,
    /// Launches that this process cannot run.
    parked: HashSet<LaunchId>,
    running: HashMap<LaunchId, Head>,
    /// Launches that are done or cancelled. They have no slot.
    pub(super) expiring: Expiring,
    /// Of launches that wait for a time, or did so until their attempt began: for which, and when that is over.
    waits: Waits,
    /// The same, from before the store was opened again in this life.
    earlier: Waits,
    pending: usize,
    /// Which agent comes first.
    turn: usize,
}

type Waits = HashMap<LaunchId, (Millis, Duration)>;

#[derive(Debug, Clone, Copy)]
struct Slot {
    agent: u32,
    priority: i32,
    /// When it was or will be due; the time of its record if it never waited.
    due: Millis,
    stands: Stands,
}

/// How a launch stands, as far as the ledger is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stands {
    Ready,
    Suspect,
    Delayed(Duration),
    Running { suspect: bool },
    Parked,
    Over,
}

/// The agents that launches name, each with those that are ready.
#[derive(Debug, Default)]
struct Agents {
    numbers: HashMap<String, u32>,
    ready: Vec<Ready>,
}

/// The launches of one agent that could start now.
#[derive(Debug, Default)]
struct Ready {
    by_rank: BTreeSet<(Reverse<i32>, Millis, LaunchId)>,
    by_age: BTreeSet<LaunchId>,
    starts: u64,
}

impl Agents {
    fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = self.ready.len() as u32;
        self.numbers.insert(name.to_owned(), number);
        self.ready.push(Ready::default());
        number
    }
}

impl Ready {
    /// The next one: by priority, then due time, then age; and the oldest of all at every eighth start, so that nobody
    /// waits for ever.
    fn next(&self) -> Option<LaunchId> {
        if self.starts % 8 == 7 {
            self.by_age.first().copied()
        } else {
            self.by_rank.first().map(|(.., id)| *id)
        }
    }
}

impl Ledger {
    /// An empty ledger, in which names under which agents were known before stand for their names of today.
    pub(crate) fn new(aliases: &BTreeMap<String, String>) -> Self {
        let mut ledger = Self::default();
        for (alias, today) in aliases {
            let number = ledger.agents.number(today);
            ledger.agents.numbers.insert(alias.clone(), number);
        }
        ledger
    }

    /// The launch under this key of this agent.
    pub(crate) fn by_key(&self, agent: &str, key: u128) -> Option<LaunchId> {
        self.keys.get(&(*self.agents.numbers.get(agent)?, key)).copied()
    }

    /// How many launches have not ended.
    pub(crate) fn pending(&self) -> usize {
        self.pending
    }

    /// The head of a launch that runs.
    pub(crate) fn running(&self, id: LaunchId) -> Option<&Head> {
        self.running.get(&id)
    }

    pub(crate) fn all_running(&self) -> impl Iterator<Item = (LaunchId, &Head)> {
        self.running.iter().map(|(id, head)| (*id, head))
    }

    /// Notes how a launch stands now.
    pub(crate) fn set(&mut self, id: LaunchId, key: Option<u128>, head: &Head, now: Now) {
        self.lift(id);
        let agent = self.agents.number(&head.agent);
        let (mut due, priority) = (head.recorded, head.terms.priority);
        let stands = match &head.state {
            State::Pending(wait) => {
                let over = wait.map(|wait| self.begin_wait(id, wait, now)).unwrap_or_default();
                due = wait.map_or(due, |wait| wait.at);
                match over.saturating_sub(now.steady) {
                    _ if self.parked.contains(&id) => Stands::Parked,
                    Duration::ZERO if head.suspect && head.terms.delivery == Delivery::AtLeastOnce => {
                        Stands::Suspect
                    }
                    Duration::ZERO => Stands::Ready,
                    _ => Stands::Delayed(over),
                }
            }
            State::Running { .. } => Stands::Running { suspect: head.suspect },
            _ => {
                self.waits.remove(&id);
                Stands::Over
            }
        };
        if let Stands::Running { .. } = stands {
            self.running.insert(id, head.clone());
        }
        if let Some(key) = key.filter(|_| !head.is_leaving()) {
            // Two of them only where an agent was renamed: the latest counts.
            let known = self.keys.entry((agent, key)).or_insert(id);
            *known = id.max(*known);
        }
        if let Some(at) = head.expires() {
            self.expiring.add(at, id);
        }
        self.put(id, Slot { agent, priority, due, stands });
    }

    /// Forgets a launch that has ended: from now on its key is free.
    pub(super) fn forget(&mut self, id: LaunchId, key: Option<u128>, head: &Head) {
        self.lift(id);
        self.parked.remove(&id);
        let agent = self.agents.numbers.get(&head.agent);
        if let Some(named) = agent.zip(key).map(|(agent, key)| (*agent, key)) {
            // The key of a launch whose removal has begun may be another one's by now.
            if self.keys.get(&named) == Some(&id) {
                self.keys.remove(&named);
            }
        }
        if let Some(at) = head.expires() {
            self.expiring.remove(at, id);
        }
    }

    /// An empty one, for what the store holds when it is opened again. What is not stored and holds for this life, stays.
    pub(crate) fn begin_anew(&mut self, aliases: &BTreeMap<String, String>) {
        let Self { parked, mut earlier, waits, .. } = std::mem::take(self);
        earlier.extend(waits);
        *self = Self { parked, earlier, ..Self::new(aliases) };
    }

    /// Everything that the store holds is here again.
    pub(crate) fn end_anew(&mut self) {
        self.earlier = Waits::new();
    }

    /// When a wait is over: after the shorter of the two, so that a clock that went back does not prolong it; or as it was,
    /// if it has begun in this life.
    fn begin_wait(&mut self, id: LaunchId, wait: StoredDue, now: Now) -> Duration {
        let left = Duration::from_millis(wait.at.saturating_sub(now.wall).min(wait.wait));
        let over = match self.earlier.get(&id) {
            Some((at, over)) if *at == wait.at => *over,
            _ => now.steady.saturating_add(left),
        };
        self.waits.insert(id, (wait.at, over));
        over
    }

    /// Whether a suspect waits, and none runs.
    pub(crate) fn has_way_for_suspect(&self) -> bool {
        !self.suspect_runs && !self.suspects.is_empty()
    }

    /// A launch is not to be claimed in this process, however often it comes back.
    pub(crate) fn park(&mut self, id: LaunchId) {
        self.parked.insert(id);
    }

    pub(crate) fn is_parked(&self, id: LaunchId) -> bool {
        self.parked.contains(&id)
    }

    fn put(&mut self, id: LaunchId, slot: Slot) {
        match slot.stands {
            Stands::Ready => {
                let ready = &mut self.agents.ready[slot.agent as usize];
                ready.by_rank.insert((Reverse(slot.priority), slot.due, id));
                ready.by_age.insert(id);
            }
            Stands::Suspect => drop(self.suspects.insert(id)),
            Stands::Delayed(due) => drop(self.delayed.insert((due, id))),
            Stands::Running { suspect } => self.suspect_runs |= suspect,
            Stands::Parked | Stands::Over => {}
        }
        if slot.stands != Stands::Over {
            self.pending += 1;
            self.slots.insert(id, slot);
        }
    }

    fn lift(&mut self, id: LaunchId) -> Option<Slot> {
        let slot = self.slots.remove(&id)?;
        match slot.stands {
            Stands::Ready => {
                let ready = &mut self.agents.ready[slot.agent as usize];
                ready.by_rank.remove(&(Reverse(slot.priority), slot.due, id));
                ready.by_age.remove(&id);
            }
            Stands::Suspect => drop(self.suspects.remove(&id)),
            Stands::Delayed(due) => drop(self.delayed.remove(&(due, id))),
            Stands::Running { suspect } => {
                self.running.remove(&id);
                self.suspect_runs &= !suspect;
            }
            Stands::Parked | Stands::Over => {}
        }
        if slot.stands != Stands::Over {
            self.pending -= 1;
        }
        Some(slot)
    }

    /// Makes those ready whose wait is over.
    fn wake(&mut self, now: Now) {
        while let Some((due, id)) = self.delayed.first().copied().filter(|(due, _)| *due <= now.steady) {
            self.delayed.remove(&(due, id));
            if let Some(slot) = self.slots.get_mut(&id) {
                slot.stands = Stands::Ready;
                let slot = *slot;
                self.pending -= 1;
                self.put(id, slot);
            }
        }
    }

    /// At most `max` launches of these agents that may start now, in the order in which they shall: agents take turns.
    pub(crate) fn next(&mut self, agents: &[String], max: usize, now: Now) -> Vec<LaunchId> {
        self.wake(now);
        let known = agents.iter().filter_map(|name| self.agents.numbers.get(name).copied());
        let mut numbers: Vec<u32> = known.collect();
        let mut chosen = Vec::new();
        if numbers.is_empty() || max == 0 {
            return chosen;
        }
        // Who came first the last time comes last now.
        self.turn = self.turn.wrapping_add(1);
        let first = self.turn % numbers.len();
        numbers.rotate_left(first);
        if !self.suspect_runs {
            let mine = |id: &&LaunchId| self.slots.get(id).is_some_and(|slot| numbers.contains(&slot.agent));
            chosen.extend(self.suspects.iter().find(mine).copied());
        }
        loop {
            let before = chosen.len();
            for number in &numbers {
                if chosen.len() >= max {
                    return chosen;
                }
                let ready = &mut self.agents.ready[*number as usize];
                let Some(id) = ready.next() else { continue };
                ready.starts += 1;
                // Taken off, so that it is not found again; whoever starts it notes how it stands then.
                if let Some(slot) = self.lift(id) {
                    self.pending += 1;
                    self.slots.insert(id, Slot { stands: Stands::Running { suspect: false }, ..slot });
                }
                chosen.push(id);
            }
            if chosen.len() == before {
                return chosen;
            }
        }
    }

    /// How long until the next launch of any agent is due.
    pub(crate) fn next_due(&self, now: Now) -> Option<Duration> {
        self.delayed.first().map(|(due, _)| due.saturating_sub(now.steady))
    }
}
