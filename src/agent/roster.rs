//! Who is who in a run.

use std::sync::Arc;

/// The names of a run's branches: which agent each has, and its label or key.
#[derive(Debug)]
pub(crate) enum Roster {
    /// One agent for all branches.
    Same { agent: Arc<str> },
    /// One agent for all branches, and a key for each.
    Keyed { agent: Arc<str>, keys: Vec<Arc<str>> },
    /// An agent for each branch, and its label if it has one.
    Each(Vec<(Arc<str>, Option<Arc<str>>)>),
}

impl Roster {
    pub(crate) fn agent(&self, index: usize) -> Arc<str> {
        match self {
            Self::Same { agent } | Self::Keyed { agent, .. } => Arc::clone(agent),
            Self::Each(branches) => {
                branches.get(index).map_or_else(|| "".into(), |(agent, _)| Arc::clone(agent))
            }
        }
    }

    /// How many branches there are, where this is known from the start.
    pub(crate) fn len(&self) -> Option<usize> {
        match self {
            Self::Same { .. } => None,
            Self::Keyed { keys, .. } => Some(keys.len()),
            Self::Each(branches) => Some(branches.len()),
        }
    }

    /// The label or key.
    pub(crate) fn name(&self, index: usize) -> Option<Arc<str>> {
        self.label(index).or_else(|| self.key(index)).cloned()
    }

    pub(crate) fn label(&self, index: usize) -> Option<&Arc<str>> {
        match self {
            Self::Same { .. } | Self::Keyed { .. } => None,
            Self::Each(branches) => branches.get(index)?.1.as_ref(),
        }
    }

    pub(crate) fn key(&self, index: usize) -> Option<&Arc<str>> {
        match self {
            Self::Keyed { keys, .. } => keys.get(index),
            Self::Same { .. } | Self::Each(_) => None,
        }
    }
}
