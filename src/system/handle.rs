//! The running system.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::Stream;
use serde_json::Value;

use super::builder::Builder;
use super::status::Status;
use crate::agent::{AgentRef, IntoAgent, Payload};
use crate::fan_out::{Ask, Branches, FanOut, ForEach, ForEachStream, ask, branches, foreach, foreach_stream};
use crate::journal::Journal;
use crate::launch::{Launch, LaunchMany, Launcher};
use crate::supervisor::tree::{Shutdown, SystemError, TreeHandle};
use crate::user_code::printable_in_full;

/// A running system: agents by name, named supervisors with resident actors, and every run that is started on it.
///
/// A cheap handle: clone it into whatever needs it. The verbs do what the free functions of the same name do; besides, the
/// system counts their runs and stops them when it is shut down.
///
/// # Dropping
///
/// When the last handle is gone, and with it every fan-out that was started on the system, the system is shut down without
/// a grace: nothing of it stays behind. An agent that keeps a handle of the system that it is registered in keeps it
/// running for ever; within an agent, use the verbs of its [`AgentContext`](crate::AgentContext), whose runs belong to
/// the same system.
///
/// ```
/// use std::time::Duration;
/// use serde_json::json;
/// use sortie::{System, agent_fn};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut builder = System::builder();
/// let length = builder.register(agent_fn(|text: String, _| async move { Ok(text.len()) }).named("length"));
/// let system = builder.start().await?;
///
/// let lengths = system.foreach(["a", "bb"].map(String::from), &length).concurrency(8).all().await?;
/// assert_eq!(lengths, [1, 2]);
///
/// let by_name = system.agent("length").ok_or("not registered")?;
/// assert_eq!(system.ask(&by_name, json!("ccc")).await?, json!(3));
///
/// let left = system.shutdown(Duration::from_secs(10)).await?;
/// assert_eq!((left.cut_short, left.not_stopped), (0, 0));
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct System {
    // Before the tree, which ends when it is dropped: the journal is told first.
    _ending: Arc<Ending>,
    tree: TreeHandle,
    agents: Arc<BTreeMap<String, AgentRef<Value, Value>>>,
}

/// Tells the journal that the system has no handle any more, when it is dropped.
struct Ending(Option<Arc<dyn Journal>>);

impl Drop for Ending {
    fn drop(&mut self) {
        if let Some(journal) = &self.0 {
            journal.ending();
        }
    }
}

impl System {
    /// Begins to build a system.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(super) fn new(tree: TreeHandle, agents: BTreeMap<String, AgentRef<Value, Value>>) -> Self {
        let ending =
            Arc::new(Ending(Launcher::of(tree.tree()).map(|launcher| Arc::clone(launcher.journal()))));
        Self { _ending: ending, tree, agents: Arc::new(agents) }
    }

    /// The JSON view of a registered agent: the same agent with the policies that it was registered with; values go in and
    /// come out. An input that does not fit fails its branch at once, whatever the restart policy says, with the code
    /// `bad_input`; so does an output that no value holds unchanged, such as NaN, with the code `bad_output`. `None` if no agent of this name is registered.
    pub fn agent(&self, name: &str) -> Option<AgentRef<Value, Value>> {
        self.agents.get(name).cloned()
    }

    /// Asks one agent, as [`ask`](crate::ask) does.
    pub fn ask<I, O>(&self, agent: &AgentRef<I, O>, input: I) -> Ask<I, O> {
        ask(agent, input).in_system(self.tree.clone())
    }

    /// Runs a few branches together, as [`branches`](crate::branches) does.
    pub fn branches<B: Branches>(&self, set: B) -> FanOut<B> {
        branches(set).in_system(self.tree.clone())
    }

    /// Runs one agent for each item, as [`foreach`](crate::foreach) does.
    pub fn foreach<T, O>(&self, items: T, agent: impl IntoAgent<T::Item, O>) -> FanOut<ForEach<T::Item, O>>
    where
        T: IntoIterator<IntoIter: Send + 'static, Item: Send + 'static>,
        O: Send + 'static,
    {
        foreach(items, agent).in_system(self.tree.clone())
    }

    /// Runs one agent for each item of a stream, as [`foreach_stream`](crate::foreach_stream) does.
    pub fn foreach_stream<S, O>(
        &self,
        stream: S,
        agent: impl IntoAgent<S::Item, O>,
    ) -> FanOut<ForEachStream<S::Item, O>>
    where
        S: Stream<Item: Send + 'static> + Send + 'static,
        O: Send + 'static,
    {
        foreach_stream(stream, agent).in_system(self.tree.clone())
    }

    /// Launches an agent: durable fire and forget. Awaiting the [`Launch`] records the intent in the journal and gives a
    /// [`Ticket`](crate::Ticket); from then on the agent is run until an outcome is recorded or its attempts are spent, also if the
    /// caller, the agent's supervisor or the process dies meanwhile.
    ///
    /// Recorded is the launch once; run it may be more than once, because a process can die after the agent has had its
    /// effect and before that is known. [`AgentContext::launch_id`](crate::AgentContext::launch_id) is the same each time.
    ///
    /// The agent must be registered under its name, and the system must have a [journal](Builder::journal); what the given
    /// reference says of timeouts and restarts is recorded with the launch.
    ///
    /// ```
    /// use sortie::{MemoryJournal, System, agent_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let mut builder = System::builder().journal(MemoryJournal::new());
    /// let notify = builder.register(agent_fn(|to: String, _| async move { Ok(format!("told {to}")) }).named("notify"));
    /// let system = builder.start().await?;
    ///
    /// let ticket = system.launch(&notify, "admin@example.com".to_owned()).key("maintenance 7").await?;
    /// assert_eq!(ticket.result().await??, "told admin@example.com");
    /// # Ok(()) }
    /// ```
    pub fn launch<I: Payload, O: Payload>(&self, agent: &AgentRef<I, O>, input: I) -> Launch<O> {
        Launch::new(Launcher::admit(self.tree.tree(), agent.name()), agent, input)
    }

    /// Records many launches together, with one sync for a thousand of them. Awaiting the [`LaunchMany`] gives a ticket or an
    /// error for each, in their order; one that is refused does not keep the others from being recorded.
    ///
    /// ```
    /// # use sortie::{MemoryJournal, System, agent_fn};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let mut builder = System::builder().journal(MemoryJournal::new());
    /// # let notify = builder.register(agent_fn(|to: String, _| async move { Ok(to) }).named("notify"));
    /// # let system = builder.start().await?;
    /// let everybody = ["admin@example.com", "user@example.com"];
    /// let launches = everybody.map(|to| system.launch(&notify, to.to_owned()).key(format!("maintenance 7, {to}")));
    /// for ticket in system.launch_many(launches).await {
    ///     println!("{}", ticket?.id());
    /// }
    /// # Ok(()) }
    /// ```
    pub fn launch_many<O: Payload>(&self, launches: impl IntoIterator<Item = Launch<O>>) -> LaunchMany<O> {
        LaunchMany::new(launches)
    }

    /// What the system is doing.
    pub fn status(&self) -> Status {
        Status::of(self.tree.tree(), self.agents.keys().cloned().collect())
    }

    /// Shuts the system down, children first, and says what that left.
    ///
    /// 1. Nothing new starts: every branch of a run that is begun from now on ends as
    ///    [`Cause::ShutDown`](crate::Cause::ShutDown), without an attempt. Runs that are nested in running attempts still
    ///    start, because those could not finish without them.
    /// 2. What runs may go on for `grace`.
    ///    No launch is begun any more; those that are under way may end within the grace, too.
    /// 3. What has not ended by then is stopped as at a deadline: branches that are not done end as `Cause::ShutDown`, what is
    ///    done is kept, and each run has its own [`stop_grace`](FanOut::stop_grace) on top.
    /// 4. Residents finish the message at hand and run their `post_stop`, for what is left of the grace and for 100 ms at
    ///    least; those that have not ended by then are killed. Then the supervisors end, and the root.
    /// 5. Launches that were stopped are handed back, and the journal is closed. The next system with it runs them.
    ///
    /// It may be called at any time, also more than once, from several places, and beside a shutdown that is under way: the
    /// earliest end of all graces counts, and all callers get the same answer. An agent of the system that waits for a
    /// shutdown waits for itself: it is stopped when the grace is over.
    ///
    /// In a server, drain the system first and close the server then, so that requests which come meanwhile get an answer that
    /// says so: with axum, `axum::serve(..).with_graceful_shutdown(async { system.shutdown(grace).await; })`.
    ///
    /// # Errors
    /// [`SystemError`] if the system has ended by itself, before or meanwhile.
    ///
    /// # Cancel safety
    /// The shutdown begins when the future is first polled, and goes on if it is dropped.
    pub async fn shutdown(&self, grace: Duration) -> Result<Shutdown, SystemError> {
        self.tree.tree().order_shutdown(grace);
        self.ended().await
    }

    /// Waits for the end of the system: a [shutdown](System::shutdown) from elsewhere, or a failure. A service waits for
    /// it beside its own signals, and exits when it returns.
    ///
    /// # Errors
    /// [`SystemError`] if the system was not shut down: its supervisors died too often, or its root was killed.
    ///
    /// # Cancel safety
    /// It may be dropped and called again at any time.
    pub async fn wait(&self) -> Result<(), SystemError> {
        self.ended().await.map(drop)
    }

    /// Waits until everything has ended, and the journal is free for another system.
    async fn ended(&self) -> Result<Shutdown, SystemError> {
        let end = self.tree.tree().ended().await;
        if let Some(journal) = self.journal() {
            journal.close();
            if let Err(error) = journal.closed().await {
                log_warn!(error = %printable_in_full(&error), "the journal was not closed in order");
            }
        }
        end
    }

    pub(super) fn journal(&self) -> Option<Arc<dyn Journal>> {
        Launcher::of(self.tree.tree()).map(|launcher| Arc::clone(launcher.journal()))
    }

    pub(crate) fn tree(&self) -> &TreeHandle {
        &self.tree
    }

    /// Makes the actor of a named supervisor panic. For tests of what follows.
    #[cfg(feature = "failpoints")]
    #[doc(hidden)]
    pub fn break_supervisor(&self, name: &str) -> bool {
        self.tree.tree().break_supervisor(name)
    }
}

impl fmt::Debug for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("System")
            .field("phase", &self.tree.tree().phase())
            .field("agents", &self.agents.keys())
            .finish_non_exhaustive()
    }
}
