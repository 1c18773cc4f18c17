//! Chunks that were read lately: agents of one image, and forks of one agent, share most of theirs.

use std::{
    collections::HashMap,
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use checkpoint::{ChunkRef, Hash, manifest::FILE_PIECE_BYTES};

/// What it holds at most, bytes.
pub const CACHE_BYTES: usize = 64 << 20;
/// What an entry takes beside its bytes, about.
const ENTRY_BYTES: usize = 128;

/// Two generations, each of half the bytes: what is asked for moves to the young one; when that is full, the old
/// one is dropped and the young one is old. So what is used stays, and nothing is kept in an order.
#[derive(Debug, Default)]
pub(crate) struct Cache(Mutex<Generations>);

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<Hash, Bytes>,
    old: HashMap<Hash, Bytes>,
    /// Of the young one.
    bytes: usize,
}

impl Cache {
    fn lock(&self) -> MutexGuard<'_, Generations> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The chunks that are here, in the order they are asked for.
    pub(crate) fn find(&self, chunks: &[ChunkRef]) -> Vec<Option<Bytes>> {
        let mut held = self.lock();
        let fits = |chunk: &ChunkRef, bytes: &Bytes| bytes.len() == chunk.length as usize;
        chunks.iter().map(|chunk| held.find(&chunk.hash).filter(|bytes| fits(chunk, bytes))).collect()
    }

    /// Keeps verified chunks.
    pub(crate) fn keep<'a>(&self, chunks: impl Iterator<Item = (&'a ChunkRef, &'a Bytes)>) {
        let mut held = self.lock();
        for (chunk, bytes) in chunks {
            if bytes.len() <= FILE_PIECE_BYTES {
                held.keep(chunk.hash, bytes.clone());
            }
        }
    }
}

impl Generations {
    fn find(&mut self, hash: &Hash) -> Option<Bytes> {
        if let Some(found) = self.young.get(hash) {
            return Some(found.clone());
        }
        let found = self.old.remove(hash)?;
        self.keep(*hash, found.clone());
        Some(found)
    }

    fn keep(&mut self, hash: Hash, bytes: Bytes) {
        let size = bytes.len() + ENTRY_BYTES;
        if self.bytes + size > CACHE_BYTES / 2 {
            self.old = mem::take(&mut self.young);
            self.bytes = 0;
        }
        if self.young.insert(hash, bytes).is_none() {
            self.bytes += size;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_the_rest_goes() {
        let mut cache = Generations::default();
        let bytes = Bytes::from(vec![0; FILE_PIECE_BYTES]);
        let name = |n: u32| checkpoint::hash(&n.to_le_bytes());
        for n in 0..10_000 {
            cache.keep(name(n), bytes.clone());
            assert!(cache.find(&name(0)).is_some(), "it is asked for all the time");
            assert!((cache.young.len() + cache.old.len()) * (bytes.len() + ENTRY_BYTES) <= CACHE_BYTES);
        }
        assert!(cache.find(&name(1)).is_none());
        assert!(cache.find(&name(9_999)).is_some());
    }
}
