//! What a system is made of.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::runtime::Handle;

use super::aliases::Aliases;
use super::dispatch::{Dispatch, MAIN};
use super::handle::System;
use super::json::{Registrable, json_view};
use super::start_error::{Problem, StartError};
use super::supervisor::SupervisorBuilder;
use crate::agent::AgentRef;
use crate::journal::{Journal, Scope, WallClock, contained};
use crate::launch::{Launcher, bytes_view};
use crate::policy::Intensity;
use crate::supervisor::tree::{Annex, Parent, Tree};
use crate::user_code::{contain, printable_in_full};

/// How long the name of an agent may be, in bytes: it stands in the record of each of its launches.
const LONGEST_NAME: usize = 256;

/// Collects what a system is made of; [`start`](Builder::start) reports all that is wrong with it at once.
/// [`System::builder`] makes it.
#[derive(Default)]
#[must_use = "a builder does nothing until it is started"]
pub struct Builder {
    agents: BTreeMap<String, AgentRef<Value, Value>>,
    pub(super) aliases: Aliases,
    journal: Option<Arc<dyn Journal>>,
    clock: WallClock,
    pub(super) launches: Dispatch,
    supervisors: Vec<SupervisorBuilder>,
    intensity: Intensity,
    parent: Option<Parent>,
    pub(super) problems: Vec<Problem>,
}

impl Builder {
    /// Makes an agent known by its name, as [`System::agent`] gives it: called with JSON.
    ///
    /// Gives back the typed agent. To give the JSON view a timeout or a restart policy, register an [`AgentRef`] that has
    /// them; what is set on the returned reference belongs to that reference. Only agents that shall be found by their
    /// name need to be registered: any other agent runs in a system just as well.
    ///
    /// Launches of the agent are journaled under its name: once there are any, it changes only with an
    /// [`alias`](Builder::alias).
    ///
    /// Two agents of one name, one without a name, one with a name longer than 256 bytes or with a control character in it, or
    /// one that is to run
    /// [at most once](AgentRef::at_most_once) and has a restart policy of more than one attempt make
    /// [`start`](Builder::start) fail.
    pub fn register<R: Registrable>(&mut self, agent: R) -> AgentRef<R::Input, R::Output> {
        let agent = agent.into_ref();
        let name = agent.name().to_owned();
        let attempts = agent.default_restart().map_or(1, |restart| restart.policy.most_attempts());
        if agent.is_at_most_once() && attempts > 1 {
            self.problems.push(Problem::RestartsAtMostOnce(name.clone(), attempts));
        }
        if name.is_empty() {
            self.problems.push(Problem::NamelessAgent);
        } else if name.len() > LONGEST_NAME {
            self.problems.push(Problem::LongName(name));
        } else if name.contains(char::is_control) {
            self.problems.push(Problem::ControlCharacter(name));
        } else if self.agents.insert(name.clone(), json_view(&agent)).is_some() {
            self.problems.push(Problem::DuplicateAgent(name));
        } else {
            self.launches.agents.insert(name, bytes_view(&agent));
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

    /// Gives the system a journal, and with it launches: a [`SledJournal`](crate::SledJournal), a
    /// [`MemoryJournal`](crate::MemoryJournal) for tests, or another [`Journal`]. It belongs to this system, and is closed when that ends.
    ///
    /// A journal that is not the crate's own may panic: that is the error of the request, of the kind
    /// [`Panicked`](crate::JournalErrorKind::Panicked), and what the system asks of it by itself is asked again, after 50 ms to
    /// 1 s. A request that is never answered is waited for without a limit: a claim holds up all launches of its supervisor, an
    /// outcome holds the slot of its launch, and the end of the system waits for [`closed`](Journal::closed).
    ///
    /// Launches run under a supervisor with the name `main`, which is created unless it is built by that name, or under the one
    /// that was [given their agent](SupervisorBuilder::launches_of).
    pub fn journal(mut self, journal: impl Journal) -> Self {
        self.journal = Some(contained(journal));
        self
    }

    /// The clock of the times that the journal stores; that of the machine unless set. For tests of what happens when it is
    /// set forward or back.
    ///
    /// Launches are removed when their [retention](crate::Launch::retain) is over by this clock. To lose none to a clock that
    /// was set wrongly, nothing is removed from when it has jumped by more than an hour, in either direction, until it
    /// has jumped back or the system is started anew; a warning says so. The time that a machine was suspended looks
    /// like such a jump. A clock that is wrong when the system starts is believed.
    pub fn wall_clock(&mut self, clock: WallClock) -> &mut Self {
        self.clock = clock;
        self
    }

    /// How many launches run at once under each supervisor that does not
    /// [say otherwise](SupervisorBuilder::launch_concurrency); 64 unless set. A limit costs nothing that is not used, and
    /// `usize::MAX` means that there is none.
    ///
    /// Each attempt of a launch has a slot until its outcome is recorded. A launch that waits for its next attempt has none,
    /// and an attempt that [waits for another launch](crate::Ticket::result) lends its slot while it waits. There is no bound on
    /// how many attempts wait so: each keeps what it has in memory, which for a small agent is about 5 KB.
    /// [`Status`](crate::Status) shows how many slots are held and lent, and since when all are held without any attempt
    /// ending; after a minute of that, a warning in the log names some of the launches that hold them.
    ///
    /// # Panics
    /// If `limit` is zero.
    #[track_caller]
    pub fn launch_concurrency(&mut self, limit: usize) -> &mut Self {
        assert!(limit > 0, "at least 1 launch must be able to run: leave the journal out for none");
        self.launches.concurrency = limit;
        self
    }

    /// How many launches of this agent run at once; as many as its supervisor has slots unless set, or set to `usize::MAX`.
    /// Those that wait for it take no slots from others, and one that waits for another launch does not count.
    ///
    /// An agent that is not registered with the builder makes [`start`](Builder::start) fail.
    ///
    /// # Panics
    /// If `limit` is zero.
    #[track_caller]
    pub fn launch_concurrency_of<I, O>(&mut self, agent: &AgentRef<I, O>, limit: usize) -> &mut Self {
        assert!(
            limit > 0,
            "at least 1 launch must be able to run: do not register the agent to have them wait"
        );
        self.launches.limits.insert(agent.shared_name(), limit);
        self
    }

    /// How many launches that have not ended there may be; 1,000,000 unless set. Beyond that,
    /// [`launch`](System::launch) is refused. Each takes 300 to 450 bytes of memory, some 150 more with a key, and some 250 more
    /// if it is alone in its lane; its payload takes none. Besides, the store of a journal on disk keeps what it has read or
    /// written last in a cache, which takes 30 to 60 MB at most.
    ///
    /// # Panics
    /// If `limit` is zero.
    #[track_caller]
    pub fn most_pending(&mut self, limit: usize) -> &mut Self {
        assert!(limit > 0, "at least 1 launch must be able to wait: leave the journal out for none");
        self.launches.most_pending = limit;
        self
    }

    /// How long dead launches are kept after they died, with their inputs and keys; until each was requeued, settled or
    /// discarded unless set. What is dead for longer is removed within about a minute, and a warning says how many were. It
    /// holds for those that were dead before, too, and only for this system: it is not recorded with the launches.
    ///
    /// A dead launch takes a record on the disk, with its input, and 200 to 450 bytes of memory, with the cache of the store.
    /// [`Status::launches`](crate::Status::launches) tells how many there are. Launches that are ambiguous or parked never go by
    /// themselves. `Duration::MAX` keeps for ever, too.
    pub fn retain_dead(&mut self, time: Duration) -> &mut Self {
        self.launches.retain_dead = Some(time);
        self
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

    /// Starts the system: the root, then each supervisor with its residents, in the order in which they were built. With
    /// a journal, launches that were not done when the last system with this journal ended, however it did, are resumed.
    ///
    /// # Errors
    /// [`StartError`], if something is wrong with what was built, or if the journal cannot be read, or if a resident did
    /// not start, or if the runtime has no timer and there is a journal or a resident. Nothing is running then.
    ///
    /// # Cancel safety
    /// If the future is dropped, what has been started is stopped.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn start(mut self) -> Result<System, StartError> {
        self.problems.extend(self.launches.problems(&self.supervisors));
        self.problems.extend(self.aliases.problems(|name| self.agents.contains_key(name)));
        let needs_timer =
            self.journal.is_some() || self.supervisors.iter().any(SupervisorBuilder::has_residents);
        if needs_timer && Handle::try_current().is_ok() {
            // A runtime cannot be asked, and panics if it has none.
            if contain(|| drop(tokio::time::sleep(Duration::ZERO))).is_err() {
                self.problems.push(Problem::NoTimer);
            }
        }
        if !self.problems.is_empty() {
            return Err(StartError::new(self.problems));
        }
        let journal = self.journal.clone();
        let annex = match self.journal.take() {
            Some(journal) => Some(self.open(journal).await? as Annex),
            None => None,
        };
        let supervisors = self.supervisors.into_iter().map(SupervisorBuilder::build).collect();
        match Tree::start(supervisors, self.intensity, self.parent, annex).await {
            Ok(tree) => Ok(System::new(tree, self.agents)),
            Err(problem) => {
                if let Some(journal) = journal {
                    // So that it is free for another system.
                    journal.close();
                    if let Err(error) = journal.closed().await {
                        log_warn!(error = %printable_in_full(&error), "the journal was not closed in order");
                    }
                }
                Err(StartError::new(vec![Problem::Supervisor(problem)]))
            }
        }
    }

    /// Opens the journal, and appoints the services that run its launches.
    async fn open(&mut self, journal: Arc<dyn Journal>) -> Result<Arc<Launcher>, StartError> {
        let (agents, clock) = (self.agents.keys().cloned().collect(), self.clock.clone());
        let (aliases, most_pending) =
            (std::mem::take(&mut self.aliases).into_names(), self.launches.most_pending);
        let retain_dead = self.launches.retain_dead;
        let started = journal.start(Scope { agents, aliases, most_pending, retain_dead, clock }).await;
        started.map_err(|error| StartError::new(vec![Problem::Journal(error)]))?;
        self.supervisor(MAIN);
        let slots = std::mem::take(&mut self.launches).appoint(&mut self.supervisors, &journal);
        let agents = self.agents.iter().map(|(name, agent)| (name.clone(), agent.is_at_most_once()));
        Ok(Arc::new(Launcher::new(journal, agents.collect(), slots)))
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
