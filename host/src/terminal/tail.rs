//! The kept bytes of a stream as parts of a checkpoint: cut at absolute offsets, so that what is older than the
//! last segment is the same part in every checkpoint of the stream.

use bytes::Bytes;
use checkpoint::{
    ChunkRef, Piece,
    manifest::{SEGMENT_BYTES, Tail},
};

/// [`SEGMENT_BYTES`], as a length in memory.
pub(crate) const SEGMENT: usize = 16 * 1024;
const _: () = assert!(SEGMENT as u64 == SEGMENT_BYTES);

/// Segments that a durable checkpoint holds: they need not be read and hashed again.
#[derive(Debug, Default)]
pub(crate) struct Stored(Vec<(u64, ChunkRef)>);

impl Stored {
    /// A checkpoint with this tail became durable. Its segments replace what was known: those of older checkpoints
    /// may be removed.
    pub(crate) fn remember(&mut self, tail: &Tail<ChunkRef>) {
        let mut at = tail.from;
        self.0.clear();
        for chunk in &tail.segments {
            self.0.push((at, *chunk));
            at += u64::from(chunk.length);
        }
    }

    /// Nothing is known to be stored any more.
    pub(crate) fn forget(&mut self) {
        self.0.clear();
    }

    fn find(&self, from: u64, length: u64) -> Option<ChunkRef> {
        let at = self.0.binary_search_by_key(&from, |(offset, _)| *offset).ok()?;
        self.0.get(at).map(|(_, chunk)| *chunk).filter(|chunk| u64::from(chunk.length) == length)
    }
}

/// The bytes from `from` to `head` as parts; `read` answers those between two offsets.
pub(crate) fn cut(from: u64, head: u64, stored: &Stored, read: impl Fn(u64, u64) -> Bytes) -> Tail<Piece> {
    let mut segments = Vec::new();
    let mut at = from;
    loop {
        let end = (at / SEGMENT_BYTES + 1) * SEGMENT_BYTES;
        if end > head {
            return Tail { from, segments, rest: read(at, head) };
        }
        segments.push(match stored.find(at, end - at) {
            Some(chunk) => Piece::Stored(chunk),
            None => Piece::new(read(at, end)),
        });
        at = end;
    }
}

/// The last `limit` bytes of a tail, in order.
pub(crate) fn last(tail: &Tail<Bytes>, limit: usize) -> impl Iterator<Item = &[u8]> {
    let parts = || tail.segments.iter().chain([&tail.rest]).map(|part| &part[..]);
    let mut excess = parts().map(<[u8]>::len).fold(0, usize::saturating_add).saturating_sub(limit);
    parts().map(move |part| {
        let skipped = excess.min(part.len());
        excess -= skipped;
        &part[skipped..]
    })
}

/// A tail of unstored parts with its bytes at hand, as a reader of the checkpoint gets it.
#[cfg(test)]
pub(crate) fn read_back(tail: Tail<Piece>) -> Tail<Bytes> {
    let segments = tail.segments.into_iter().map(|piece| match piece {
        Piece::New(_, bytes) => bytes,
        Piece::Stored(chunk) => panic!("{chunk:?} is not at hand"),
    });
    Tail { from: tail.from, segments: segments.collect(), rest: tail.rest }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use wire::PackId;

    use super::*;

    fn byte(at: u64) -> u8 {
        (at % 251) as u8
    }

    fn read(from: u64, to: u64) -> Bytes {
        (from..to).map(byte).collect()
    }

    fn stored(tail: &Tail<Bytes>) -> Tail<ChunkRef> {
        let pack = PackId::new();
        let chunk = |bytes: &Bytes| ChunkRef {
            hash: checkpoint::hash(bytes),
            pack,
            offset: 0,
            stored: 0,
            length: u32::try_from(bytes.len()).unwrap(),
            codec: checkpoint::Codec::Raw,
        };
        let segments = tail.segments.iter().map(chunk).collect();
        Tail { from: tail.from, segments, rest: tail.rest.clone() }
    }

    proptest! {
        /// However it is cut, the parts are the bytes, and all of a later cut that was whole before is stored already.
        #[test]
        fn parts_are_the_bytes_and_older_ones_stay(from in 0u64..70_000, length in 0u64..70_000, more in 0u64..70_000, gone in 0u64..70_000) {
            let first = read_back(cut(from, from + length, &Stored::default(), read));
            prop_assert_eq!(last(&first, usize::MAX).collect::<Vec<_>>().concat(), read(from, from + length));
            prop_assert!(first.rest.len() < usize::try_from(SEGMENT_BYTES).unwrap());
            let mut known = Stored::default();
            known.remember(&stored(&first));
            // The begin moves by whole segments, as a terminal's does.
            let later = if gone < from { from } else { (gone / SEGMENT_BYTES) * SEGMENT_BYTES }.clamp(from, from + length + more);
            let second = cut(later, from + length + more, &known, read);
            let end_of_first = from + length - first.rest.len() as u64;
            let mut at = later;
            for piece in &second.segments {
                let end = (at / SEGMENT_BYTES + 1) * SEGMENT_BYTES;
                let was_whole = end <= end_of_first && (at == from || at % SEGMENT_BYTES == 0);
                match piece {
                    Piece::Stored(chunk) => {
                        prop_assert!(was_whole);
                        prop_assert_eq!(chunk.hash, checkpoint::hash(&read(at, end)));
                    }
                    Piece::New(_, bytes) => {
                        prop_assert!(!was_whole);
                        prop_assert_eq!(bytes, &read(at, end));
                    }
                }
                at = end;
            }
        }

        #[test]
        fn the_last_bytes_are_the_last(length in 0u64..50_000, limit in 0usize..60_000) {
            let tail = read_back(cut(9, 9 + length, &Stored::default(), read));
            let all = read(9, 9 + length);
            let kept = &all[all.len().saturating_sub(limit)..];
            prop_assert_eq!(last(&tail, limit).collect::<Vec<_>>().concat(), kept);
        }
    }
}
