//! Where chunks of this host are stored, by their hash: a page that thousands of agents have alike is stored once.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use checkpoint::{ChunkRef, Hash};
use foldhash::fast::SeedableRandomState;
use wire::PackId;

use super::seen::KEY;

/// Chunks remembered, in two halves of so many: about 100 bytes each.
const HALF: usize = 64 * 1024;

/// See the module. Two generations: when the young one is full the old one is forgotten, so that what is used stays
/// and nothing is moved one by one.
#[derive(Debug, Default)]
pub(crate) struct Index(Mutex<Halves>);

#[derive(Debug)]
struct Halves {
    young: HashMap<Hash, ChunkRef, SeedableRandomState>,
    old: HashMap<Hash, ChunkRef, SeedableRandomState>,
}

impl Default for Halves {
    fn default() -> Self {
        // Quicker than the default one, and no more to be foreseen by a guest.
        let state = SeedableRandomState::with_seed(rand::random(), &KEY);
        Self { young: HashMap::with_hasher(state.clone()), old: HashMap::with_hasher(state) }
    }
}

impl Index {
    fn lock(&self) -> std::sync::MutexGuard<'_, Halves> {
        // A panic inside leaves two whole maps.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a chunk is stored, as far as this host remembers.
    pub(crate) fn find(&self, hash: &Hash) -> Option<ChunkRef> {
        self.lock().find(hash)
    }

    /// [`Self::find`] for many.
    pub(crate) fn find_all<'a>(&self, hashes: impl Iterator<Item = &'a Hash>) -> Vec<Option<ChunkRef>> {
        let mut halves = self.lock();
        hashes.map(|hash| halves.find(hash)).collect()
    }

    /// A chunk is stored.
    pub(crate) fn remember(&self, stored: impl IntoIterator<Item = ChunkRef>) {
        let mut halves = self.lock();
        for chunk in stored {
            halves.remember(chunk);
        }
    }

    /// These packs are gone.
    pub(crate) fn forget(&self, packs: &[PackId]) {
        let mut halves = self.lock();
        halves.young.retain(|_, chunk| !packs.contains(&chunk.pack));
        halves.old.retain(|_, chunk| !packs.contains(&chunk.pack));
    }
}

impl Halves {
    fn find(&mut self, hash: &Hash) -> Option<ChunkRef> {
        if let Some(found) = self.young.get(hash) {
            return Some(*found);
        }
        let found = self.old.remove(hash)?;
        self.remember(found);
        Some(found)
    }

    fn remember(&mut self, chunk: ChunkRef) {
        if self.young.len() >= HALF {
            std::mem::swap(&mut self.old, &mut self.young);
            self.young.clear();
        }
        self.young.insert(chunk.hash, chunk);
    }
}

#[cfg(test)]
mod tests {
    use checkpoint::Codec;

    use super::*;

    fn chunk(n: u64, pack: PackId) -> ChunkRef {
        let hash = checkpoint::hash(&n.to_le_bytes());
        ChunkRef { hash, pack, offset: n, stored: 8, length: 8, codec: Codec::Raw }
    }

    #[test]
    fn what_is_used_is_kept_and_the_rest_is_bounded() {
        let (index, pack) = (Index::default(), PackId::new());
        let used = chunk(0, pack);
        index.remember([used]);
        for n in 1..4 * HALF as u64 {
            index.remember([chunk(n, pack)]);
            if n % 1000 == 0 {
                assert_eq!(index.find(&used.hash), Some(used));
            }
        }
        assert_eq!(index.find(&chunk(1, pack).hash), None);
        let halves = index.lock();
        assert!(halves.young.len() + halves.old.len() <= 2 * HALF);
    }

    #[test]
    fn what_was_in_a_pack_that_is_gone_is_forgotten() {
        let (index, one, two) = (Index::default(), PackId::new(), PackId::new());
        index.remember([chunk(1, one), chunk(2, two)]);
        assert_eq!(
            index.find_all([2, 3, 1].map(|n| chunk(n, one).hash).iter()),
            [Some(chunk(2, two)), None, Some(chunk(1, one))]
        );
        index.forget(&[one]);
        assert_eq!(index.find(&chunk(1, one).hash), None);
        assert!(index.find(&chunk(2, two).hash).is_some());
    }
}
