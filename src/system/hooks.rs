//! Who decides about launches that nobody knows the end of.

use super::Builder;
use super::start_error::Problem;
use crate::agent::{AgentRef, IntoAgent, Payload};
use crate::journal::LaunchRecord;
use crate::launch::{Verdict, hook_view};

impl Builder {
    /// Asks `hook` about each launch of this agent that is [ambiguous](crate::LaunchStatus::Ambiguous), and does what it
    /// says. For agents that run [at most once](AgentRef::at_most_once), and whose effects somebody can look up: with a payment
    /// provider that was given the [`launch_id`](crate::AgentContext::launch_id), for example. Without a hook, ambiguous
    /// launches wait until somebody decides with a [`Ticket`](crate::Ticket) or with [`Launches`](crate::Launches).
    ///
    /// The hook is an agent like any other: a launch's record goes in, a [`Verdict`] comes out. Its timeout and restart policy
    /// are those of its reference, and it has neither unless set: give it both if it asks over a network, or a call that hangs
    /// keeps its place for ever. If it fails for good or panics, a warning says so and the launch stays ambiguous, as with
    /// [`Verdict::Leave`].
    ///
    /// It is asked about launches that are ambiguous when the system starts, and about each that becomes so while it runs:
    /// about 4 at once, in no order. Whoever waits for a result meanwhile is told that the launch is ambiguous, and reads what the
    /// verdict has made of it when asking again. Nothing waits for it: neither other launches (but those of the same
    /// [lane](crate::Launch::lane), which wait for a decision anyway), nor a shutdown, which abandons what it is at.
    ///
    /// In one life of the process it is asked once about each attempt that nobody knows the end of, and again only if its
    /// supervisor died before the verdict was recorded. The next process asks about all that are ambiguous then. So it may be
    /// asked twice, but a verdict is recorded at most once, and dropped if somebody else has decided meanwhile. A hook that
    /// requeues what becomes ambiguous again is asked again: [`LaunchRecord::attempts`] says how often that was.
    ///
    /// An agent that is not registered with the builder, or that is given two hooks, makes [`start`](Builder::start) fail. In
    /// a system without a journal, nobody asks.
    ///
    /// ```
    /// use std::time::Duration;
    /// use sortie::{AgentError, AgentRef, LaunchRecord, MemoryJournal, System, Verdict, agent_fn};
    ///
    /// # #[derive(Clone)] struct Provider;
    /// # impl Provider {
    /// #     async fn charge(&self, cents: u64, key: String) -> Result<String, AgentError> { panic!("{cents}, {key}") }
    /// #     async fn find(&self, key: String) -> Result<Option<String>, AgentError> { Ok(Some(format!("receipt of {key}"))) }
    /// # }
    /// # let provider = Provider;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (provider, theirs) = (Provider, Provider);
    /// let charge = agent_fn(move |cents: u64, cx| {
    ///     let provider = provider.clone();
    ///     async move { provider.charge(cents, cx.launch_id().map(|id| id.to_string()).unwrap_or_default()).await }
    /// });
    /// let look_up = agent_fn(move |launch: LaunchRecord, _| {
    ///     let provider = theirs.clone();
    ///     async move {
    ///         Ok(match provider.find(launch.id.to_string()).await? {
    ///             Some(receipt) => Verdict::Settle(receipt), // it went through
    ///             None => Verdict::Requeue,
    ///         })
    ///     }
    /// });
    /// let mut builder = System::builder().journal(MemoryJournal::new());
    /// let charge = builder.register(AgentRef::new(charge.named("charge")).at_most_once());
    /// builder.when_ambiguous(&charge, &AgentRef::new(look_up).timeout(Duration::from_secs(10)));
    /// let system = builder.start().await?;
    ///
    /// let ticket = system.launch(&charge, 995).await?;
    /// # let _ = ticket.result().await?;
    /// # let settled = async { while ticket.status().await? != sortie::LaunchStatus::Done { tokio::task::yield_now().await; } Ok::<(), sortie::TicketError>(()) };
    /// # tokio::time::timeout(Duration::from_secs(10), settled).await??;
    /// # assert!(ticket.result().await??.starts_with("receipt"));
    /// # Ok(()) }
    /// ```
    pub fn when_ambiguous<I, O: Payload>(
        &mut self,
        agent: &AgentRef<I, O>,
        hook: impl IntoAgent<LaunchRecord, Verdict<O>>,
    ) -> &mut Self {
        let hook = hook_view(&hook.into_agent());
        if self.launches.hooks.insert(agent.shared_name(), hook).is_some() {
            self.problems.push(Problem::TwoHooks(agent.name().to_owned()));
        }
        self
    }
}
