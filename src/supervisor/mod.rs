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
//! | `Seat` | for one attempt at a time: which one runs there, since when, until when |
//! | `Bench` | the seats of one child: one, or one for each of its lanes |
//! | `Shift` | what a child does in a seat: pull, attempt, conclude, breathe |
//! | `lanes` | how a child does so in several seats at once |
//! | `Stretch` | how long it may go on before it breathes |
//! | `Running` | one attempt, step by step |
//! | `Alarm` | what wakes the attempts of a child whose time is up |
//! | `RunSupervisor`, `Child` | the actors |
//! | `Crew` | a run as its actors see it, whatever its types |
//!
//! Messages carry nothing: they only wake the supervisor, which then looks at what there is. So no death of an actor
//! and no order to stop can lose a finished outcome.

mod alarm;
mod attempt;
mod bench;
mod child;
mod collect;
mod conclude;
mod contain;
mod control;
mod crew;
mod delivery;
mod feed;
mod goal;
mod lanes;
mod message;
mod queue;
mod run;
mod run_supervisor;
mod seat;
mod shift;
mod staff;
mod stretch;
mod timer;
mod work;

use std::pin::pin;
use std::sync::Arc;

use futures::future::{Either, select};
use ractor::Actor;
use tokio::task::JoinHandle;

use crate::agent::{AgentContext, Roster};
use crate::policy::Limits;

pub(crate) use collect::Collected;
pub(crate) use contain::discard;
use control::Stop;
use crew::Crew;
pub(crate) use feed::{Fed, feed};
pub(crate) use goal::Goal;
pub(crate) use queue::Branches;
use run::Run;
use run_supervisor::RunSupervisor;
pub use work::{Policy, Work};

/// What is to be run.
pub(crate) struct Order<W: Work> {
    pub(crate) work: W,
    pub(crate) branches: Branches<W::Job>,
    pub(crate) roster: Roster,
    pub(crate) limits: Limits,
    pub(crate) goal: Goal,
    /// The attempt within which the run is nested.
    pub(crate) parent: Option<AgentContext>,
}

/// Runs all branches of `order` and collects their outcomes, under a run supervisor of their own.
///
/// Dropping the future stops the run: nothing more is started, attempts are cancelled, and after the grace they are
/// killed. The cancellation of the attempt in which the run is nested stops it too, and the future then returns what
/// there is.
pub(crate) async fn execute<W: Work>(mut order: Order<W>) -> Collected<W::Output> {
    let parent = order.parent.take();
    let run = Arc::new(Run::new(order, parent.as_ref()));
    let _stop_on_drop = StopOnDrop(Arc::clone(&run));
    match (spawn(&run).await, parent) {
        (Some(ended), None) => drop(ended.await),
        (Some(ended), Some(parent)) => {
            if let Either::Right((_, ended)) = select(ended, pin!(parent.cancelled())).await {
                run.control().stop(Stop::Unwanted);
                drop(ended.await);
            }
        }
        (None, _) => {}
    }
    run.collect().await
}

/// Starts the supervisor of a run, and gives its end. It ends in one way or another, and takes its children along; however
/// it ended, every finished outcome is in the run. Without one (the runtime is shutting down) nothing runs.
async fn spawn<W: Work>(run: &Arc<Run<W>>) -> Option<JoinHandle<()>> {
    warn_if_panics_abort();
    let crew: Arc<dyn Crew> = run.clone();
    let (_, ended) = RunSupervisor::spawn(None, RunSupervisor, crew).await.ok()?;
    Some(ended)
}

/// Stops the run when the caller is gone. After a run that has ended this has no effect.
struct StopOnDrop<W: Work>(Arc<Run<W>>);

impl<W: Work> Drop for StopOnDrop<W> {
    fn drop(&mut self) {
        self.0.control().stop(Stop::Abandoned);
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
