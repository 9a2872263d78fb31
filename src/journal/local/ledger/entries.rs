//! The ledger itself: what is noted of a launch when it moves, and which launch is next.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::time::Duration;

use super::super::ids::ById;
use super::expiring::Expiring;
use super::lanes::Lanes;
use super::now::Now;
use super::queue::Agents;
use super::slot::{Slot, Stands};
use super::suspended::Suspended;
use super::waits::Waits;
use crate::journal::contract::Scope;
use crate::journal::exchange::Want;
use crate::journal::intent::{Head, Millis, State, StoredDue};
use crate::journal::launch_record::LaunchCounts;
use crate::outcome::LaunchId;

/// Every launch of a journal, by what is asked of it: by key, by readiness, by due time, by lane.
///
/// It holds no payloads, and heads only of launches that run.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    slots: ById<Slot>,
    keys: HashMap<(u32, u128), LaunchId>,
    agents: Agents,
    lanes: Lanes,
    /// Launches whose process died while they ran. They run one at a time, so that it shows who kills it.
    suspects: BTreeSet<LaunchId>,
    running_suspects: usize,
    /// Suspects that run and wait for other launches.
    suspended: Suspended,
    /// Launches that this process cannot run.
    parked: HashSet<LaunchId>,
    running: ById<Head>,
    /// Launches that are removed at some time: done or cancelled ones, and dead ones if that is said. They have no slot.
    pub(in super::super) expiring: Expiring,
    waits: Waits,
    pending: usize,
    /// How many of these wait for a process that can run them.
    held: usize,
    ambiguous: usize,
    dead: usize,
    /// How long dead launches are kept; for ever if it is not said.
    retain_dead: Option<Duration>,
    /// How many turns agents have had.
    turns: u64,
}

impl Ledger {
    /// An empty ledger, in which names under which agents were known before stand for their names of today.
    pub(crate) fn new(scope: &Scope) -> Self {
        Self { agents: Agents::new(scope), retain_dead: scope.retain_dead, ..Self::default() }
    }

    /// An empty one, for what the store holds when it is opened again. What is not stored and holds for this life, stays.
    pub(crate) fn begin_anew(&mut self, scope: &Scope) {
        let Self { parked, waits, suspended, .. } = std::mem::take(self);
        *self = Self { parked, suspended, waits: waits.begin_anew(), ..Self::new(scope) };
    }

    /// A launch has ended, or is removed, durably: nobody asks again what was known of it for this life.
    pub(crate) fn has_ended(&mut self, id: LaunchId) {
        self.waits.end(id);
        self.parked.remove(&id);
        self.suspended.forget(id);
    }

    /// Everything that the store holds is here again.
    pub(crate) fn end_anew(&mut self) {
        self.waits.end_anew();
    }

    /// The launch under this key of this agent.
    pub(crate) fn by_key(&self, agent: &str, key: u128) -> Option<LaunchId> {
        self.keys.get(&(self.agents.known(agent)?, key)).copied()
    }

    /// How many launches have not ended.
    pub(crate) fn pending(&self) -> usize {
        self.pending
    }

    /// How many launches stand how.
    pub(crate) fn counts(&self) -> LaunchCounts {
        let running = self.running.len();
        LaunchCounts {
            pending: self.pending.saturating_sub(running + self.held),
            parked: self.held,
            running,
            dead: self.dead,
            ambiguous: self.ambiguous,
        }
    }

    /// Until when a launch is kept; for ever if it is not said.
    pub(crate) fn expires(&self, head: &Head) -> Option<Millis> {
        match head.state {
            State::Dead { at } => self.retain_dead.map(|time| StoredDue::after(time, at).at),
            _ => head.expires(),
        }
    }

    /// A launch is not dead any more.
    pub(crate) fn has_left_the_dead(&mut self) {
        self.dead = self.dead.saturating_sub(1);
    }

    /// The head of a launch that runs.
    pub(crate) fn running(&self, id: LaunchId) -> Option<&Head> {
        self.running.get(&id)
    }

    pub(crate) fn all_running(&self) -> impl Iterator<Item = (LaunchId, &Head)> {
        self.running.iter().map(|(id, head)| (*id, head))
    }

    /// Notes how a launch stands now. Says whether that has let another one start, which waited for it in its lane.
    pub(crate) fn set(&mut self, id: LaunchId, key: Option<u128>, head: &Head, now: Now) -> bool {
        let agent = self.agents.number(&head.agent);
        let mut due = head.recorded;
        let stands = match &head.state {
            State::Pending(wait) => {
                due = wait.map_or(due, |wait| wait.at);
                match wait.and_then(|wait| self.waits.begin(id, wait, now)) {
                    _ if self.parked.contains(&id) => Some(Stands::Parked),
                    Some(wait) => Some(Stands::Delayed(wait)),
                    None => Some(Stands::Ready),
                }
            }
            State::Running { .. } => {
                // If it was to be parked, the commit of that has failed.
                self.parked.remove(&id);
                Some(Stands::Running)
            }
            State::Ambiguous { .. } => Some(Stands::Ambiguous),
            State::Done { .. } | State::Dead { .. } | State::Cancelled { .. } => None,
        };
        let lane = head.terms.lane.as_deref().map(|lane| self.lanes.name(lane));
        let suspect = head.is_suspect();
        let priority = head.terms.priority;
        let opened = self.put(id, stands.map(|stands| Slot { agent, priority, due, suspect, stands, lane }));
        if stands == Some(Stands::Running) {
            self.running.insert(id, head.clone());
        }
        if let Some(key) = key.filter(|_| !head.is_leaving()) {
            // Two of them only where an agent was renamed: the latest counts.
            let known = self.keys.entry((agent, key)).or_insert(id);
            *known = id.max(*known);
        }
        if let Some(at) = self.expires(head) {
            self.expiring.add(at, id);
        }
        self.dead += usize::from(matches!(head.state, State::Dead { .. }));
        opened
    }

    /// Forgets a launch that is being removed: from now on its key is free.
    pub(in super::super) fn forget(&mut self, id: LaunchId, key: Option<u128>, head: &Head) {
        self.put(id, None);
        self.suspended.forget(id);
        let agent = self.agents.known(&head.agent);
        if let Some(named) = agent.zip(key) {
            // The key of a launch whose removal has begun may be another one's by now.
            if self.keys.get(&named) == Some(&id) {
                self.keys.remove(&named);
            }
        }
        if let Some(at) = self.expires(head) {
            self.expiring.remove(at, id);
        }
        if matches!(head.state, State::Dead { .. }) {
            self.has_left_the_dead();
        }
    }

    /// Whether a suspect waits, and none runs.
    pub(crate) fn has_way_for_suspect(&self) -> bool {
        self.running_suspects == 0
            && (!self.suspects.is_empty() || self.suspended.first_returning(&self.running).is_some())
    }

    /// The attempt of a suspect waits for another launch.
    pub(in super::super) fn suspend(&mut self, id: LaunchId, attempt: u32) {
        self.suspended.add(id, attempt);
    }

    pub(in super::super) fn is_suspended(&self, id: LaunchId, attempt: u32) -> bool {
        self.suspended.contains(id, attempt)
    }

    /// A suspended attempt is to go on, from now on. Says whether it may.
    pub(in super::super) fn may_resume(&mut self, id: LaunchId, attempt: u32) -> bool {
        self.suspended.wants_back(id, attempt);
        self.running_suspects == 0 && self.suspended.first_returning(&self.running) == Some(id)
    }

    /// A launch is not to be claimed in this process, however often it comes back.
    pub(crate) fn park(&mut self, id: LaunchId) {
        self.parked.insert(id);
    }

    pub(crate) fn is_parked(&self, id: LaunchId) -> bool {
        self.parked.contains(&id)
    }

    /// Puts a launch where it belongs, instead of where it was; nowhere if it has ended. Says whether another one can start
    /// because of that.
    fn put(&mut self, id: LaunchId, slot: Option<Slot>) -> bool {
        let lane = slot.as_ref().or_else(|| self.slots.get(&id)).and_then(|slot| slot.lane.clone());
        let head = |ledger: &Self| lane.as_deref().and_then(|lane| ledger.lanes.head(lane));
        let before = head(self);
        self.lift(id);
        if let Some(slot) = slot {
            if let Some(lane) = &slot.lane {
                self.lanes.enter(lane, id, slot.runs());
            }
            self.pending += usize::from(slot.is_pending());
            self.held += usize::from(self.is_held(&slot));
            self.ambiguous += usize::from(slot.stands == Stands::Ambiguous);
            self.running_suspects += usize::from(slot.suspect && slot.runs());
            if let Stands::Delayed(wait) = slot.stands {
                self.agents.queue_mut(slot.agent).delay(id, wait);
            }
            self.slots.insert(id, slot);
            self.offer(id);
        }
        let after = head(self);
        if before == after {
            return false;
        }
        if let Some(before) = before {
            self.withhold(before);
        }
        after.is_some_and(|after| self.offer(after) && after != id)
    }

    fn lift(&mut self, id: LaunchId) {
        let Some(slot) = self.slots.remove(&id) else { return };
        self.take_off(id, &slot);
        if let Stands::Delayed(wait) = slot.stands {
            self.agents.queue_mut(slot.agent).forget_delay(id, wait);
        }
        if let Some(lane) = &slot.lane {
            self.lanes.leave(lane, id, slot.runs());
        }
        if slot.runs() {
            self.running.remove(&id);
        }
        self.running_suspects -= usize::from(slot.suspect && slot.runs());
        self.pending -= usize::from(slot.is_pending());
        self.held -= usize::from(self.is_held(&slot));
        self.ambiguous -= usize::from(slot.stands == Stands::Ambiguous);
    }

    /// Whether a launch waits for a process that can run it. It stays so as long as it stands as it does.
    fn is_held(&self, slot: &Slot) -> bool {
        let unknown = !self.agents.queue(slot.agent).registered;
        slot.stands == Stands::Parked || unknown && slot.is_pending() && !slot.runs()
    }

    /// A launch can be chosen, if it is ready and it is its turn in its lane. Says whether it is.
    fn offer(&mut self, id: LaunchId) -> bool {
        let Some(slot) = self.slots.get(&id).filter(|slot| slot.stands == Stands::Ready) else {
            return false;
        };
        if slot.lane.as_deref().is_some_and(|lane| self.lanes.head(lane) != Some(id)) {
            return false;
        }
        if slot.suspect {
            self.suspects.insert(id);
        } else {
            let (agent, rank) = (slot.agent, slot.rank(id));
            self.agents.queue_mut(agent).add(rank);
        }
        true
    }

    /// A launch cannot be chosen.
    fn withhold(&mut self, id: LaunchId) {
        if let Some(slot) = self.slots.get(&id).cloned() {
            self.take_off(id, &slot);
        }
    }

    /// Takes a launch from where it can be chosen, if it is there.
    fn take_off(&mut self, id: LaunchId, slot: &Slot) {
        if slot.stands != Stands::Ready {
            return;
        }
        if slot.suspect {
            self.suspects.remove(&id);
        } else {
            self.agents.queue_mut(slot.agent).remove(slot.rank(id));
        }
    }

    /// A launch stands otherwise from now on; everything else about it stays.
    pub(in super::super) fn stand(&mut self, id: LaunchId, stands: Stands) {
        if let Some(slot) = self.slots.get(&id).cloned() {
            self.put(id, Some(Slot { stands, ..slot }));
        }
    }

    /// At most `max` launches that may start now, in the order in which they shall: agents take turns, and who had none for
    /// the longest time comes first.
    pub(crate) fn next(&mut self, wants: &[Want], max: usize, now: Now) -> Vec<LaunchId> {
        let mut agents = VecDeque::new();
        for Want { agent, most } in wants {
            let Some(number) = self.agents.known(agent) else { continue };
            while let Some(id) = self.agents.queue(number).due(now) {
                self.stand(id, Stands::Ready);
            }
            if *most > 0 {
                agents.push_back((number, *most));
            }
        }
        agents.make_contiguous().sort_by_key(|(number, _)| self.agents.queue(*number).last_turn);
        let mut chosen = Vec::new();
        if max > 0 {
            chosen.extend(self.next_suspect(&mut agents));
        }
        while chosen.len() < max {
            let Some((number, most)) = agents.pop_front() else { break };
            self.turns += 1;
            let queue = self.agents.queue_mut(number);
            let Some(id) = queue.next() else { continue };
            queue.last_turn = self.turns;
            // Taken off, so that it is not found again; whoever starts it notes how it stands then.
            self.stand(id, Stands::Running);
            chosen.push(id);
            if most > 1 {
                agents.push_back((number, most - 1));
            }
        }
        chosen
    }

    /// A suspect, if none runs.
    fn next_suspect(&mut self, agents: &mut VecDeque<(u32, usize)>) -> Option<LaunchId> {
        if self.running_suspects > 0 || self.suspended.first_returning(&self.running).is_some() {
            return None;
        }
        let position_of = |id: &LaunchId| {
            let agent = self.slots.get(id)?.agent;
            agents.iter().position(|(number, _)| *number == agent)
        };
        let (id, position) = self.suspects.iter().find_map(|id| Some((*id, position_of(id)?)))?;
        match &mut agents[position] {
            (_, 1) => drop(agents.remove(position)),
            (_, most) => *most -= 1,
        }
        self.stand(id, Stands::Running);
        Some(id)
    }

    /// How long until the next launch of these agents is due, or may be.
    pub(crate) fn next_due(&self, wants: &[Want], now: Now) -> Option<Duration> {
        let next = |want: &Want| self.agents.queue(self.agents.known(&want.agent)?).next_due(now);
        wants.iter().filter_map(next).min()
    }
}
