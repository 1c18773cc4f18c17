use proptest::prelude::*;
use wire::{AgentId, Digest};

use super::arbitrary::Random;
use crate::{Checkpoint, DecodeError, Expect, Piece, hash, manifest::Tree};

proptest! {
    #[test]
    fn a_checkpoint_is_read_as_it_was_written(seed: u64) {
        let checkpoint = Random(seed).checkpoint();
        let bytes = checkpoint.try_encode().unwrap();
        prop_assert_eq!(&bytes, &checkpoint.encode());
        prop_assert_eq!(Checkpoint::decode(&bytes, &Expect::default()).unwrap(), checkpoint);
    }

    #[test]
    fn a_tree_is_read_as_it_was_written(seed: u64) {
        let tree = Random(seed).tree();
        prop_assert_eq!(Tree::decode(&tree.try_encode().unwrap()).unwrap(), tree);
    }

    #[test]
    fn mapping_sees_the_chunks_in_one_order(seed: u64) {
        let checkpoint = Random(seed).checkpoint();
        let chunks = checkpoint.chunks();
        let mut mapped = Vec::new();
        let pieces = checkpoint.clone().try_map(&mut |chunk| {
            mapped.push(chunk);
            Ok::<_, ()>(Piece::Stored(chunk))
        });
        prop_assert_eq!(&mapped, &chunks);
        let back = pieces.unwrap().try_map(&mut |piece| match piece {
            Piece::Stored(chunk) => Ok(chunk),
            Piece::New(..) => Err(()),
        });
        prop_assert_eq!(back.unwrap(), checkpoint.clone());
        let stored: u64 = chunks.iter().map(|chunk| u64::from(chunk.stored)).sum();
        prop_assert_eq!(checkpoint.extent().stored, stored);
        prop_assert!(chunks.iter().all(|chunk| checkpoint.extent().packs.contains(&chunk.pack)));
    }
}

#[test]
fn a_chunk_takes_little_more_than_its_hash() {
    let mut random = Random(7);
    let mut checkpoint = random.checkpoint();
    while checkpoint.guest.as_ref().is_none_or(|guest| guest.memories.iter().all(|m| m.pages.len() < 50)) {
        checkpoint = random.checkpoint();
    }
    // As a pack lays them out: one behind the other.
    let mut offset = 16;
    let checkpoint = checkpoint.try_map(&mut |mut chunk| {
        (chunk.pack, chunk.offset) = (wire::PackId::from_u128(9), offset);
        offset += u64::from(chunk.stored);
        Ok::<_, ()>(chunk)
    });
    let checkpoint = checkpoint.unwrap();
    let with = checkpoint.encode().len();
    let count = checkpoint.chunks().len();
    let mut without = checkpoint;
    without.guest.iter_mut().flat_map(|guest| &mut guest.memories).for_each(|memory| memory.pages.clear());
    let fewer = count - without.chunks().len();
    let each = (with - without.encode().len()) / fewer;
    assert!(each <= 40, "{each} bytes for each of {fewer} pages");
}

#[test]
fn a_checkpoint_of_something_else_is_refused() {
    let checkpoint = Random(3).checkpoint();
    let bytes = checkpoint.encode();
    let read = |expect: Expect| Checkpoint::decode(&bytes, &expect).map(drop);
    let right = Expect {
        agent: Some(checkpoint.agent),
        image: Some(checkpoint.image.clone()),
        instrumenter: Some(checkpoint.instrumenter),
        max_epoch: Some(checkpoint.epoch),
    };
    assert_eq!(read(right.clone()), Ok(()));
    let wrong = |what| Err(DecodeError::Wrong { what });
    assert_eq!(read(Expect { agent: Some(AgentId::new()), ..right.clone() }), wrong("agent"));
    let other = Digest::from_bytes(hash(b"another"));
    assert_eq!(read(Expect { image: Some(other), ..right.clone() }), wrong("image"));
    assert_eq!(read(Expect { instrumenter: Some(2), ..right.clone() }), wrong("instrumenter"));
    assert_eq!(read(Expect { max_epoch: Some(checkpoint.epoch - 1), ..right }), wrong("epoch"));
}
