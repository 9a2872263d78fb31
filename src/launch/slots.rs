//! How many launches run at once: in all, and of each agent that has a limit of its own.

use std::collections::{BTreeMap, HashMap};
use std::future::{Future, poll_fn};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Poll, Waker};

use tokio::sync::Notify;
use tokio::time::Instant;

use super::wait_graph::WaitGraph;
use crate::agent::{Acquired, Grant, SlotLease, SlotPool, deliver};
use crate::journal::Want;
use crate::outcome::LaunchId;
use crate::sync::lock;

/// How many launches are claimed at once, at most: a limit is not an amount, and may be any number.
const MOST_AT_ONCE: usize = 256;

/// The slots of the launches of one supervisor, over all lives of its dispatcher.
///
/// They are counted, so that a limit costs nothing that is not used; the largest number is no limit. Those that wait
/// for a slot get one in the order in which they asked: attempts that have lent theirs, and the claimer of new launches
/// as one of them. An attempt of an agent with a limit of its own waits for a slot of its agent first, and then,
/// holding that, for one of all slots. This cannot deadlock: an attempt or a claim that holds one of all slots never waits for a slot of
/// an agent. The claimer takes slots of agents only where they are free, and an attempt has lent both before it asks
/// for either. So one of all slots comes free as soon as the code that has it ends or waits, whatever is held of the
/// agents'.
pub(crate) struct LaunchSlots {
    limit: usize,
    agents: Arc<[Arc<str>]>,
    /// The number of each agent that has a limit of its own, in the order of `AgentCounts`.
    limited: HashMap<Arc<str>, usize>,
    limits: Vec<usize>,
    counts: Mutex<Counts>,
    /// An agent that had as many attempts as it may has one less.
    freed: Notify,
    /// Every slot is held.
    filled: Notify,
    graph: Arc<WaitGraph>,
}

#[derive(Default)]
struct Counts {
    /// Slots of attempts.
    held: usize,
    /// Slots of a claim that is under way.
    reserved: usize,
    /// Attempts that have lent their slots, those that want them back included.
    lent: usize,
    queue: BTreeMap<u64, Waiter>,
    last_ticket: u64,
    claimer: Claimer,
    agents: Vec<AgentCounts>,
    /// Since when every slot is held without any attempt beginning, ending, lending its slot or having it back.
    full_since: Option<Instant>,
    unending: usize,
}

#[derive(Default)]
struct AgentCounts {
    held: usize,
    reserved: usize,
    lent: usize,
    queue: BTreeMap<u64, Weak<SlotLease>>,
}

enum Waiter {
    Attempt(Weak<SlotLease>, Option<usize>),
    Claimer,
}

/// How the claimer of new launches stands; there is one at a time.
#[derive(Default)]
enum Claimer {
    #[default]
    Away,
    Waits(u64, Waker),
    /// It has one slot, and has not come for it yet.
    Granted,
}

/// What the slots of a supervisor, or of one of its agents, are doing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SlotCounts {
    pub(crate) limit: Option<usize>,
    pub(crate) held: usize,
    pub(crate) lent: usize,
    pub(crate) queued: usize,
}

impl LaunchSlots {
    pub(super) fn new(
        limit: usize,
        agents: Arc<[Arc<str>]>,
        limits: &BTreeMap<Arc<str>, usize>,
        graph: Arc<WaitGraph>,
    ) -> Self {
        // Where no agent could have more anyway, there is nothing to count.
        let limits = || limits.iter().filter(|(_, most)| **most < usize::MAX);
        let limited = limits().enumerate().map(|(number, (agent, _))| (Arc::clone(agent), number));
        let agent_counts = limits().map(|_| AgentCounts::default()).collect();
        Self {
            limit,
            agents,
            limited: limited.collect(),
            limits: limits().map(|(_, most)| *most).collect(),
            counts: Mutex::new(Counts { agents: agent_counts, ..Counts::default() }),
            freed: Notify::new(),
            filled: Notify::new(),
            graph,
        }
    }

    /// Waits for a free slot, and takes as many as are free and can be claimed at once; beside them, the free slots of
    /// the agents with limits of their own. Nothing else has them until the reservation is dropped.
    pub(super) async fn reserve(self: &Arc<Self>) -> Reservation {
        let turn = ClaimersTurn(self);
        poll_fn(|cx| {
            let mut counts = lock(&self.counts);
            match &counts.claimer {
                Claimer::Granted => counts.claimer = Claimer::Away,
                Claimer::Away if counts.queue.is_empty() && counts.free(self.limit) > 0 => {
                    counts.reserved += 1
                }
                Claimer::Away => {
                    let ticket = counts.next_ticket();
                    counts.queue.insert(ticket, Waiter::Claimer);
                    counts.claimer = Claimer::Waits(ticket, cx.waker().clone());
                    return Poll::Pending;
                }
                Claimer::Waits(ticket, _) => {
                    counts.claimer = Claimer::Waits(*ticket, cx.waker().clone());
                    return Poll::Pending;
                }
            }
            Poll::Ready(())
        })
        .await;
        // It does not wait any more, so this takes nothing back.
        drop(turn);
        let mut counts = lock(&self.counts);
        let mut slots = 1;
        if counts.queue.is_empty() {
            let more = counts.free(self.limit).min(MOST_AT_ONCE - slots);
            counts.reserved += more;
            slots += more;
        }
        let free = |(agent, limit): (&mut AgentCounts, &usize)| {
            let taken = agent.held + agent.reserved;
            let free = if agent.queue.is_empty() { limit.saturating_sub(taken).min(slots) } else { 0 };
            agent.reserved += free;
            free
        };
        let agents = counts.agents.iter_mut().zip(&self.limits).map(free).collect();
        Reservation { slots: Arc::clone(self), left: slots, agents }
    }

    /// Waits until there is room for an agent for which there was none.
    pub(super) fn freed(&self) -> impl Future<Output = ()> {
        self.freed.notified()
    }

    /// Waits until every slot is held, and says since when.
    pub(super) async fn filled(&self) -> Instant {
        loop {
            let filled = self.filled.notified();
            if let Some(since) = self.full_since() {
                return since;
            }
            filled.await;
        }
    }

    /// Since when every slot is held and none has changed hands.
    pub(crate) fn full_since(&self) -> Option<Instant> {
        lock(&self.counts).full_since
    }

    /// How many waits there are that cannot end by themselves.
    pub(crate) fn unending(&self) -> usize {
        lock(&self.counts).unending
    }

    /// What all the slots are doing.
    pub(crate) fn all(&self) -> SlotCounts {
        let counts = lock(&self.counts);
        let attempts = counts.queue.values().filter(|waiter| matches!(waiter, Waiter::Attempt(..))).count();
        let queued = attempts + counts.agents.iter().map(|agent| agent.queue.len()).sum::<usize>();
        let lent = counts.lent.saturating_sub(queued);
        SlotCounts {
            limit: Some(self.limit).filter(|limit| *limit < usize::MAX),
            held: counts.held,
            lent,
            queued,
        }
    }

    /// The same of the agents that have limits of their own, by name.
    pub(crate) fn of_agents(&self) -> Vec<(Arc<str>, SlotCounts)> {
        let counts = lock(&self.counts);
        let of = |(agent, number): (&Arc<str>, &usize)| {
            let (agent_counts, limit) = (counts.agents.get(*number)?, self.limits.get(*number).copied());
            let such = |waiter: &&Waiter| matches!(waiter, Waiter::Attempt(_, of) if *of == Some(*number));
            let queued = agent_counts.queue.len() + counts.queue.values().filter(such).count();
            // One that has its agent's slot back and waits for one of all does not run.
            let held = agent_counts.held - counts.queue.values().filter(such).count();
            let lent = agent_counts.lent.saturating_sub(queued);
            Some((Arc::clone(agent), SlotCounts { limit, held, lent, queued }))
        };
        let mut agents: Vec<_> = self.limited.iter().filter_map(of).collect();
        agents.sort_by(|(one, _), (other, _)| one.cmp(other));
        agents
    }

    /// After slots have come free or have changed hands: gives them to those that wait, and notes whether all are held.
    fn settle(&self, counts: &mut Counts) -> Vec<Grant> {
        let mut grants = Vec::new();
        while counts.free(self.limit) > 0 {
            let Some((ticket, waiter)) = counts.queue.pop_first() else { break };
            match waiter {
                Waiter::Attempt(lease, agent) => {
                    counts.held += 1;
                    counts.lent -= 1;
                    if let Some(agent) = agent.and_then(|agent| counts.agents.get_mut(agent)) {
                        agent.lent -= 1;
                    }
                    grants.push(Grant { ticket, lease });
                }
                Waiter::Claimer => {
                    counts.reserved += 1;
                    if let Claimer::Waits(_, waker) = std::mem::replace(&mut counts.claimer, Claimer::Granted)
                    {
                        // The claimer is a task of the crate's own: to wake it executes nothing that comes back here.
                        waker.wake();
                    }
                }
            }
        }
        if counts.held < self.limit {
            counts.full_since = None;
        } else {
            counts.full_since = Some(Instant::now());
            self.filled.notify_one();
        }
        grants
    }

    /// A slot of an agent has come free: the next one that waits for it goes on to wait for one of all.
    fn free_of_agent(&self, counts: &mut Counts, agent: usize, by_attempt: bool) {
        let Some(limit) = self.limits.get(agent) else { return };
        let Some(of_agent) = counts.agents.get_mut(agent) else { return };
        while of_agent.held + of_agent.reserved < *limit {
            let Some((ticket, lease)) = of_agent.queue.pop_first() else { break };
            of_agent.held += 1;
            counts.queue.insert(ticket, Waiter::Attempt(lease, Some(agent)));
        }
        // What a claim has reserved in vain is no news for the next one.
        if by_attempt && of_agent.held + of_agent.reserved < *limit {
            self.freed.notify_one();
        }
    }

    /// An attempt has its slot no more.
    fn take_back(&self, counts: &mut Counts, agent: Option<usize>) {
        counts.held -= 1;
        self.take_back_of_agent(counts, agent);
    }

    fn take_back_of_agent(&self, counts: &mut Counts, agent: Option<usize>) {
        if let Some(number) = agent {
            if let Some(agent) = counts.agents.get_mut(number) {
                agent.held -= 1;
            }
            self.free_of_agent(counts, number, true);
        }
    }
}

impl Counts {
    fn free(&self, limit: usize) -> usize {
        limit.saturating_sub(self.held).saturating_sub(self.reserved)
    }

    fn next_ticket(&mut self) -> u64 {
        self.last_ticket += 1;
        self.last_ticket
    }

    fn add_lent(&mut self, agent: Option<usize>) {
        self.lent += 1;
        if let Some(agent) = agent.and_then(|agent| self.agents.get_mut(agent)) {
            agent.lent += 1;
        }
    }

    fn remove_lent(&mut self, agent: Option<usize>) {
        self.lent -= 1;
        if let Some(agent) = agent.and_then(|agent| self.agents.get_mut(agent)) {
            agent.lent -= 1;
        }
    }
}

impl SlotPool for LaunchSlots {
    fn acquire(&self, lease: &Arc<SlotLease>) -> Acquired {
        let mut counts = lock(&self.counts);
        let ticket = counts.next_ticket();
        if let (Some(number), lease) = (lease.limited(), Arc::downgrade(lease)) {
            let limit = self.limits.get(number).copied().unwrap_or(usize::MAX);
            if let Some(agent) = counts.agents.get_mut(number) {
                if !agent.queue.is_empty() || agent.held + agent.reserved >= limit {
                    agent.queue.insert(ticket, lease);
                    return Acquired::Queued(ticket);
                }
                agent.held += 1;
            }
        }
        if counts.queue.is_empty() && counts.free(self.limit) > 0 {
            counts.held += 1;
            counts.remove_lent(lease.limited());
            self.settle(&mut counts);
            return Acquired::Now;
        }
        counts.queue.insert(ticket, Waiter::Attempt(Arc::downgrade(lease), lease.limited()));
        Acquired::Queued(ticket)
    }

    fn withdraw(&self, lease: &SlotLease, ticket: u64) -> Vec<Grant> {
        let mut counts = lock(&self.counts);
        let number = lease.limited();
        if let Some(agent) = number.and_then(|number| counts.agents.get_mut(number)) {
            if agent.queue.remove(&ticket).is_some() {
                return Vec::new();
            }
        }
        if counts.queue.remove(&ticket).is_some() {
            self.take_back_of_agent(&mut counts, number);
        } else {
            counts.add_lent(number);
            self.take_back(&mut counts, number);
        }
        self.settle(&mut counts)
    }

    fn lend(&self, lease: &SlotLease) -> Vec<Grant> {
        let mut counts = lock(&self.counts);
        counts.add_lent(lease.limited());
        self.take_back(&mut counts, lease.limited());
        self.settle(&mut counts)
    }

    fn end(&self, lease: &SlotLease, held: bool) -> Vec<Grant> {
        let mut counts = lock(&self.counts);
        if held {
            self.take_back(&mut counts, lease.limited());
        } else {
            counts.remove_lent(lease.limited());
        }
        self.settle(&mut counts)
    }

    fn lend_place(&self, _: &Arc<SlotLease>) -> bool {
        false
    }

    fn regain_place(&self, _: &Arc<SlotLease>) -> bool {
        false
    }

    fn wait_begins(&self, lease: &SlotLease, other: LaunchId, behind_in_lane: bool) -> bool {
        let unending = self.graph.add(lease.launch(), other) || behind_in_lane;
        lock(&self.counts).unending += usize::from(unending);
        unending
    }

    fn wait_ends(&self, lease: &SlotLease, other: LaunchId, unending: bool) {
        self.graph.remove(lease.launch(), other);
        lock(&self.counts).unending -= usize::from(unending);
    }
}

/// The claimer while it waits for a slot. If it is dropped, it waits no more.
struct ClaimersTurn<'a>(&'a Arc<LaunchSlots>);

impl Drop for ClaimersTurn<'_> {
    fn drop(&mut self) {
        let slots = self.0;
        let mut counts = lock(&slots.counts);
        let before = std::mem::take(&mut counts.claimer);
        match &before {
            Claimer::Away => return,
            Claimer::Waits(ticket, _) => drop(counts.queue.remove(ticket)),
            Claimer::Granted => counts.reserved -= 1,
        }
        let grants = slots.settle(&mut counts);
        drop(counts);
        drop(before);
        deliver(grants);
    }
}

/// Slots for launches that are being claimed.
pub(super) struct Reservation {
    slots: Arc<LaunchSlots>,
    left: usize,
    /// What is reserved of the agents with limits of their own.
    agents: Vec<usize>,
}

impl Reservation {
    /// How many launches there are slots for.
    pub(super) fn len(&self) -> usize {
        self.left
    }

    /// Of which agents launches may be claimed, and how many.
    pub(super) fn wants(&self) -> Vec<Want> {
        let most = |agent: &Arc<str>| match self.slots.limited.get(agent) {
            Some(number) => self.agents.get(*number).copied().unwrap_or(0),
            None => usize::MAX,
        };
        self.slots.agents.iter().map(|agent| Want::new(Arc::clone(agent), most(agent))).collect()
    }

    /// Takes the slot for a launch of this agent that was claimed. Says which number the agent has among those with
    /// limits;
    /// `None` if there is no slot left, because more was claimed than was wanted.
    pub(super) fn take(&mut self, agent: &str) -> Option<Option<usize>> {
        let number = self.slots.limited.get(agent).copied();
        let mut counts = lock(&self.slots.counts);
        if let Some(number) = number {
            let left = self.agents.get_mut(number).filter(|left| **left > 0)?;
            *left -= 1;
            if let Some(agent) = counts.agents.get_mut(number) {
                agent.reserved -= 1;
                agent.held += 1;
            }
        }
        self.left = self.left.checked_sub(1)?;
        counts.reserved -= 1;
        counts.held += 1;
        // Nothing has come free.
        self.slots.settle(&mut counts);
        Some(number)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut counts = lock(&self.slots.counts);
        counts.reserved -= self.left;
        for (number, left) in self.agents.iter().enumerate() {
            if let Some(agent) = counts.agents.get_mut(number) {
                agent.reserved -= left;
            }
            self.slots.free_of_agent(&mut counts, number, false);
        }
        let grants = self.slots.settle(&mut counts);
        drop(counts);
        deliver(grants);
    }
}
