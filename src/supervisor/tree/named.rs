//! Named supervisors.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use futures::future::join_all;
use humantime::format_duration;
use ractor::{Actor, ActorCell, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::time::{Instant, timeout};

use super::reason_of;
use super::resident::Owned;
use super::root::LAST_WORDS;
use crate::policy::{Deaths, Intensity};
use crate::supervisor::death::Death;
use crate::supervisor::message::Wake;
use crate::supervisor::timer::Timer;
use crate::sync::lock;
use crate::user_code::printable;

/// A named supervisor: what stays of it while its actor comes and goes.
pub(crate) struct Supervisor {
    name: Arc<str>,
    intensity: Intensity,
    residents: Vec<Owned>,
    restarts: AtomicU32,
    deaths: AtomicU32,
    last_death: Mutex<Option<String>>,
    orders: Mutex<Orders>,
    /// The residents that live, or may still.
    members: Mutex<HashMap<ActorId, Member>>,
}

#[derive(Default)]
struct Orders {
    actor: Option<ActorRef<Wake>>,
    /// When residents that have not stopped are killed, once they shall stop.
    retire: Option<Instant>,
    #[cfg(feature = "failpoints")]
    break_down: bool,
}

/// The actor in one place of a resident pool.
struct Member {
    resident: usize,
    place: usize,
    actor: ActorCell,
}

impl Supervisor {
    pub(crate) fn new(name: Arc<str>, intensity: Intensity, residents: Vec<Owned>) -> Self {
        let (restarts, deaths) = (AtomicU32::new(0), AtomicU32::new(0));
        let (last_death, orders, members) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self { name, intensity, residents, restarts, deaths, last_death, orders, members }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// How often its actor was restarted.
    pub(crate) fn restarts(&self) -> u32 {
        self.restarts.load(Ordering::Relaxed)
    }

    /// How many of its residents have died.
    pub(crate) fn deaths(&self) -> u32 {
        self.deaths.load(Ordering::Relaxed)
    }

    /// Which of them died last, and why.
    pub(crate) fn last_death(&self) -> Option<String> {
        lock(&self.last_death).clone()
    }

    pub(crate) fn residents(&self) -> impl Iterator<Item = &Owned> {
        self.residents.iter()
    }

    pub(super) fn count_restart(&self) {
        self.restarts.fetch_add(1, Ordering::Relaxed);
    }

    /// Its actor has ended, and its residents are being killed. Waits until they have ended, so that those who take their
    /// places do not meet them; not for ever, because one that does not yield never ends.
    pub(super) async fn leave(&self) {
        self.orders().actor = None;
        let members: Vec<_> = lock(&self.members).drain().map(|(_, member)| member).collect();
        for Member { resident, place, .. } in &members {
            if let Some(pool) = self.residents.get(*resident) {
                pool.leave(*place);
            }
        }
        if members.is_empty() {
            return;
        }
        let ended = members.iter().map(|member| member.actor.wait(None));
        let _ = timeout(LAST_WORDS, join_all(ended)).await;
    }

    /// Hands back what its residents have not come to, once none of them lives. Says how much.
    pub(super) async fn hand_back(&self) -> usize {
        let mut count = 0;
        for resident in &self.residents {
            count += resident.hand_back().await;
        }
        count
    }

    /// There will be no further actor.
    pub(super) fn close(&self) {
        self.residents.iter().for_each(|resident| resident.close());
    }

    /// Orders the actor to stop its residents, to kill those that have not ended at `kill_at`, and to end.
    pub(super) fn retire(&self, kill_at: Instant) {
        self.orders().retire = Some(kill_at);
        self.wake();
    }

    #[cfg(feature = "failpoints")]
    pub(super) fn break_down(&self) {
        self.orders().break_down = true;
        self.wake();
    }

    fn wake(&self) {
        if let Some(actor) = &self.orders().actor {
            // The death of an actor that has ended is on its way to the root.
            let _ = actor.send_message(Wake);
        }
    }

    fn orders(&self) -> MutexGuard<'_, Orders> {
        lock(&self.orders)
    }
}

/// The actor of a named supervisor: one for one over its residents. It runs no code of the user's but the `pre_start` of
/// residents.
pub(super) struct Named;

pub(super) struct State {
    supervisor: Arc<Supervisor>,
    started: Instant,
    deaths: Deaths,
    timer: Timer,
    stopping: bool,
}

#[cfg_attr(feature = "async-trait", ractor::async_trait)]
impl Actor for Named {
    type Msg = Wake;
    type State = State;
    type Arguments = Arc<Supervisor>;

    async fn pre_start(
        &self,
        myself: ActorRef<Wake>,
        supervisor: Arc<Supervisor>,
    ) -> Result<State, ActorProcessingErr> {
        let mut state = State {
            started: Instant::now(),
            deaths: Deaths::default(),
            timer: Timer::default(),
            stopping: false,
            supervisor: Arc::clone(&supervisor),
        };
        for (number, resident) in supervisor.residents.iter().enumerate() {
            for place in 0..resident.instances() {
                state.start(number, place, &myself).await?;
            }
        }
        supervisor.orders().actor = Some(myself);
        Ok(state)
    }

    async fn handle(
        &self,
        myself: ActorRef<Wake>,
        _: Wake,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        state.look(&myself);
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<Wake>,
        event: SupervisionEvent,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        let Some(death) = Death::of(event) else { return Ok(()) };
        state.bury(death, &myself).await?;
        state.look(&myself);
        Ok(())
    }
}

impl State {
    async fn start(
        &mut self,
        resident: usize,
        place: usize,
        myself: &ActorRef<Wake>,
    ) -> Result<(), ActorProcessingErr> {
        let supervisor = Arc::clone(&self.supervisor);
        let Some(pool) = supervisor.residents.get(resident) else { return Ok(()) };
        let actor = pool
            .start(place, myself.get_cell())
            .await
            .map_err(|error| format!("resident `{}` did not start: {}", pool.name(), reason_of(error)))?;
        lock(&supervisor.members).insert(actor.get_id(), Member { resident, place, actor });
        Ok(())
    }

    /// A resident has ended, for whatever reason: it is restarted at once, unless that was one death too many.
    async fn bury(
        &mut self,
        Death { actor, mut reason, .. }: Death,
        myself: &ActorRef<Wake>,
    ) -> Result<(), ActorProcessingErr> {
        let supervisor = Arc::clone(&self.supervisor);
        let member = lock(&supervisor.members).remove(&actor.get_id());
        let Some(Member { resident, place, .. }) = member else { return Ok(()) };
        let Some(pool) = supervisor.residents.get(resident) else { return Ok(()) };
        pool.leave(place);
        while !self.is_retiring() {
            supervisor.deaths.fetch_add(1, Ordering::Relaxed);
            *lock(&supervisor.last_death) = Some(format!("`{}`: {reason}", pool.name()));
            if !self.deaths.bearable(supervisor.intensity, self.started.elapsed()) {
                let (most, within) = (supervisor.intensity.deaths(), supervisor.intensity.within());
                let (within, name) = (format_duration(within), pool.name());
                let error = format!("more than {most} deaths of residents in {within}: `{name}`: {reason}");
                return Err(error.into());
            }
            log_warn!(
                resident = %printable(pool.name()),
                reason = %printable(&reason),
                "a resident has died and is restarted"
            );
            match self.start(resident, place, myself).await {
                Ok(()) => return Ok(()),
                Err(error) => reason = error.to_string(),
            }
        }
        Ok(())
    }

    fn is_retiring(&self) -> bool {
        self.supervisor.orders().retire.is_some()
    }

    /// Does what was ordered.
    fn look(&mut self, myself: &ActorRef<Wake>) {
        #[cfg(feature = "failpoints")]
        if std::mem::take(&mut self.supervisor.orders().break_down) {
            panic!("the supervisor was told to panic");
        }
        let Some(kill_at) = self.supervisor.orders().retire else { return };
        let now = Instant::now();
        let members = lock(&self.supervisor.members);
        if !std::mem::replace(&mut self.stopping, true) {
            members.values().for_each(|member| member.actor.stop(None));
        }
        if members.is_empty() || kill_at <= now {
            members.values().for_each(|member| member.actor.kill());
            return myself.stop(None);
        }
        drop(members);
        self.timer.set(kill_at, now, myself);
    }
}
