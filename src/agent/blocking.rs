//! Synchronous functions as agents.

use std::any::type_name;
use std::fmt;
use std::marker::PhantomData;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Agent, AgentContext, ambient, body::Body};
use crate::outcome::AgentError;
use crate::user_code::{Contained, contain};

/// Makes an agent of a synchronous function: it runs on a blocking thread of the runtime, where it may compute, read
/// files or wait without holding up anything else. (`block_in_place` within an async agent does not replace it: more
/// children are started when attempts wait at an `.await`, which it never does.)
///
/// A blocking function cannot be stopped from outside. When its attempt exceeds a limit, its context is
/// [cancelled](AgentContext::is_cancelled), which it may ask between two steps; if it goes on, the failure says that
/// it was [not stopped](crate::Failure::stopped), there is no further attempt beside it, and it keeps its slot of the
/// run's concurrency until it returns. A function that waits for a thread (tokio's default allows 512) is taken back.
///
/// On its thread the function may wait for async code with [`Handle::block_on`](tokio::runtime::Handle::block_on). Runs that
/// it starts there are nested in its attempt, and where the attempt is a launch's, it lends its slot while it waits for
/// another launch there; see [`Ticket::result`](crate::Ticket::result).
///
/// ```
/// use std::path::PathBuf;
/// use sortie::blocking;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let sizes = blocking(|path: PathBuf, _| Ok(std::fs::read(path)?.len()));
/// let paths = ["Cargo.toml", "no such file"].map(PathBuf::from);
/// let sizes = sortie::foreach(paths, sizes).settled().await;
/// assert!(sizes[0].is_ok() && sizes[1].is_err());
/// # }
/// ```
pub fn blocking<F, I, O>(run: F) -> Blocking<F, I, O>
where
    F: Fn(I, AgentContext) -> Result<O, AgentError> + Send + Sync + 'static,
{
    Blocking { run: Arc::new(run), name: type_name::<F>().to_owned(), io: PhantomData }
}

/// A synchronous function as an agent; see [`blocking`].
pub struct Blocking<F, I, O> {
    run: Arc<F>,
    name: String,
    io: PhantomData<fn(I) -> O>,
}

impl<F, I, O> Blocking<F, I, O> {
    /// Names the agent. Unless called, its name is the path of the function.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }
}

impl<F, I, O> Agent for Blocking<F, I, O>
where
    F: Fn(I, AgentContext) -> Result<O, AgentError> + Send + Sync + 'static,
    I: Send + 'static,
    O: Send + 'static,
{
    type Input = I;
    type Output = O;

    fn name(&self) -> &str {
        &self.name
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where code leaves its child; the child counts it as a body and answers for it"
    )]
    async fn run(&self, input: I, cx: AgentContext) -> Result<O, AgentError> {
        let (run, ticket) = (Contained::new(Arc::clone(&self.run)), Ticket::new(cx.enter_body()));
        let _take_back = TakeBack(ticket.clone());
        let mut input = Contained::new(input);
        // Contained on that thread: what the function leaves there is dropped by the runtime if the attempt is gone.
        let thread = tokio::task::spawn_blocking(move || {
            let body = ticket.redeem()?;
            let (run, input) = (run.get()?, input.take()?);
            let result =
                contain(|| ambient::on_blocking_thread(cx.clone(), || run(input, cx))).map(Contained::new);
            drop(body);
            Some(result)
        });
        match thread.await.ok().flatten().map(|result| result.map(|mut result| result.take())) {
            Some(Ok(Some(result))) => result,
            Some(Err(panic)) => resume_unwind(Box::new(panic)),
            Some(Ok(None)) | None => {
                Err(AgentError::fatal("the runtime shut down before the blocking function could run"))
            }
        }
    }
}

impl<F, I, O> fmt::Debug for Blocking<F, I, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blocking").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The right to run a body. Whoever redeems it first has it: the thread, to run the body, or the attempt when it is
/// dropped, to take back one that still waits for a thread.
#[derive(Clone)]
struct Ticket(Arc<Mutex<Option<Body>>>);

impl Ticket {
    fn new(body: Body) -> Self {
        Self(Arc::new(Mutex::new(Some(body))))
    }

    fn redeem(&self) -> Option<Body> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

struct TakeBack(Ticket);

impl Drop for TakeBack {
    fn drop(&mut self) {
        drop(self.0.redeem());
    }
}
