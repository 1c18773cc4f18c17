//! The hashes of an agent's pages at its last capture. SHA-256 of a page costs some twenty times what it costs to find
//! that it is as it was, and most of what an agent wrote it wrote long ago.
//!
//! "As it was" is a hash of 64 bits under a random key: of two contents of a page one in 2^64 is taken for the other,
//! and no guest can look for them. It decides what is hashed, never what is read from a store.

use std::{hash::BuildHasher as _, iter::Peekable, sync::LazyLock, vec};

use checkpoint::{Hash, hash};
use foldhash::{SharedSeed, quality::SeedableRandomState};

/// Of this process.
pub(super) static KEY: LazyLock<SharedSeed> = LazyLock::new(|| SharedSeed::from_u64(rand::random()));

fn quick(bytes: &[u8]) -> u64 {
    SeedableRandomState::with_seed(0, &KEY).hash_one(bytes)
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Of each memory, ascending.
    memories: Vec<Vec<Page>>,
}

#[derive(Debug)]
struct Page {
    page: u32,
    quick: u64,
    hash: Hash,
}

/// One capture of a memory; [`Self::end`] keeps what it saw.
#[derive(Debug)]
pub(crate) struct Look<'a> {
    kept: &'a mut Vec<Page>,
    before: Peekable<vec::IntoIter<Page>>,
    now: Vec<Page>,
}

impl Seen {
    /// Begins to capture a memory. Without an end everything is hashed the next time.
    pub(crate) fn look(&mut self, memory: usize) -> Look<'_> {
        if self.memories.len() <= memory {
            self.memories.resize_with(memory + 1, Vec::new);
        }
        let kept = &mut self.memories[memory];
        let before = std::mem::take(kept).into_iter().peekable();
        Look { kept, before, now: Vec::new() }
    }
}

impl Look<'_> {
    /// The hash of a page's bytes; pages come in ascending order.
    pub(crate) fn hash(&mut self, page: u32, bytes: &[u8]) -> Hash {
        let quick = quick(bytes);
        while self.before.next_if(|seen| seen.page < page).is_some() {}
        let same = self.before.next_if(|seen| seen.page == page && seen.quick == quick);
        let hash = same.map_or_else(|| hash(bytes), |seen| seen.hash);
        self.now.push(Page { page, quick, hash });
        hash
    }

    pub(crate) fn end(mut self) {
        self.now.shrink_to_fit();
        *self.kept = self.now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Captures some pages; the hash of each is as if nothing was remembered.
    fn capture(seen: &mut Seen, memory: usize, pages: &[(u32, u8)]) {
        let mut look = seen.look(memory);
        for (page, byte) in pages {
            let bytes = [*byte; 64];
            assert_eq!(look.hash(*page, &bytes), hash(&bytes), "page {page}");
        }
        look.end();
    }

    #[test]
    fn a_page_has_the_hash_of_what_it_is_now() {
        let mut seen = Seen::default();
        capture(&mut seen, 1, &[(1, 1), (2, 2), (5, 5), (9, 9)]);
        // One changed, one is the base's again, one is new, and two have each other's bytes.
        capture(&mut seen, 1, &[(1, 1), (3, 3), (5, 9), (9, 5)]);
        capture(&mut seen, 0, &[(1, 7)]);
        capture(&mut seen, 1, &[(1, 1), (2, 2), (9, 5)]);
        capture(&mut seen, 1, &[]);
    }

    #[test]
    fn what_is_as_it_was_is_not_hashed_again() {
        let mut seen = Seen::default();
        capture(&mut seen, 0, &[(3, 1), (4, 2)]);
        seen.memories[0][1].hash = [0; 32];
        let mut look = seen.look(0);
        assert_eq!(look.hash(4, &[2; 64]), [0; 32]);
        assert_eq!(look.hash(5, &[2; 64]), hash(&[2; 64]));
    }
}
