//! Items under keys of their own.

use std::collections::HashSet;
use std::fmt;
use std::iter;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use super::branches::{Branches, Prepare, Prepared, Repeat, Repeatable};
use super::foreach::{ForEach, Same};
use super::options::FanOut;
use crate::agent::{AgentRef, Copying, Roster};
use crate::outcome::Outcome;
use crate::policy::Restart;
use crate::supervisor::Source;
use crate::user_code::key_of;

/// Items under unique keys, collected so that the keys could be checked. [`FanOut::keyed`] makes it.
pub struct Keyed<I, O> {
    agent: AgentRef<I, O>,
    items: Vec<I>,
    keys: Vec<Arc<str>>,
    restart: Option<Copying<I>>,
}

impl<I: Send + 'static, O: Send + 'static> FanOut<ForEach<I, O>> {
    /// Gives each item a key: results come as `(key, outcome)` in the order of the items, failures name the key, and
    /// the agent sees it as [`key`](crate::AgentContext::key).
    ///
    /// Collects the items, so that the keys are checked before anything runs.
    ///
    /// # Errors
    /// [`DuplicateKey`] if two items have the same key. Nothing has run.
    ///
    /// # Panics
    /// If `key`, the key's `Display` or the iterator of the items panics, or the `Display` fails or writes more than 1 MiB. Nothing
    /// has run.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// async fn len(text: String) -> Result<usize, std::convert::Infallible> {
    ///     Ok(text.len())
    /// }
    /// let texts = ["a", "bb"].map(String::from);
    /// let lengths = sortie::foreach(texts, len).keyed(|text| text.clone())?.all().await?;
    /// assert_eq!(lengths, [("a".to_owned(), 1), ("bb".to_owned(), 2)]);
    ///
    /// let twice = sortie::foreach(["x", "y", "x"].map(String::from), len).keyed(|text| text.clone());
    /// assert_eq!(twice.unwrap_err().key(), "x");
    /// # Ok(()) }
    /// ```
    pub fn keyed<K: fmt::Display>(self, key: impl Fn(&I) -> K) -> Result<FanOut<Keyed<I, O>>, DuplicateKey> {
        self.try_map(|ForEach { agent, mut items, restart }| {
            // One by one, because a size hint may be wrong.
            let items: Vec<I> = iter::from_fn(|| items.next()).collect();
            let mut seen = HashSet::with_capacity(items.len());
            let mut keys = Vec::with_capacity(items.len());
            for item in &items {
                let key = key_of(&key(item));
                if !seen.insert(Arc::clone(&key)) {
                    return Err(DuplicateKey { key });
                }
                keys.push(key);
            }
            Ok(Keyed { agent, items, keys, restart })
        })
    }
}

/// Two items have the same key, so their results could not be told apart.
#[derive(Debug, Clone, Error)]
#[error("two items have the key `{key}`: make keys unique, or leave them out and use the order of the items")]
pub struct DuplicateKey {
    pub(super) key: Arc<str>,
}

impl DuplicateKey {
    /// The key.
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl<I: Send + 'static, O: Send + 'static> Prepare for Keyed<I, O> {
    type Work = Same<I, O>;
    type Shape = Vec<Arc<str>>;

    fn prepare(self, timeout: Option<Duration>) -> Prepared<Self> {
        Prepared {
            roster: Roster::Keyed { agent: self.agent.shared_name(), keys: self.keys.clone() },
            work: Same::new(self.agent, self.restart, timeout),
            source: Source::Iterator(Box::new(self.items.into_iter())),
            shape: self.keys,
        }
    }
}

impl<I: Send + 'static, O: Send + 'static> Branches for Keyed<I, O> {
    type Values = Vec<(String, O)>;
    type Outcomes = Vec<(String, Outcome<O>)>;

    fn outcomes(keys: Vec<Arc<str>>, outcomes: Vec<Outcome<O>>) -> Vec<(String, Outcome<O>)> {
        with_keys(keys, outcomes)
    }

    fn values(keys: Vec<Arc<str>>, values: Vec<O>) -> Vec<(String, O)> {
        with_keys(keys, values)
    }
}

impl<I: Clone, O> Repeat for Keyed<I, O> {
    fn repeat(mut self, policy: &Restart) -> Self {
        self.restart = Some(Copying::new(policy.clone()));
        self
    }
}

impl<I: Clone + Send + 'static, O: Send + 'static> Repeatable for Keyed<I, O> {}

impl<I, O> fmt::Debug for Keyed<I, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyed").field("agent", &self.agent).field("keys", &self.keys).finish_non_exhaustive()
    }
}

fn with_keys<T>(keys: Vec<Arc<str>>, results: Vec<T>) -> Vec<(String, T)> {
    keys.into_iter().map(|key| key.as_ref().to_owned()).zip(results).collect()
}
