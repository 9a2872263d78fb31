//! One attempt as the peers make it: timeout on, panic captured.

use std::{any::Any, fmt, future::Future, hint::black_box, io, panic::AssertUnwindSafe, time::Duration};

use futures::FutureExt;
use tokio::time::timeout;

/// How many attempts may be under way at once.
pub const CAP: usize = 64;

/// How long an attempt may take. None does; what is measured is the cost of being ready for it.
pub const LIMIT: Duration = Duration::from_secs(30);

/// The agent: it gives back its item. The compiler must not know that.
pub async fn agent(item: usize) -> io::Result<usize> {
    Ok(black_box(item))
}

/// What one item came to.
pub type Outcome = Result<usize, Failure>;

/// Why an item has no output. It is one pointer wide, as sortie's own, so that nobody copies more per item.
#[derive(Debug)]
pub struct Failure(Box<Cause>);

#[derive(Debug)]
enum Cause {
    Failed(io::Error),
    Panicked(Option<String>),
    TimedOut,
}

impl Failure {
    pub fn failed(error: io::Error) -> Self {
        Self(Box::new(Cause::Failed(error)))
    }

    /// A panic whose payload did not reach the caller.
    pub fn panicked() -> Self {
        Self(Box::new(Cause::Panicked(None)))
    }

    pub fn timed_out() -> Self {
        Self(Box::new(Cause::TimedOut))
    }

    fn from_panic(payload: Box<dyn Any + Send>) -> Self {
        let literal = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        Self(Box::new(Cause::Panicked(literal.or_else(|| payload.downcast_ref::<String>().cloned()))))
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::failed(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Cause::Failed(error) => write!(f, "failed: {error}"),
            Cause::Panicked(message) => write!(f, "panicked: {}", message.as_deref().unwrap_or("no message")),
            Cause::TimedOut => write!(f, "timed out after {LIMIT:?}"),
        }
    }
}

/// Runs the agent for one item.
pub async fn attempt(item: usize) -> Outcome {
    supervised(agent(item)).await
}

/// Runs an agent's future under the two protections of every peer.
pub async fn supervised<E: Into<Failure>>(run: impl Future<Output = Result<usize, E>>) -> Outcome {
    match timeout(LIMIT, AssertUnwindSafe(run).catch_unwind()).await {
        Ok(Ok(Ok(output))) => Ok(output),
        Ok(Ok(Err(error))) => Err(error.into()),
        Ok(Err(payload)) => Err(Failure::from_panic(payload)),
        Err(_elapsed) => Err(Failure::timed_out()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn errors_and_panics_become_failures() {
        let failed = supervised(async { Err(io::Error::other("no")) }).await;
        assert_eq!(failed.expect_err("the agent failed").to_string(), "failed: no");
        let panicked = supervised(async { if true { panic!("oh") } else { io::Result::Ok(0) } }).await;
        assert_eq!(panicked.expect_err("the agent panicked").to_string(), "panicked: oh");
    }

    #[tokio::test(start_paused = true)]
    async fn an_agent_that_never_ends_times_out() {
        let late = supervised(std::future::pending::<io::Result<usize>>()).await;
        assert_eq!(late.expect_err("the agent hangs").to_string(), "timed out after 30s");
    }
}
