//! Where the branches of a run come from: an iterator, or a stream.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::stream::BoxStream;

use super::arrivals::Arrivals;
use super::seat::{Moment, NEVER};
use crate::outcome::{AgentError, Cause};
use crate::user_code::{Contained, EachContained, contain};

/// The branches of a run, before it starts.
pub(crate) enum Source<J> {
    /// The children pull, and execute the iterator.
    Iterator(Box<dyn Iterator<Item = J> + Send>),
    /// An usher polls, and the children pull what has arrived. An error is a branch that fails without an attempt.
    Stream(BoxStream<'static, Result<J, AgentError>>),
}

/// What is left of the branches of a run that has started.
pub(super) enum Cursor<J> {
    Iterator(Items<J>),
    Arrivals(Arc<Arrivals<J>>),
}

/// An iterator, and how far its size hint is believed.
///
/// A hint serves to decide how many children there are. That there are no more items is known only once the iterator has
/// said so: so where the hint has promised no further one, the iterator is asked, ahead of time.
pub(super) struct Items<J> {
    items: Contained<Box<dyn Iterator<Item = J> + Send>>,
    /// The items that it has given ahead of time.
    ahead: EachContained<VecDeque<J>>,
    /// What ends the list instead of an item, behind those.
    failed: Option<Box<Cause>>,
    /// At most how many further items the iterator has promised at its start; `usize::MAX` if it has not promised anything.
    promised: usize,
    /// Whether it was found to have given more than that, since somebody asked: there may be work for more children.
    is_news: bool,
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

impl<J> Items<J> {
    fn new(items: Box<dyn Iterator<Item = J> + Send>) -> Self {
        let (ahead, items) = (EachContained(VecDeque::new()), Contained::new(items));
        let mut items = Self { items, ahead, failed: None, promised: usize::MAX, is_news: false };
        items.promised = items.hint();
        items.verify();
        items
    }

    fn empty() -> Self {
        let (ahead, items) = (EachContained(VecDeque::new()), Contained::empty());
        Self { items, ahead, failed: None, promised: 0, is_news: false }
    }

    #[inline]
    fn next(&mut self) -> Next<J> {
        if let Some(job) = self.ahead.0.pop_front() {
            return Next::Job { job, expires: NEVER };
        }
        match self.take() {
            Some(job) => {
                self.note_given();
                self.verify();
                Next::Job { job, expires: NEVER }
            }
            None => self.failed.take().map_or(Next::Nothing, Next::Failed),
        }
    }

    /// Executes the iterator. Behind its end, and behind a panic, there is nothing.
    #[inline]
    fn take(&mut self) -> Option<J> {
        let items = self.items.get_mut()?;
        match contain(|| items.next()) {
            Ok(Some(job)) => return Some(job),
            Ok(None) => {}
            Err(message) => {
                let cause = Cause::Panicked(format!("the iterator of the items: {message}"));
                self.failed = Some(Box::new(cause));
            }
        }
        self.items.clear();
        None
    }

    /// The iterator has given one more item.
    #[inline]
    fn note_given(&mut self) {
        match self.promised {
            usize::MAX => {}
            0 => (self.promised, self.is_news) = (usize::MAX, true),
            promised => self.promised = promised - 1,
        }
    }

    /// Asks the iterator for one more item where it has promised none. If there is one, its hint is not believed any more.
    #[inline]
    fn verify(&mut self) {
        if self.promised == 0 {
            self.look_ahead();
        }
    }

    /// Takes one item ahead of time; `false` if there is none.
    fn look_ahead(&mut self) -> bool {
        let job = self.take();
        let found = job.is_some();
        if found {
            self.note_given();
        }
        self.ahead.0.extend(job);
        found
    }

    /// What the size hint promises now; `usize::MAX` if it does not, or contradicts itself.
    fn hint(&self) -> usize {
        match self.items.get().map(|items| contain(|| items.size_hint())) {
            None => 0,
            Some(Ok((least, Some(most)))) if least <= most => most,
            // A hint that panics hints at nothing; `next` will say more.
            Some(_) => usize::MAX,
        }
    }

    /// At most how many items there are, as far as the iterator is believed, and what stands for one that failed. Zero only
    /// if there are none. What the hint says later is not asked for: if it were too little, too few children would be sent.
    fn most(&self) -> usize {
        let known = self.ahead.0.len() + usize::from(self.failed.is_some());
        let rest = match self.items.get() {
            None => 0,
            Some(_) => self.promised.max(1),
        };
        known.saturating_add(rest)
    }

    /// Whether there are fewer items than that. Where the hint says so, the iterator is asked, if it may be executed here;
    /// otherwise it is not known.
    fn has_fewer_than(&mut self, count: usize, may_look: bool) -> bool {
        let known = self.ahead.0.len() + usize::from(self.failed.is_some());
        if known.saturating_add(self.hint().min(self.promised)) >= count {
            return false;
        }
        while may_look && self.ahead.0.len() < count && self.look_ahead() {}
        self.items.get().is_none() && self.most() < count
    }
}

impl<J> Cursor<J> {
    pub(super) fn new(source: Source<J>, concurrency: usize, patience: Moment) -> Self {
        match source {
            Source::Iterator(items) => Self::Iterator(Items::new(items)),
            Source::Stream(items) => Self::Arrivals(Arc::new(Arrivals::new(items, concurrency, patience))),
        }
    }

    pub(super) fn empty() -> Self {
        Self::Iterator(Items::empty())
    }

    #[inline]
    pub(super) fn next(&mut self) -> Next<J> {
        match self {
            Self::Iterator(items) => items.next(),
            Self::Arrivals(arrivals) => arrivals.next(),
        }
    }

    /// What has arrived, where it does so by itself.
    pub(super) fn arrivals(&self) -> Option<&Arc<Arrivals<J>>> {
        match self {
            Self::Iterator(_) => None,
            Self::Arrivals(arrivals) => Some(arrivals),
        }
    }

    /// At most how many branches can be had now; `usize::MAX` if the iterator does not know. Zero only if there are none.
    pub(super) fn ready(&self) -> usize {
        match self {
            Self::Iterator(items) => items.most(),
            Self::Arrivals(arrivals) => arrivals.ready(),
        }
    }

    /// Whether fewer branches than that can be had, now or later. `may_look` says whether the iterator may be executed to
    /// find out.
    pub(super) fn has_fewer_than(&mut self, count: usize, may_look: bool) -> bool {
        match self {
            Self::Iterator(items) => items.has_fewer_than(count, may_look),
            // What the hint of a stream says cannot be verified before the stream has ended.
            Self::Arrivals(arrivals) => arrivals.are_fewer_than(count),
        }
    }

    /// Whether a size hint was found to be wrong since this was called the last time.
    #[inline]
    pub(super) fn was_hint_wrong(&mut self) -> bool {
        match self {
            Self::Iterator(items) => std::mem::take(&mut items.is_news),
            Self::Arrivals(_) => false,
        }
    }

    /// Whether an iterator is known to have no end.
    pub(super) fn is_endless(&self) -> bool {
        match self {
            Self::Iterator(Items { ahead, items, .. }) => {
                let endless = |items: &(dyn Iterator<Item = J> + Send)| {
                    matches!(contain(|| items.size_hint()), Ok((usize::MAX, None)))
                };
                ahead.0.is_empty() && items.get().is_some_and(|items| endless(&**items))
            }
            Self::Arrivals(_) => false,
        }
    }
}
