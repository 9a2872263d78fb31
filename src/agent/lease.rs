//! The slot of a launched attempt: held while code of the attempt is executed, lent while the attempt waits.

mod nested;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Waker};

use crate::outcome::LaunchId;
use crate::sync::lock;

pub(crate) use nested::{Leased, Wait};

/// The slot of one attempt of a launch. It belongs to the attempt and not to a wait.
///
/// What must hold: the slot is held whenever the engine executes code of the attempt, that is while a poll of the
/// launched agent's future, or of the future of an attempt in a run nested in it, is in progress
/// ([`Gated`](super::Gated) sees to that). It is lent while the attempt waits for at least one other launch and no such
/// poll is in progress. It is kept while there is no wait. Once the attempt has finished, its slot is not lent any
/// more.
///
/// The lock of a lease is taken before the lock of its pool, and no waker is woken or dropped while either is held:
/// waking may execute code that comes back here.
pub(crate) struct SlotLease {
    pool: Arc<dyn SlotPool>,
    launch: LaunchId,
    /// The number of the agent in the pool, if the pool has a limit of its own for that agent.
    limited: Option<usize>,
    /// Whether the attempt has, beside its slot, the place of the one suspect that may run.
    suspect: bool,
    /// The lane of the launch.
    lane: Option<Arc<str>>,
    state: Mutex<State>,
}

/// Where slots come from, and where lent ones go.
///
/// Its methods are called while the lock of the lease is held. Those who have a slot again because of the call are
/// returned, and told after that lock is released.
pub(crate) trait SlotPool: Send + Sync {
    /// Asks for a slot for an attempt that has lent its own.
    fn acquire(&self, lease: &Arc<SlotLease>) -> Acquired;

    /// Takes a request back. If it has just been granted, the slot goes back to the pool.
    fn withdraw(&self, lease: &SlotLease, ticket: u64) -> Vec<Grant>;

    /// Takes the slot of an attempt that waits.
    fn lend(&self, lease: &SlotLease) -> Vec<Grant>;

    /// The attempt needs no slot any more; `held` says whether it has one.
    fn end(&self, lease: &SlotLease, held: bool) -> Vec<Grant>;

    /// Lends the place of the one suspect that may run; answered by [`SlotLease::place_lent`]. For suspects only.
    /// `false` if there will be no answer, because the dispatcher of the attempt has ended.
    fn lend_place(&self, lease: &Arc<SlotLease>) -> bool;

    /// Asks for that place again; answered by [`SlotLease::place_regained`]. For suspects only. `false` as above.
    fn regain_place(&self, lease: &Arc<SlotLease>) -> bool;

    /// A launch waits for another one from now on. Says whether this wait cannot end by itself.
    fn wait_begins(&self, lease: &SlotLease, other: LaunchId, behind_in_lane: bool) -> bool;

    /// The wait is over, or was given up.
    fn wait_ends(&self, lease: &SlotLease, other: LaunchId, unending: bool);
}

/// The answer to a request for a slot.
pub(crate) enum Acquired {
    Now,
    /// Later, as a [`Grant`] with this number.
    Queued(u64),
}

/// A slot for an attempt that has waited for one.
pub(crate) struct Grant {
    pub(crate) ticket: u64,
    pub(crate) lease: Weak<SlotLease>,
}

struct State {
    phase: Phase,
    /// Whether the attempt has the place of the one suspect. Always true where it is no suspect.
    has_place: bool,
    /// How many waits for other launches are outstanding.
    waits: usize,
    /// How many polls of code of the attempt are in progress.
    polls: usize,
    /// Those that cannot go on without a slot.
    blocked: BTreeMap<u64, Blocked>,
    /// How many of them are polls that could not begin.
    gates: usize,
    last_key: u64,
    /// The launches for which the attempt waits, or has waited, without an end: that is said once of each.
    unending: Vec<LaunchId>,
    /// How many hold the slot: the code of the attempt, and the record of its outcome that is still to be made.
    holders: u32,
    finished: bool,
}

/// How a slot stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Held,
    /// The place of the suspect is being lent, and the slot after it. `holds` says whether the slot is still there.
    Lending {
        holds: bool,
    },
    Lent,
    /// The place of the suspect is being regained, and the slot after it.
    Returning,
    /// The slot is asked for.
    Queued(u64),
    /// The slot is given back for good.
    Closed,
}

struct Blocked {
    waker: Option<Waker>,
    /// Whether it is a poll that could not begin, as opposed to a wait whose end is there.
    is_gate: bool,
}

/// What is to be done once the lock of the lease is released.
#[derive(Default)]
struct Effects {
    grants: Vec<Grant>,
    wakers: Vec<Waker>,
    /// Wakers that are only to be dropped.
    unused: Vec<Waker>,
}

impl Effects {
    fn carry_out(self) {
        let Self { mut grants, wakers, unused } = self;
        drop(unused);
        wakers.into_iter().for_each(Waker::wake);
        while let Some(Grant { ticket, lease }) = grants.pop() {
            // A lease that is gone has withdrawn its request, and the slot with it.
            if let Some(lease) = lease.upgrade() {
                let effects = lease.accept(ticket);
                effects.wakers.into_iter().for_each(Waker::wake);
                grants.extend(effects.grants);
            }
        }
    }
}

/// Tells those that have a slot again.
pub(crate) fn deliver(grants: Vec<Grant>) {
    Effects { grants, ..Effects::default() }.carry_out();
}

impl SlotLease {
    /// The lease of an attempt that has a slot.
    pub(crate) fn new(
        pool: Arc<dyn SlotPool>,
        launch: LaunchId,
        limited: Option<usize>,
        suspect: bool,
        lane: Option<Arc<str>>,
    ) -> Arc<Self> {
        let state = Mutex::new(State {
            phase: Phase::Held,
            has_place: true,
            waits: 0,
            polls: 0,
            blocked: BTreeMap::new(),
            gates: 0,
            last_key: 0,
            unending: Vec::new(),
            holders: 0,
            finished: false,
        });
        Arc::new(Self { pool, launch, limited, suspect, lane, state })
    }

    pub(crate) fn launch(&self) -> LaunchId {
        self.launch
    }

    pub(crate) fn limited(&self) -> Option<usize> {
        self.limited
    }

    pub(crate) fn lane(&self) -> Option<&Arc<str>> {
        self.lane.as_ref()
    }

    pub(crate) fn pool(&self) -> &dyn SlotPool {
        &*self.pool
    }

    /// Whether the attempt has its slot now.
    pub(crate) fn is_held(&self) -> bool {
        matches!(lock(&self.state).phase, Phase::Held | Phase::Lending { holds: true })
    }

    /// The attempt waits for another launch without an end. Says whether this was not known.
    pub(crate) fn note_unending(&self, other: LaunchId) -> bool {
        let mut state = lock(&self.state);
        let is_new = !state.unending.contains(&other);
        if is_new {
            state.unending.push(other);
        }
        is_new
    }

    /// One more holds the slot, until it [leaves](Self::leave_holder).
    pub(crate) fn add_holder(&self) {
        lock(&self.state).holders += 1;
    }

    /// One less holds the slot. The last one gives it back.
    pub(crate) fn leave_holder(&self) {
        let mut effects = Effects::default();
        let mut state = lock(&self.state);
        state.holders -= 1;
        if state.holders == 0 {
            state.finished = true;
            let phase = std::mem::replace(&mut state.phase, Phase::Closed);
            if let Phase::Queued(ticket) = phase {
                effects.grants = self.pool.withdraw(self, ticket);
            }
            let held = matches!(phase, Phase::Held | Phase::Lending { holds: true });
            effects.grants.extend(self.pool.end(self, held));
            state.wake_all(&mut effects);
        }
        drop(state);
        effects.carry_out();
    }

    /// No code of the attempt is executed any more that the engine knows of: the slot is not lent from now on.
    pub(crate) fn finish(&self) {
        let mut effects = Effects::default();
        let mut state = lock(&self.state);
        state.finished = true;
        if let Phase::Queued(ticket) = state.phase {
            state.phase = Phase::Lent;
            effects.grants = self.pool.withdraw(self, ticket);
        }
        state.wake_all(&mut effects);
        drop(state);
        effects.carry_out();
    }

    /// Begins a poll of code of the attempt, if the slot is held or can be had at once. Otherwise the poll is to be
    /// tried again when the waker is woken, and `key` names it until then.
    pub(super) fn enter(self: &Arc<Self>, key: &mut Option<u64>, cx: &Context<'_>) -> bool {
        let mut effects = Effects::default();
        let mut state = lock(&self.state);
        if !state.may_run() {
            state.block(key, true);
            self.settle(&mut state, &mut effects);
        }
        let enters = state.may_run();
        if enters {
            state.unblock(key, &mut effects);
            state.polls += 1;
        } else {
            state.wake_later(*key, cx.waker(), &mut effects);
        }
        drop(state);
        effects.carry_out();
        enters
    }

    /// The poll is over.
    pub(super) fn leave(self: &Arc<Self>) {
        self.change(|state, _| state.polls -= 1);
    }

    /// A poll that could not begin is given up.
    pub(super) fn give_up(self: &Arc<Self>, key: &mut Option<u64>) {
        if key.is_some() {
            self.change(|state, effects| state.unblock(key, effects));
        }
    }

    /// Whether code that is not gated may go on. If not, it is woken when it may.
    fn may_go_on(self: &Arc<Self>, key: &mut Option<u64>, waker: &Waker) -> bool {
        let mut effects = Effects::default();
        let mut state = lock(&self.state);
        if state.waits == 0 && !state.may_run() {
            state.block(key, false);
        }
        self.settle(&mut state, &mut effects);
        let goes_on = state.waits > 0 || state.may_run();
        if goes_on {
            state.unblock(key, &mut effects);
        } else {
            state.wake_later(*key, waker, &mut effects);
        }
        drop(state);
        effects.carry_out();
        goes_on
    }

    /// The place of the suspect is lent, durably.
    pub(crate) fn place_lent(self: &Arc<Self>) {
        self.change(|state, effects| {
            state.has_place = false;
            match state.phase {
                Phase::Lending { holds: true } if state.finished => state.phase = Phase::Held,
                Phase::Lending { holds } => {
                    state.phase = Phase::Lent;
                    if holds {
                        effects.grants.extend(self.pool.lend(self));
                    }
                }
                _ => {}
            }
        });
    }

    /// The attempt has the place of the suspect again, durably.
    pub(crate) fn place_regained(self: &Arc<Self>) {
        self.change(|state, _| {
            state.has_place = true;
            if state.phase == Phase::Returning {
                state.phase = Phase::Lent;
            }
        });
    }

    /// A slot is there for the request with this number.
    fn accept(self: &Arc<Self>, ticket: u64) -> Effects {
        let mut effects = Effects::default();
        let mut state = lock(&self.state);
        // Otherwise the request was withdrawn, and the slot with it.
        if state.phase == Phase::Queued(ticket) {
            state.phase = Phase::Held;
            state.wake_all(&mut effects);
            self.settle(&mut state, &mut effects);
        }
        effects
    }

    fn change(self: &Arc<Self>, change: impl FnOnce(&mut State, &mut Effects)) {
        let mut effects = Effects::default();
        let mut state = lock(&self.state);
        change(&mut state, &mut effects);
        self.settle(&mut state, &mut effects);
        drop(state);
        effects.carry_out();
    }

    /// Lends the slot if it is to be lent, and asks for it if it is needed.
    fn settle(self: &Arc<Self>, state: &mut State, effects: &mut Effects) {
        if state.finished {
            return;
        }
        let is_needed = state.is_needed();
        match state.phase {
            Phase::Held if state.waits > 0 && !is_needed && self.suspect && self.pool.lend_place(self) => {
                state.phase = Phase::Lending { holds: true };
            }
            Phase::Held if state.waits > 0 && !is_needed => {
                state.phase = Phase::Lent;
                effects.grants.extend(self.pool.lend(self));
            }
            Phase::Queued(ticket) if !is_needed => {
                state.phase = Phase::Lent;
                effects.grants.extend(self.pool.withdraw(self, ticket));
            }
            Phase::Lent if is_needed && !state.has_place && self.pool.regain_place(self) => {
                state.phase = Phase::Returning;
            }
            Phase::Lent if is_needed => {
                state.phase = match self.pool.acquire(self) {
                    Acquired::Now => Phase::Held,
                    Acquired::Queued(ticket) => Phase::Queued(ticket),
                };
                if state.phase == Phase::Held {
                    state.wake_all(effects);
                }
            }
            // The place came back, and is not needed any more.
            Phase::Lent
                if self.suspect && state.has_place && state.waits > 0 && self.pool.lend_place(self) =>
            {
                state.phase = Phase::Lending { holds: false };
            }
            _ => {}
        }
        if state.waits > 0 && state.blocked.len() > state.gates {
            // A wait whose end is there goes on without a slot while the attempt waits elsewhere.
            let waits = state.blocked.values_mut().filter(|blocked| !blocked.is_gate);
            effects.wakers.extend(waits.filter_map(|blocked| blocked.waker.take()));
        }
    }
}

impl State {
    /// Whether code of the attempt may be executed.
    fn may_run(&self) -> bool {
        self.finished || self.phase == Phase::Held
    }

    /// Whether the slot is to be held, or had again.
    fn is_needed(&self) -> bool {
        let waits_have_ended = self.waits == 0 && self.blocked.len() > self.gates;
        self.polls > 0 || self.gates > 0 || waits_have_ended
    }

    /// Notes that a poll or a wait cannot go on without a slot, under a key of its own.
    fn block(&mut self, key: &mut Option<u64>, is_gate: bool) {
        if key.is_none() {
            self.last_key += 1;
            *key = Some(self.last_key);
            self.blocked.insert(self.last_key, Blocked { waker: None, is_gate });
            self.gates += usize::from(is_gate);
        }
    }

    /// Has a poll or a wait that is blocked woken when there is a slot.
    fn wake_later(&mut self, key: Option<u64>, waker: &Waker, effects: &mut Effects) {
        if let Some(blocked) = key.and_then(|key| self.blocked.get_mut(&key)) {
            effects.unused.extend(blocked.waker.replace(waker.clone()));
        }
    }

    fn unblock(&mut self, key: &mut Option<u64>, effects: &mut Effects) {
        if let Some(blocked) = key.take().and_then(|key| self.blocked.remove(&key)) {
            self.gates -= usize::from(blocked.is_gate);
            effects.unused.extend(blocked.waker);
        }
    }

    /// Those that were blocked look again. They stay until they have.
    fn wake_all(&mut self, effects: &mut Effects) {
        effects.wakers.extend(self.blocked.values_mut().filter_map(|blocked| blocked.waker.take()));
    }
}
