//! From an order to what came of it.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{Either, select};
use ractor::Actor;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::collect::Collected;
use super::control::Stop;
use super::crew::Crew;
use super::goal::Goal;
use super::record::Recorder;
use super::source::Source;
use super::state::Run;
use super::supervisor::{Assignment, RunSupervisor};
use super::work::Work;
use crate::agent::{AgentContext, Roster};
use crate::policy::Limits;
use crate::supervisor::tree::{Standing, Tree, TreeHandle};

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
    pub(super) fn lodging(&self) -> Option<Lodging> {
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
pub(super) struct Lodging {
    pub(super) tree: Arc<Tree>,
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
                run.control().stop_with_parent();
                drop(ended.await);
            }
        }
        (None, _) => {}
    }
    let collected = run.collect().await;
    if let Some(leased) = &run.control().info.lease {
        leased.regained().await;
    }
    collected
}

/// Starts the supervisor of a run, and gives its end. It ends in one way or another, and takes its children along; however
/// it ended, every finished outcome is in the run. Without one (the system or the runtime is shutting down, or there is no
/// runtime) nothing runs.
///
/// # Panics
/// If a limit in time is set, and the runtime has no timer.
pub(super) async fn spawn<W: Work>(run: &Arc<Run<W>>, lodging: Option<Lodging>) -> Option<JoinHandle<()>> {
    warn_if_panics_abort();
    if Handle::try_current().is_err() {
        run.control().stop(Stop::NoRuntime);
        return None;
    }
    if run.has_limits_in_time() {
        // Where the runtime has no timer, this panics, and says how it gets one: here, and not in an actor of the run.
        drop(tokio::time::sleep(Duration::ZERO));
    }
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
pub(super) struct StopOnDrop<W: Work>(pub(super) Arc<Run<W>>);

impl<W: Work> Drop for StopOnDrop<W> {
    fn drop(&mut self) {
        let control = self.0.control();
        if let Some(leased) = &control.info.lease {
            leased.abandon();
        }
        // An attempt that is stopped drops the runs that are nested in it: the order that stops it is theirs, too.
        let stop = control.order_from_above().unwrap_or_else(|| {
            control.stop(Stop::Abandoned);
            Stop::Abandoned
        });
        self.0.record_end(stop.into());
    }
}

/// With `panic = "abort"` there is nothing to catch: the first panic of an agent ends the process.
fn warn_if_panics_abort() {
    if cfg!(panic = "abort") {
        static ONCE: std::sync::Once = std::sync::Once::new();
        ONCE.call_once(|| {
            log_warn!("built with panic = \"abort\": a panicking agent ends the process");
        });
    }
}
