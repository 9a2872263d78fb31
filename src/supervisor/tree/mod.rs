//! The tree of a system: the root, named supervisors, their residents, and the runs that the system answers for.
//!
//! | part | what it is |
//! |---|---|
//! | [`Tree`] | what the actors and every handle of the system share; it stays while actors come and go |
//! | [`TreeHandle`] | an owner of the tree: when the last one is dropped, the tree is shut down |
//! | `Gate` | which runs there are, and whether another one may start |
//! | `Root` | the actor on top: restarts supervisors, carries the shutdown out |
//! | [`Supervisor`] | a named supervisor, whose actor owns residents |
//! | [`Resident`] | a long-lived actor of the user's, whatever its type |
//! | [`Service`] | what a supervisor does all the time by itself, hosted by an actor like a resident |
//!
//! As in a run, messages only wake: what shall happen stands in the tree, and an actor that is woken looks there. So
//! neither the death of an actor nor that of the caller loses an order to shut down.

mod end;
mod gate;
mod named;
mod resident;
mod root;
mod service;

use std::any::Any;
use std::sync::{Arc, Weak};
use std::time::Duration;

use ractor::{Actor, ActorCell, ActorRef, SpawnErr};
use tokio::sync::watch;
use tokio::time::Instant;

use self::gate::Gate;
pub(super) use self::root::LAST_WORDS;
use self::root::Root;
use super::death::text_of;
use super::message::Wake;
use crate::agent::AgentContext;
use crate::policy::Intensity;
use crate::user_code::contain_waker;

pub use self::end::{Shutdown, SystemError};
pub(crate) use self::gate::Admission;
pub use self::gate::Phase;
pub(super) use self::gate::Standing;
pub(crate) use self::named::Supervisor;
pub use self::resident::IntoResident;
pub(crate) use self::resident::{Owned, Resident};
pub(crate) use self::service::{Hosted, Service};

/// How a tree has ended.
type End = Result<Shutdown, SystemError>;

/// What the root, the supervisors and the handles of a system share.
pub(crate) struct Tree {
    /// Set once, when everything under it has started.
    root: watch::Sender<Option<ActorRef<Wake>>>,
    pub(crate) gate: Gate,
    pub(crate) supervisors: Vec<Arc<Supervisor>>,
    pub(crate) intensity: Intensity,
    /// What the layers above keep with the tree, so that attempts find it.
    annex: Option<Annex>,
    /// Set once, at the end.
    end: watch::Sender<Option<End>>,
}

/// What the layers above keep with a tree. They know its type.
pub(crate) type Annex = Arc<dyn Any + Send + Sync>;

/// The tree as its residents know it.
pub struct TreeRef(Weak<Tree>);

/// An actor under which the root is linked.
#[derive(Clone)]
pub(crate) struct Parent(pub(crate) ActorCell);

impl Tree {
    /// Starts the root, and under it every supervisor with its residents, in the order of the list. If one does not
    /// start, or the future is dropped, those that have started are stopped.
    pub(crate) async fn start(
        supervisors: Vec<Supervisor>,
        intensity: Intensity,
        parent: Option<Parent>,
        annex: Option<Annex>,
    ) -> Result<TreeHandle, String> {
        let supervisors = supervisors.into_iter().map(Arc::new).collect();
        let (root, gate, end) = (watch::Sender::new(None), Gate::default(), watch::Sender::new(None));
        let tree = Arc::new(Self { root, gate, supervisors, intensity, annex, end });
        for resident in tree.supervisors.iter().flat_map(|supervisor| supervisor.residents()) {
            resident.join(&TreeRef(Arc::downgrade(&tree)));
        }
        let root = Root::over(&tree);
        let spawned = match parent {
            Some(Parent(cell)) => Root::spawn_linked(None, root, Arc::clone(&tree), cell).await,
            None => Root::spawn(None, root, Arc::clone(&tree)).await,
        };
        match spawned {
            Ok(_) => Ok(TreeHandle(Arc::new(Owner(tree)))),
            Err(error) => Err(reason_of(error)),
        }
    }

    /// The tree that a run belongs to, if its attempts are a system's.
    pub(crate) fn of(attempt: &AgentContext) -> Option<Arc<Self>> {
        attempt.home().and_then(|home| home.downcast().ok())
    }

    /// What the layers above keep with the tree.
    pub(crate) fn annex(&self) -> Option<Annex> {
        self.annex.clone()
    }

    /// The root's cell, while there is a root.
    pub(crate) fn root(&self) -> Option<ActorCell> {
        self.root.borrow().as_ref().map(ActorRef::get_cell)
    }

    /// Waits until everything has started. What begins before finds no root, and would have begun for a system that may
    /// never come to be.
    async fn stands(&self) {
        // The sender is the tree's, and the tree is here.
        let _ = self.root.subscribe().wait_for(Option::is_some).await;
    }

    pub(super) fn wake(&self) {
        if let Some(root) = &*self.root.borrow() {
            // A root that has ended has nothing more to do.
            let _ = root.send_message(Wake);
        }
    }

    /// Orders the tree to shut down: what runs may go on for `grace`. The earliest of all such orders counts.
    pub(crate) fn order_shutdown(&self, grace: Duration) {
        // A grace beyond what the clock can tell is one of many years.
        const LONGEST: Duration = Duration::from_secs(60 * 60 * 24 * 365);
        let now = Instant::now();
        self.gate.drain(now.checked_add(grace).unwrap_or(now + LONGEST));
        self.wake();
    }

    /// Waits for the end of the tree, however it comes.
    pub(crate) async fn ended(&self) -> End {
        let mut end = self.end.subscribe();
        match contain_waker(end.wait_for(Option::is_some)).await.as_deref() {
            Ok(Some(end)) => end.clone(),
            // The sender is the tree's, and the tree is here.
            _ => Err(SystemError::killed()),
        }
    }

    /// Notes how the tree has ended. The first note counts.
    fn set_end(&self, end: End) {
        let first = self.end.send_if_modified(|noted| {
            let first = noted.is_none();
            noted.get_or_insert(end);
            first
        });
        if first {
            self.gate.close();
            for supervisor in &self.supervisors {
                supervisor.close();
            }
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.gate.phase()
    }
}

/// Keeps the tree running. A clone is another owner; with the last one the tree is shut down, at once.
#[derive(Clone)]
pub(crate) struct TreeHandle(Arc<Owner>);

struct Owner(Arc<Tree>);

impl TreeHandle {
    pub(crate) fn tree(&self) -> &Arc<Tree> {
        &self.0.0
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.order_shutdown(Duration::ZERO);
    }
}

impl std::fmt::Debug for TreeHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TreeHandle").field("phase", &self.tree().phase()).finish_non_exhaustive()
    }
}

/// Why an actor did not start, in its own words.
fn reason_of(error: SpawnErr) -> String {
    match error {
        SpawnErr::StartupFailed(error) => text_of(error),
        error => text_of(error),
    }
}

/// Makes the actor of the supervisor with this name panic when it is woken next. For tests of what follows.
#[cfg(feature = "failpoints")]
impl Tree {
    pub(crate) fn break_supervisor(&self, name: &str) -> bool {
        let named = self.supervisors.iter().find(|supervisor| supervisor.name() == name);
        named.inspect(|supervisor| supervisor.break_down()).is_some()
    }
}
