//! Results that arrive in any order, and leave in input order.

/// One place per item. The cheapest way to reorder: no sorting, no map.
pub struct Slots<T>(Vec<Option<T>>);

impl<T> Slots<T> {
    pub fn new(n: usize) -> Self {
        let mut slots = Vec::new();
        slots.resize_with(n, || None);
        Self(slots)
    }

    pub fn put(&mut self, index: usize, result: T) {
        self.0[index] = Some(result);
    }

    /// The results in order. For outcomes this happens in place: a slot is as wide as what it holds.
    pub fn into_results(self) -> Vec<T> {
        self.0.into_iter().map(|slot| slot.expect("each item has its result")).collect()
    }
}
