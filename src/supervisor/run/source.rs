//! Where the branches of a run come from: an iterator, or a stream.

use std::sync::Arc;

use futures::stream::BoxStream;

use super::arrivals::Arrivals;
use super::seat::{Moment, NEVER};
use crate::outcome::{AgentError, Cause};
use crate::user_code::{Contained, contain};

/// The branches of a run, before it starts.
pub(crate) enum Source<J> {
    /// The children pull, and execute the iterator.
    Iterator(Box<dyn Iterator<Item = J> + Send>),
    /// An usher polls, and the children pull what has arrived. An error is a branch that fails without an attempt.
    Stream(BoxStream<'static, Result<J, AgentError>>),
}

/// What is left of the branches of a run that has started.
pub(super) enum Cursor<J> {
    Iterator(Contained<Box<dyn Iterator<Item = J> + Send>>),
    Arrivals(Arc<Arrivals<J>>),
}

/// What a cursor gives.
pub(super) enum Next<J> {
    Job {
        job: J,
        /// When it is too late for it to start, where each has its own time.
        expires: Moment,
    },
    /// A branch that fails without an attempt, and why. Boxed, because it is rare.
    Failed(Box<Cause>),
    /// There is none, or none yet.
    Nothing,
}

impl<J> Cursor<J> {
    pub(super) fn new(source: Source<J>, concurrency: usize, patience: Moment) -> Self {
        match source {
            Source::Iterator(items) => Self::Iterator(Contained::new(items)),
            Source::Stream(items) => Self::Arrivals(Arc::new(Arrivals::new(items, concurrency, patience))),
        }
    }

    pub(super) fn empty() -> Self {
        Self::Iterator(Contained::empty())
    }

    #[inline]
    pub(super) fn next(&mut self) -> Next<J> {
        let cursor = match self {
            Self::Iterator(cursor) => cursor,
            Self::Arrivals(arrivals) => return arrivals.next(),
        };
        let Some(items) = cursor.get_mut() else { return Next::Nothing };
        match contain(|| items.next()) {
            Ok(Some(job)) => Next::Job { job, expires: NEVER },
            Ok(None) => {
                cursor.clear();
                Next::Nothing
            }
            Err(message) => {
                // There is nothing behind it.
                cursor.clear();
                Next::Failed(Box::new(Cause::Panicked(format!("the iterator of the items: {message}"))))
            }
        }
    }

    /// What has arrived, where it does so by itself.
    pub(super) fn arrivals(&self) -> Option<&Arc<Arrivals<J>>> {
        match self {
            Self::Iterator(_) => None,
            Self::Arrivals(arrivals) => Some(arrivals),
        }
    }

    /// At most how many branches can be had now; `usize::MAX` if the iterator does not know.
    pub(super) fn ready(&self) -> usize {
        match self {
            Self::Iterator(items) => match items.get().map(|items| contain(|| items.size_hint())) {
                None => 0,
                Some(Ok((_, Some(most)))) => most,
                // A hint that panics hints at nothing; `next` will say more.
                Some(Ok((_, None)) | Err(_)) => usize::MAX,
            },
            Self::Arrivals(arrivals) => arrivals.ready(),
        }
    }

    /// At most how many branches can be had now or later; `usize::MAX` if nobody knows.
    pub(super) fn most(&self) -> usize {
        match self {
            Self::Iterator(_) => self.ready(),
            Self::Arrivals(arrivals) => arrivals.most(),
        }
    }

    /// Whether an iterator is known to have no end.
    pub(super) fn is_endless(&self) -> bool {
        match self {
            Self::Iterator(items) => {
                items.get().is_some_and(|items| matches!(contain(|| items.size_hint()), Ok((usize::MAX, _))))
            }
            Self::Arrivals(_) => false,
        }
    }
}
