//! Launches from within an attempt.

use super::launcher::Launcher;
use super::request::Launch;
use crate::agent::{AgentContext, AgentRef, Payload};

/// Launching from within an attempt.
impl AgentContext {
    /// Launches an agent of the same system, as [`System::launch`](crate::System::launch) does: durable, and on its own from
    /// then on. It is not cancelled with the attempt.
    ///
    /// An attempt that is made again launches nothing twice. A launch without a [key](Launch::key) gets one that is derived
    /// from where the attempt stands (its launch or run, positions, labels and keys on the way) and from the launch's
    /// [label](Launch::label), or else from its position among the runs and launches that the attempt begins. So the agent of
    /// a launch that is run again after a crash, in whatever process, finds the children that it had, and gets their tickets.
    /// If its input has changed meanwhile, the ticket says [so](crate::Ticket::input_differs), and the child keeps the input
    /// that it was recorded with.
    ///
    /// Within one attempt, a label names one launch of an agent: another input under it is an error that names the label.
    ///
    /// A child is found as long as it is kept: give it a [retention](Launch::retain) longer than its parent may take.
    ///
    /// Positions count in the order in which the agent's code begins its runs and launches. Where that order may change from
    /// attempt to attempt, as in tasks that run side by side, give each a label or a key.
    ///
    /// ```
    /// use sortie::{AgentContext, MemoryJournal, System, agent_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let mut builder = System::builder().journal(MemoryJournal::new());
    /// let notify = builder.register(agent_fn(|to: String, _| async move { Ok(format!("told {to}")) }).named("notify"));
    /// let review = builder.register(
    ///     agent_fn(move |text: String, cx: AgentContext| {
    ///         let notify = notify.clone();
    ///         async move {
    ///             let ticket = cx.launch(&notify, "author@example.com".to_owned()).await?;
    ///             Ok((text.len(), ticket.id().to_string()))
    ///         }
    ///     })
    ///     .named("review"),
    /// );
    /// let system = builder.start().await?;
    ///
    /// let (_, child) = system.launch(&review, "a text".to_owned()).await?.result().await??;
    /// let child = system.ticket::<String>(child.parse()?).ok_or("no journal")?;
    /// assert_eq!(child.result().await??, "told author@example.com");
    /// # Ok(()) }
    /// ```
    pub fn launch<I: Payload, O: Payload>(&self, agent: &AgentRef<I, O>, input: I) -> Launch<O> {
        Launch::new(Launcher::admit_within(self, agent.name()), agent, input).within(self)
    }
}
