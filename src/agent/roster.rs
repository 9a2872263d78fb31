//! Who is who in a run.

use std::sync::Arc;

use super::context::Arrived;
use super::keys::Keys;
use super::launches::Launches;

/// The names of a run's branches: which agent each has, and its label or key.
#[derive(Debug)]
pub(crate) enum Roster {
    /// One agent for all branches.
    Same { agent: Arc<str> },
    /// One agent for all branches, and a key for each.
    Keyed { agent: Arc<str>, keys: Vec<Arc<str>> },
    /// An agent for each branch, and its label if it has one.
    Each(Vec<(Arc<str>, Option<Arc<str>>)>),
    /// One agent for all branches, and keys that come with the items.
    Arriving { agent: Arc<str>, keys: Arc<Keys> },
    /// A launch for each branch, with its agent.
    Launched(Arc<Launches>),
}

impl Roster {
    pub(crate) fn agent(&self, index: usize) -> Arc<str> {
        match self {
            Self::Same { agent } | Self::Keyed { agent, .. } | Self::Arriving { agent, .. } => {
                Arc::clone(agent)
            }
            Self::Each(branches) => {
                branches.get(index).map_or_else(|| "".into(), |(agent, _)| Arc::clone(agent))
            }
            Self::Launched(launches) => {
                launches.get(index).map_or_else(|| "".into(), |launched| launched.agent)
            }
        }
    }

    /// How many branches there are, where this is known from the start.
    pub(crate) fn len(&self) -> Option<usize> {
        match self {
            Self::Same { .. } | Self::Arriving { .. } | Self::Launched(_) => None,
            Self::Keyed { keys, .. } => Some(keys.len()),
            Self::Each(branches) => Some(branches.len()),
        }
    }

    pub(crate) fn label(&self, index: usize) -> Option<&Arc<str>> {
        match self {
            Self::Same { .. } | Self::Keyed { .. } | Self::Arriving { .. } | Self::Launched(_) => None,
            Self::Each(branches) => branches.get(index)?.1.as_ref(),
        }
    }

    /// Whether a branch before this one has the same label.
    pub(crate) fn has_label_before(&self, index: usize, label: &str) -> bool {
        (0..index).any(|before| self.label(before).is_some_and(|other| **other == *label))
    }

    /// The key, where all of them are known from the start.
    pub(crate) fn key(&self, index: usize) -> Option<&Arc<str>> {
        match self {
            Self::Keyed { keys, .. } => keys.get(index),
            Self::Same { .. } | Self::Each(_) | Self::Arriving { .. } | Self::Launched(_) => None,
        }
    }

    /// The key, where keys come with the items.
    fn arrived_key(&self, index: usize) -> Option<Arc<str>> {
        match self {
            Self::Arriving { keys, .. } => keys.get(index),
            Self::Same { .. } | Self::Keyed { .. } | Self::Each(_) | Self::Launched(_) => None,
        }
    }

    /// What has come with the branch, where branches come one by one.
    #[inline]
    pub(crate) fn arrived(&self, index: usize) -> Option<Arrived> {
        match self {
            Self::Arriving { keys, .. } => keys.get(index).map(Arrived::Key),
            Self::Launched(launches) => launches.get(index).map(Arrived::Launched),
            Self::Same { .. } | Self::Keyed { .. } | Self::Each(_) => None,
        }
    }

    /// The label or key.
    pub(crate) fn name(&self, index: usize) -> Option<Arc<str>> {
        let known = self.label(index).or_else(|| self.key(index));
        known.cloned().or_else(|| self.arrived_key(index))
    }

    /// Nobody will ask for this branch again: what has arrived with it goes away, so that it does not add up.
    pub(crate) fn forget(&self, index: usize) {
        match self {
            Self::Arriving { keys, .. } => drop(keys.take(index)),
            Self::Launched(launches) => launches.forget(index),
            Self::Same { .. } | Self::Keyed { .. } | Self::Each(_) => {}
        }
    }
}
