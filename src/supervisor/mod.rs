//! Run supervisors and their children: the only place that names ractor.
//!
//! A run is one fan-out being executed. It has an actor of its own, the run supervisor, which is linked to its
//! children and does nothing but supervise: it starts them, watches them, replaces them and stops them. The children
//! do the work, and they *pull* it: what is left to do is a cursor in a [`Queue`](queue::Queue), not a mailbox.
//!
//! | part | what it is |
//! |---|---|
//! | [`Work`] | what a run executes: how a branch becomes a future |
//! | `Run` | the state that the supervisor, its children and the caller share; it owns every finished outcome |
//! | `Control` | its untyped part: limits, counters, the stop order, the supervisor's bell |
//! | `Feed` | a run whose outcomes are taken while it is under way |
//! | `Goal` | what the run is for, and what ends it early |
//! | `Queue` | the cursor over the branches, and those that wait for another attempt |
//! | `Recorder` | the reports of runs; `Log` is what a child notes for it |
//! | `Source` | where the branches come from: an iterator or a stream |
//! | `Arrivals`, `Usher` | what has arrived from a stream, and the child that polls it |
//! | `Seat` | for one attempt at a time: which one runs there, since when, until when |
//! | `Bench` | the seats of one child: one, or one for each of its lanes |
//! | `Shift` | what a child does in a seat: pull, attempt, conclude, breathe |
//! | `lanes` | how a child does so in several seats at once |
//! | `Stretch` | how long it may go on before it breathes |
//! | `Running` | one attempt, step by step |
//! | `Alarm` | what wakes the attempts of a child whose time is up |
//! | `RunSupervisor`, `Child` | the actors |
//! | [`Host`] | the supervisor as those see it who link actors of the user's to it |
//! | `reaper` | the child beyond the cap that ends what has been queued for too long |
//! | `Death` | the end of an actor, as the actor above it learns of it |
//! | `Crew` | a run as its actors see it, whatever its types |
//! | [`tree`] | what is above runs in a system: the root, named supervisors, residents |
//!
//! Messages carry nothing: they only wake the supervisor, which then looks at what there is. So no death of an actor
//! and no order to stop can lose a finished outcome.

mod alarm;
mod arrivals;
mod attempt;
mod bench;
mod child;
mod closing;
mod collect;
mod conclude;
mod contain;
mod control;
mod crew;
mod death;
mod delivery;
mod feed;
mod finish;
mod goal;
mod host;
mod lanes;
mod log;
mod message;
mod queue;
mod reaper;
mod record;
mod run;
mod run_supervisor;
mod seat;
mod shift;
mod source;
mod staff;
mod stretch;
mod timer;
pub(crate) mod tree;
mod usher;
mod work;

use std::pin::pin;
use std::sync::Arc;

use futures::future::{Either, select};
use ractor::Actor;
use tokio::task::JoinHandle;

use crate::agent::{AgentContext, Roster};
use crate::policy::Limits;

pub(crate) use collect::Collected;
pub(crate) use contain::{contain, discard, lock};
use control::Stop;
use crew::Crew;
pub(crate) use feed::{Fed, feed};
pub(crate) use goal::Goal;
pub(crate) use host::Host;
pub use record::Recorder;
use run::Run;
use run_supervisor::{Assignment, RunSupervisor};
pub(crate) use source::Source;
use tree::{Standing, Tree, TreeHandle};
pub use work::{Policy, Work};

/// What is to be run.
pub(crate) struct Order<W: Work> {
    pub(crate) work: W,
    pub(crate) source: Source<W::Job>,
    pub(crate) roster: Roster,
    pub(crate) limits: Limits,
    pub(crate) goal: Goal,
    /// The attempt within which the run is nested.
    pub(crate) parent: Option<AgentContext>,
    /// The system that answers for the run, and that the caller keeps running meanwhile.
    pub(crate) system: Option<TreeHandle>,
    /// The system whose service the run is: it answers for the run, and is not kept running by it.
    pub(crate) serves: Option<Arc<Tree>>,
    pub(crate) recorder: Option<Recorder>,
}

impl<W: Work> Order<W> {
    /// The tree in which the run has its place: the system's, or that of the attempt within which it is nested.
    fn lodging(&self) -> Option<Lodging> {
        if let Some(tree) = &self.serves {
            return Some(Lodging { tree: Arc::clone(tree), standing: Standing::Service });
        }
        let outer = self.parent.as_ref().and_then(Tree::of);
        let system = self.system.as_ref().map(|system| Arc::clone(system.tree()));
        let tree = system.or_else(|| outer.clone())?;
        let nested = outer.is_some_and(|outer| Arc::ptr_eq(&outer, &tree));
        Some(Lodging { tree, standing: if nested { Standing::Nested } else { Standing::Caller } })
    }
}

/// The place of a run in a tree.
struct Lodging {
    tree: Arc<Tree>,
    standing: Standing,
}

/// Runs all branches of `order` and collects their outcomes, under a run supervisor of their own.
///
/// Dropping the future stops the run: nothing more is started, attempts are cancelled, and after the grace they are
/// killed. The cancellation of the attempt in which the run is nested stops it too, and the future then returns what
/// there is.
pub(crate) async fn execute<W: Work>(mut order: Order<W>) -> Collected<W::Output> {
    let (lodging, parent, _system) = (order.lodging(), order.parent.take(), order.system.take());
    let run = Arc::new(Run::new(order, parent.as_ref(), lodging.as_ref()));
    let _stop_on_drop = StopOnDrop(Arc::clone(&run));
    match (spawn(&run, lodging).await, parent) {
        (Some(ended), None) => drop(ended.await),
        (Some(ended), Some(parent)) => {
            if let Either::Right((_, ended)) = select(ended, pin!(parent.cancelled())).await {
                run.control().stop(Stop::Cancelled);
                drop(ended.await);
            }
        }
        (None, _) => {}
    }
    run.collect().await
}

/// Starts the supervisor of a run, and gives its end. It ends in one way or another, and takes its children along; however
/// it ended, every finished outcome is in the run. Without one (the system or the runtime is shutting down) nothing runs.
async fn spawn<W: Work>(run: &Arc<Run<W>>, lodging: Option<Lodging>) -> Option<JoinHandle<()>> {
    warn_if_panics_abort();
    let crew: Arc<dyn Crew> = run.clone();
    let Some(Lodging { tree, standing }) = lodging else {
        let assignment = Assignment { crew, admission: None };
        let (_, ended) = RunSupervisor::spawn(None, RunSupervisor, assignment).await.ok()?;
        return Some(ended);
    };
    // Dropped without a supervisor, an admission ends as it does with one.
    let admission = tree.admit(&crew, standing);
    if let (Some(_), Some(root)) = (&admission, tree.root()) {
        let assignment = Assignment { crew, admission };
        let spawned = RunSupervisor::spawn_linked(None, RunSupervisor, assignment, root).await;
        if let Ok((_, ended)) = spawned {
            return Some(ended);
        }
    }
    run.control().stop(Stop::ShutDown);
    None
}

/// Stops the run when the caller is gone. After a run that has ended this has no effect.
struct StopOnDrop<W: Work>(Arc<Run<W>>);

impl<W: Work> Drop for StopOnDrop<W> {
    fn drop(&mut self) {
        self.0.control().stop(Stop::Abandoned);
        self.0.record_end(self.0.control().stopped().unwrap_or(Stop::Abandoned).into());
    }
}

/// With `panic = "abort"` there is nothing to catch: the first panic of an agent ends the process.
fn warn_if_panics_abort() {
    if cfg!(panic = "abort") {
        static ONCE: std::sync::Once = std::sync::Once::new();
        ONCE.call_once(|| {
            tracing::warn!("built with panic = \"abort\": a panicking agent ends the process");
        });
    }
}
