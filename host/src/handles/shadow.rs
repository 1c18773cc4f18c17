//! Which handle numbers a component has taken.
//!
//! wasmtime gives out numbers of a component instance's handles from a free list: the one that was freed
//! last is taken first, otherwise the next that was never used, and the first is 1. The same list is kept
//! here, moved by the same events.

use std::collections::{BTreeMap, HashMap};

/// The numbers that are free, in the order they will be taken.
#[derive(Debug, Clone, Default)]
pub(crate) struct FreeList {
    /// Place of the number that is taken next; `links.len()` for one that was never used.
    next: usize,
    /// For a place that is free: which place is taken after it.
    links: Vec<usize>,
}

impl FreeList {
    /// Takes the next number.
    pub(crate) fn take(&mut self) -> u32 {
        let place = self.next;
        if place == self.links.len() {
            self.links.push(place + 1);
        }
        self.next = self.links[place];
        u32::try_from(place + 1).unwrap_or(u32::MAX)
    }

    /// Gives back a number that was taken.
    pub(crate) fn give(&mut self, number: u32) {
        let Some(place) = (number as usize).checked_sub(1) else { return };
        if let Some(link) = self.links.get_mut(place) {
            *link = std::mem::replace(&mut self.next, place);
        }
    }
}

/// The live handles of one component, each with its number, what it stands for in the store's table of
/// resources (its *rep*), and what it is.
#[derive(Debug)]
pub(crate) struct Shadow<K> {
    free: FreeList,
    live: BTreeMap<u32, (u32, K)>,
    numbers: HashMap<u32, u32>,
}

impl<K> Default for Shadow<K> {
    fn default() -> Self {
        Self { free: FreeList::default(), live: BTreeMap::new(), numbers: HashMap::new() }
    }
}

impl<K> Shadow<K> {
    /// A handle begins: the number the component will know it by.
    pub(crate) fn insert(&mut self, kind: K, rep: u32) -> u32 {
        let number = self.free.take();
        self.live.insert(number, (rep, kind));
        self.numbers.insert(rep, number);
        number
    }

    /// The handle of this rep ends: the number it had.
    pub(crate) fn remove(&mut self, rep: u32) -> Option<u32> {
        let number = self.numbers.remove(&rep)?;
        self.live.remove(&number);
        self.free.give(number);
        Some(number)
    }

    /// Number, rep and kind of every live handle, by ascending number.
    pub(crate) fn live(&self) -> impl ExactSizeIterator<Item = (u32, u32, &K)> {
        self.live.iter().map(|(number, (rep, kind))| (*number, *rep, kind))
    }

    /// The number of the live handle of this rep.
    pub(crate) fn number_of(&self, rep: u32) -> Option<u32> {
        self.numbers.get(&rep).copied()
    }

    /// What is free now.
    pub(crate) fn free(&self) -> &FreeList {
        &self.free
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_number_freed_last_is_taken_first() {
        let mut shadow = Shadow::default();
        assert_eq!([10, 11, 12].map(|rep| shadow.insert((), rep)), [1, 2, 3]);
        assert_eq!(shadow.remove(10), Some(1));
        assert_eq!(shadow.remove(12), Some(3));
        assert_eq!(shadow.remove(12), None);
        assert_eq!([20, 21, 22].map(|rep| shadow.insert((), rep)), [3, 1, 4]);
        assert_eq!(shadow.number_of(21), Some(1));
        assert_eq!(
            shadow.live().map(|(n, rep, ())| (n, rep)).collect::<Vec<_>>(),
            [(1, 21), (2, 11), (3, 20), (4, 22)]
        );
    }

    proptest! {
        /// Against the rule in its plainest form: a stack of freed numbers above all unused ones.
        #[test]
        fn follows_the_rule(acts in prop::collection::vec(prop::option::of(any::<prop::sample::Index>()), 0..200)) {
            let mut shadow = Shadow::default();
            let (mut freed, mut used) = (Vec::new(), 0);
            let mut held: Vec<(u32, u32)> = Vec::new();
            for (rep, act) in acts.into_iter().enumerate() {
                let rep = u32::try_from(rep).unwrap();
                match act.filter(|_| !held.is_empty()) {
                    Some(which) => {
                        let (number, rep) = held.swap_remove(which.index(held.len()));
                        prop_assert_eq!(shadow.remove(rep), Some(number));
                        freed.push(number);
                    }
                    None => {
                        let number = freed.pop().unwrap_or_else(|| { used += 1; used });
                        prop_assert_eq!(shadow.insert(rep, rep), number);
                        held.push((number, rep));
                    }
                }
                held.sort_unstable();
                let live: Vec<_> = shadow.live().map(|(number, rep, _)| (number, rep)).collect();
                prop_assert_eq!(&live, &held);
            }
        }
    }
}
