//! How many sweeps a trial has met.

use std::collections::BTreeMap;

/// Counts launches that are found to be removed, and sweeps of which a kill has left something to do.
#[derive(Debug, Clone, Default)]
pub(super) struct Sweeps {
    /// Launches that had expired before the last sweep that a child was killed in, by their keys. Each is looked for once.
    expired: BTreeMap<u64, String>,
    /// How many of them were found, and how many were not.
    there: usize,
    gone: usize,
    pub(super) removed: usize,
    cut: usize,
}

impl Sweeps {
    /// A child was killed when these were to be removed, and so many others, which it has itself found to be gone.
    pub(super) fn begin(&mut self, expired: BTreeMap<u64, String>, gone: usize) {
        self.cut = self.cut();
        (self.expired, self.there, self.gone) = (expired, 0, gone);
    }

    /// Which of them nobody has looked for yet.
    pub(super) fn unknown(&self) -> &BTreeMap<u64, String> {
        &self.expired
    }

    pub(super) fn find(&mut self, key: u64, id: &str) {
        self.there += self.take(key, id);
    }

    pub(super) fn miss(&mut self, key: u64, id: &str) {
        self.removed += 1;
        self.gone += self.take(key, id);
    }

    fn take(&mut self, key: u64, id: &str) -> usize {
        let expired = self.expired.get(&key).is_some_and(|expired| expired == id);
        if expired {
            self.expired.remove(&key);
        }
        usize::from(expired)
    }

    /// How many sweeps were killed in their midst: of what they were to remove, some is gone, and some is not.
    pub(super) fn cut(&self) -> usize {
        self.cut + usize::from(self.there > 0 && self.gone > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_is_cut_if_some_is_gone_and_some_is_not() {
        let expired = || BTreeMap::from([(1, "a".to_owned()), (2, "b".to_owned())]);
        let mut sweeps = Sweeps::default();
        sweeps.begin(expired(), 0);
        sweeps.miss(1, "a");
        sweeps.find(2, "c"); // another launch under this key
        assert_eq!((sweeps.removed, sweeps.cut(), sweeps.unknown().len()), (1, 0, 1));
        sweeps.find(2, "b");
        assert_eq!((sweeps.removed, sweeps.cut(), sweeps.unknown().len()), (1, 1, 0));
        sweeps.begin(expired(), 1);
        sweeps.miss(1, "a");
        sweeps.miss(2, "b");
        assert_eq!((sweeps.removed, sweeps.cut()), (3, 1));
    }
}
