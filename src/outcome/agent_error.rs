//! An agent's error, and what its supervisor shall do about it.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::time::Duration;

use super::{Cause, Failure};
use crate::user_code::{causes, chain, debug, discard, display};

/// Any error that can be sent between threads.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// An agent's error. It carries the error itself, and what the supervisor shall do: try again, try again later, or
/// give up.
///
/// `?` converts whatever boxes (std errors, `anyhow::Error`, `&str`, `String`) into one that may be retried: whether
/// it is, the branch's [restart policy](crate::Restart) decides. Like `anyhow::Error`, and for the same reason, it
/// is not an `Error` itself; [`source`](AgentError::source) borrows the one inside.
///
/// An error that has a [`Failure`] in its source chain, because work nested in the agent failed, is fatal however it
/// was made: the nested branch has used its attempts up, and layers shall not multiply them.
///
/// The error inside is code of yours, and the crate trusts none of it: `{}` and `{:?}` show at most 8 KiB, and say so where its
/// `Display`, `Debug`, `source` or `Drop` panics, fails or does not stop writing; where it never returns it holds up the
/// thread that formats it.
///
/// ```
/// use std::time::Duration;
/// use sortie::AgentError;
///
/// fn parse(text: &str) -> Result<i32, AgentError> {
///     if text.is_empty() {
///         return Err(AgentError::retry_after(Duration::from_secs(1), "nothing there yet"));
///     }
///     let number: i32 = text.parse()?; // retryable
///     if number < 0 { Err(AgentError::fatal("negative")) } else { Ok(number) }
/// }
/// assert!(parse("-7").is_err_and(|error| error.is_fatal()));
/// ```
pub struct AgentError {
    source: Source,
    reaction: Reaction,
    code: Option<Cow<'static, str>>,
}

/// What the supervisor shall do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reaction {
    /// Another attempt, as the restart policy says.
    Retry,
    /// Another attempt, and not before this has passed.
    RetryAfter(Duration),
    /// No other attempt.
    Fatal,
}

impl AgentError {
    /// The restart policy decides whether there is another attempt. This is what `?` makes.
    pub fn retry(source: impl Into<BoxError>) -> Self {
        Self::new(source.into(), Reaction::Retry)
    }

    /// As [`retry`](AgentError::retry), but the next attempt starts after `delay` at the earliest. The backoff may
    /// make it later, jitter never makes it earlier. A `delay` of more than
    /// [`Restart::LONGEST_WAIT`](crate::Restart::LONGEST_WAIT), such as `Duration::MAX`, rules a further attempt out: the
    /// branch or the launch fails at once with this error.
    pub fn retry_after(delay: Duration, source: impl Into<BoxError>) -> Self {
        Self::new(source.into(), Reaction::RetryAfter(delay))
    }

    /// No further attempt can succeed: the branch fails at once, whatever its restart policy says.
    pub fn fatal(source: impl Into<BoxError>) -> Self {
        Self::new(source.into(), Reaction::Fatal)
    }

    fn new(source: BoxError, reaction: Reaction) -> Self {
        let reaction = if has_failure(source.as_ref()) { Reaction::Fatal } else { reaction };
        Self { source: Source(Some(source)), reaction, code: None }
    }

    /// Gives the error a stable code, such as `"rate_limited"`, for those who count or match errors.
    pub fn with_code(mut self, code: impl Into<Cow<'static, str>>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// The code that [`with_code`](AgentError::with_code) gave it.
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// Whether it rules further attempts out.
    pub fn is_fatal(&self) -> bool {
        self.reaction == Reaction::Fatal
    }

    /// The earliest moment of the next attempt, if the error names one, counted from the end of the failed attempt.
    pub fn delay(&self) -> Option<Duration> {
        match self.reaction {
            Reaction::RetryAfter(delay) => Some(delay),
            Reaction::Retry | Reaction::Fatal => None,
        }
    }

    /// The error itself.
    pub fn source(&self) -> &(dyn Error + Send + Sync + 'static) {
        match &self.source.0 {
            Some(source) => source.as_ref(),
            None => &Taken,
        }
    }

    /// The error itself, if it is an `E`.
    pub fn downcast_ref<E: Error + 'static>(&self) -> Option<&E> {
        self.source.0.as_ref()?.downcast_ref()
    }

    /// The same error as data of the crate's own: the texts of the error and of those below it, which are dropped.
    pub(crate) fn into_text(self) -> Self {
        let source = Source(Some(Box::new(Text(chain(self.source())))));
        Self { source, ..self }
    }

    pub(crate) fn reaction(&self) -> Reaction {
        self.reaction
    }
}

impl<E: Into<BoxError>> From<E> for AgentError {
    fn from(source: E) -> Self {
        Self::retry(source)
    }
}

impl fmt::Display for AgentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&display(self.source()))
    }
}

impl fmt::Debug for AgentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = debug(self.source(), f.alternate());
        f.debug_struct("AgentError")
            .field("source", &source)
            .field("reaction", &self.reaction)
            .field("code", &self.code)
            .finish()
    }
}

/// The error inside, which is dropped wherever an `AgentError` is: in an actor, or during an unwinding. A panic there does no
/// harm. It is gone only while this is dropped.
struct Source(Option<BoxError>);

impl Drop for Source {
    fn drop(&mut self) {
        // Failures of nested work are taken apart one by one: within each other, a deep nesting would exhaust the stack.
        while let Some(source) = self.0.take() {
            match source.downcast::<Failure>() {
                Ok(failure) => self.0 = failure.into_error().and_then(|mut error| error.source.0.take()),
                Err(source) => discard(source),
            }
        }
    }
}

/// Stands for an error that is being dropped.
#[derive(Debug)]
struct Taken;

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an error that is gone")
    }
}

impl Error for Taken {}

/// An error that is a text.
struct Text(String);

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for Text {}

/// Whether nested work failed somewhere below. A `Failure` always has a `Cause` below it, and wrappers that hide the
/// outermost error's type (`anyhow`) do not hide that.
fn has_failure(error: &(dyn Error + 'static)) -> bool {
    let is_nested = |error: &(dyn Error + 'static)| error.is::<Failure>() || error.is::<Cause>();
    is_nested(error) || causes(error).any(is_nested)
}
