use proptest::prelude::*;
use wire::PackId;

use crate::{
    Codec, Pack, PackBuilder,
    chunk::{ChunkError, unpack},
    fuzz::fuzz,
    hash,
    pack::{FULL_PACK_BYTES, Item, MAX_CHUNK_BYTES, PackError},
};

fn at(pack: &Pack, offset: u64, length: u32) -> &[u8] {
    &pack.bytes[usize::try_from(offset).unwrap()..][..length as usize]
}

#[test]
fn a_pack_gives_back_what_was_added() {
    let mut builder = PackBuilder::new(PackId::new());
    assert!(builder.is_empty());
    let noise: Vec<u8> = (0_u32..128).flat_map(|n| hash(&n.to_le_bytes())).collect();
    let chunks = [&[7; 4096][..], &noise, b"", b"a"];
    let refs = chunks.map(|chunk| builder.add_chunk(chunk));
    assert_eq!(refs.map(|chunk| chunk.codec), [Codec::Zstd, Codec::Raw, Codec::Raw, Codec::Raw]);
    let before = builder.len();
    assert_eq!(builder.add_chunk(&[7; 4096]), refs[0], "once is enough");
    assert_eq!(builder.len(), before);
    let manifest = builder.add_manifest(b"manifest");
    assert_eq!(builder.len(), before + 8);
    let pack = builder.seal();
    for (chunk, bytes) in refs.iter().zip(chunks) {
        assert_eq!(unpack(chunk, at(&pack, chunk.offset, chunk.stored)).unwrap(), bytes);
    }
    assert_eq!(at(&pack, manifest.offset, manifest.length), b"manifest");
    assert_eq!(manifest.sha256, hash(b"manifest"));
    let items: Vec<_> = refs.into_iter().map(Item::Chunk).chain([Item::Manifest(manifest)]).collect();
    assert_eq!(pack.verify().unwrap(), items);
}

#[test]
fn a_pack_is_full_at_some_point() {
    let mut builder = PackBuilder::new(PackId::new());
    let manifest = vec![0; FULL_PACK_BYTES / 2];
    builder.add_manifest(&manifest);
    assert!(!builder.is_full());
    builder.add_manifest(&manifest);
    assert!(builder.is_full());
}

#[test]
fn damage_is_found_wherever_it_is() {
    let mut builder = PackBuilder::new(PackId::new());
    builder.add_chunk(b"some bytes of a chunk");
    builder.add_chunk(&[9; 300]);
    builder.add_manifest(b"and a manifest");
    let pack = builder.seal();
    let items = pack.verify().unwrap();
    for position in 0..pack.bytes.len() {
        for bit in 0..8 {
            let mut bytes = pack.bytes.to_vec();
            bytes[position] ^= 1 << bit;
            let damaged = Pack { id: pack.id, bytes: bytes.into() };
            // Some bits of a zstd frame mean nothing: everything unpacks as it was.
            let found = damaged.verify();
            assert!(
                found.is_err() || found.as_ref() == Ok(&items),
                "bit {bit} of byte {position}: {found:?}"
            );
        }
        let short = Pack { id: pack.id, bytes: pack.bytes.slice(..position) };
        assert_eq!(short.verify(), Err(PackError::Frame), "{position} bytes");
    }
}

#[test]
fn a_chunk_is_what_it_says_or_nothing() {
    let mut builder = PackBuilder::new(PackId::new());
    let chunk = builder.add_chunk(&[5; 4096]);
    let raw = builder.add_chunk(b"raw");
    let pack = builder.seal();
    let stored = at(&pack, chunk.offset, chunk.stored);
    assert!(unpack(&chunk, stored).is_ok());
    let mut other = chunk;
    other.length = 4095;
    assert_eq!(unpack(&other, stored), Err(ChunkError::Codec));
    other.length = u32::try_from(MAX_CHUNK_BYTES).unwrap() + 1;
    assert_eq!(unpack(&other, stored), Err(ChunkError::TooLarge));
    other = chunk;
    other.hash[0] ^= 1;
    assert_eq!(unpack(&other, stored), Err(ChunkError::Hash));
    assert_eq!(unpack(&chunk, &stored[1..]), Err(ChunkError::Length));
    let mut other = raw;
    other.length = 2;
    assert_eq!(unpack(&other, b"raw"), Err(ChunkError::Length));
    assert_eq!(unpack(&raw, b"war"), Err(ChunkError::Hash));
}

proptest! {
    #[test]
    fn a_changed_pack_is_survived(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)
    ) {
        let mut builder = PackBuilder::new(PackId::from_u128(0));
        builder.add_chunk(&[1; 500]);
        builder.add_manifest(b"manifest");
        let mut bytes = builder.seal().bytes.to_vec();
        for (at, to) in changes {
            let at = at.index(bytes.len());
            bytes[at] = to;
        }
        fuzz(&bytes);
    }
}
