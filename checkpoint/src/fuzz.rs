//! For whoever throws bytes at the readers: tests, and `cargo run -p checkpoint --example fuzz`.

use wire::PackId;

use crate::{Checkpoint, Expect, Pack, codec, limits, manifest::Tree, pack::Item, unpack};

/// Gives `data` to every reader. What one takes must hold its own checks and survive being written again.
///
/// # Panics
/// When it does not.
pub fn fuzz(data: &[u8]) {
    if let Ok(checkpoint) = Checkpoint::decode(data, &Expect::default()) {
        assert_eq!(checkpoint.check(), Ok(()));
        let again = Checkpoint::decode(&checkpoint.encode(), &Expect::default());
        assert_eq!(again.as_ref(), Ok(&checkpoint), "written and read again, it is another");
    }
    if let Ok(tree) = Tree::decode(data) {
        assert_eq!(tree.check(), Ok(()));
        assert_eq!(Tree::decode(&tree.encode()).as_ref(), Ok(&tree), "written and read again, it is another");
    }
    let pack = Pack { id: PackId::from_u128(0), bytes: data.to_vec().into() };
    for item in pack.verify().unwrap_or_default() {
        if let Item::Chunk(chunk) = item {
            let begin = usize::try_from(chunk.offset).unwrap_or(usize::MAX);
            let stored = &data[begin..][..chunk.stored as usize];
            let bytes = unpack(&chunk, stored).map(|bytes| bytes.len());
            assert_eq!(bytes, Ok(chunk.length as usize), "what was verified does not unpack");
        }
    }
}

/// The same manifest or tree with its body as it is: what is changed in it then reaches what is behind zstd.
#[must_use]
pub fn plain(data: &[u8]) -> Option<Vec<u8>> {
    codec::plain(data, limits::MAX_TREE_BODY_BYTES)
}
