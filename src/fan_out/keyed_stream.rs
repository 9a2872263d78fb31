//! Items of a stream under keys of their own.

use std::collections::HashSet;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::stream::{BoxStream, Stream, StreamExt};

use super::branches::{Branches, Prepare, Prepared, Repeat, Repeatable};
use super::foreach::Same;
use super::foreach_stream::ForEachStream;
use super::keyed::DuplicateKey;
use super::options::FanOut;
use crate::agent::{AgentRef, Copying, Keys, Roster};
use crate::outcome::{AgentError, Outcome};
use crate::policy::Restart;
use crate::supervisor::Source;
use crate::user_code::{Contained, discard, key_of};

/// Items of a stream under keys that are checked as they arrive. [`FanOut::keyed`] makes it.
pub struct KeyedStream<I, O> {
    agent: AgentRef<I, O>,
    items: BoxStream<'static, I>,
    key: KeyOf<I>,
    restart: Option<Copying<I>>,
}

type KeyOf<I> = Box<dyn FnMut(&I) -> Arc<str> + Send>;

impl<I: Send + 'static, O: Send + 'static> FanOut<ForEachStream<I, O>> {
    /// Gives each item a key: results come as `(key, outcome)` in the order in which the items arrived, failures name the
    /// key, and the agent sees it as [`key`](crate::AgentContext::key).
    ///
    /// Nothing is collected: each key is checked when its item arrives. An item whose key an earlier one had fails
    /// without an attempt, with a fatal [`AgentError`] around [`DuplicateKey`]; everything else goes on. What is kept of a
    /// key is a fingerprint of 16 bytes in a hash table, which for a million keys takes 36 MB, and half as much
    /// again for a moment when it grows; the chance that two different ones among these are taken for the same is below
    /// 10⁻²⁶. The key itself is kept until its outcome has been
    /// handed over, so that a [`stream`](FanOut::stream) holds few of them.
    ///
    /// If `key`, or the key's `Display`, panics or fails, or writes more than 1 MiB, this ends the list as a panic of the stream does. That last outcome has
    /// an empty key.
    ///
    /// ```
    /// use futures::stream;
    /// use sortie::{Cause, DuplicateKey};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// async fn len(text: String) -> Result<usize, std::convert::Infallible> {
    ///     Ok(text.len())
    /// }
    /// let texts = stream::iter(["x", "yy", "x"].map(String::from));
    /// let lengths = sortie::foreach_stream(texts, len).keyed(|text| text.clone()).settled().await;
    /// assert!(matches!(&lengths[1], (key, Ok(2)) if key == "yy"));
    /// let failure = lengths[2].1.as_ref().unwrap_err();
    /// assert!(matches!(failure.cause(), Cause::Failed(error) if error.downcast_ref::<DuplicateKey>().is_some()));
    /// # }
    /// ```
    pub fn keyed<K: fmt::Display>(
        self,
        mut key: impl FnMut(&I) -> K + Send + 'static,
    ) -> FanOut<KeyedStream<I, O>> {
        self.map(|ForEachStream { agent, items, restart }| {
            let key: KeyOf<I> = Box::new(move |item| key_of(&key(item)));
            KeyedStream { agent, items, key, restart }
        })
    }
}

impl<I: Send + 'static, O: Send + 'static> Prepare for KeyedStream<I, O> {
    type Work = Same<I, O>;
    type Shape = Arc<Keys>;

    fn prepare(self, timeout: Option<Duration>) -> Prepared<Self> {
        let keys = Arc::new(Keys::default());
        let items = Checked {
            items: Contained::new(self.items),
            key: Contained::new(self.key),
            arriving: Contained::empty(),
            arrived: 0,
            keys: Arc::clone(&keys),
            seen: Seen::default(),
        };
        Prepared {
            roster: Roster::Arriving { agent: self.agent.shared_name(), keys: Arc::clone(&keys) },
            work: Same::new(self.agent, self.restart, timeout),
            source: Source::Stream(items.boxed()),
            shape: keys,
        }
    }
}

impl<I: Send + 'static, O: Send + 'static> Branches for KeyedStream<I, O> {
    type Values = Vec<(String, O)>;
    type Outcomes = Vec<(String, Outcome<O>)>;

    fn outcomes(keys: Arc<Keys>, outcomes: Vec<Outcome<O>>) -> Vec<(String, Outcome<O>)> {
        with_keys(&keys, outcomes)
    }

    fn values(keys: Arc<Keys>, values: Vec<O>) -> Vec<(String, O)> {
        with_keys(&keys, values)
    }
}

impl<I: Clone, O> Repeat for KeyedStream<I, O> {
    fn repeat(mut self, policy: &Restart) -> Self {
        self.restart = Some(Copying::new(policy.clone()));
        self
    }
}

impl<I: Clone + Send + 'static, O: Send + 'static> Repeatable for KeyedStream<I, O> {}

impl<I, O> fmt::Debug for KeyedStream<I, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedStream").field("agent", &self.agent).finish_non_exhaustive()
    }
}

fn with_keys<T>(keys: &Keys, results: Vec<T>) -> Vec<(String, T)> {
    let key = |index| keys.get(index).map(|key| key.as_ref().to_owned()).unwrap_or_default();
    results.into_iter().enumerate().map(|(index, result)| (key(index), result)).collect()
}

/// The items with their keys noted, and an error in the place of those whose key was there before. Each
/// part that is the user's is dropped by itself: of two that panic in one drop, the second would end the process.
struct Checked<I> {
    items: Contained<BoxStream<'static, I>>,
    key: Contained<KeyOf<I>>,
    /// The item whose key is being asked for: if that panics, the item is dropped with the stream and not during the
    /// unwinding, where a panic of its own would end the process.
    arriving: Contained<I>,
    arrived: usize,
    keys: Arc<Keys>,
    seen: Seen,
}

/// No item is ever pinned in it.
impl<I> Unpin for Checked<I> {}

impl<I> Stream for Checked<I> {
    type Item = Result<I, AgentError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let (Some(items), Some(key)) = (this.items.get_mut(), this.key.get_mut()) else {
            return Poll::Ready(None);
        };
        this.arriving = ready!(items.as_mut().poll_next(cx)).into();
        let Some(key) = this.arriving.get().map(key) else { return Poll::Ready(None) };
        this.keys.put(this.arrived, Arc::clone(&key));
        this.arrived += 1;
        let item = this.arriving.take();
        if this.seen.insert(&key) {
            return Poll::Ready(item.map(Ok));
        }
        discard(item);
        Poll::Ready(Some(Err(AgentError::fatal(DuplicateKey { key }))))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.items.get().map_or((0, None), |items| items.size_hint())
    }
}

/// Which keys there have been, as fingerprints of 128 bits: two hashes of 64 bits under different secret keys.
#[derive(Default)]
struct Seen {
    fingerprints: HashSet<u128>,
    halves: [RandomState; 2],
}

impl Seen {
    /// Notes a key. `false` if it was there before.
    fn insert(&mut self, key: &str) -> bool {
        let [high, low] = self.halves.each_ref().map(|half| u128::from(half.hash_one(key)));
        self.fingerprints.insert(high << 64 | low)
    }
}
