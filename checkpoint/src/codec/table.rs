//! The chunks of a manifest, in columns.

use std::{borrow::Cow, collections::HashMap};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use wire::PackId;

use super::DecodeError;
use crate::{
    ChunkRef, Codec, Hash, check,
    limits::{self, MAX_PACKS},
};

/// A chunk's place in a value: the next one of the table. One byte, so that no list of them is longer than what it
/// is read from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Here;

impl Serialize for Here {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(0)
    }
}

impl<'de> Deserialize<'de> for Here {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u8::deserialize(deserializer)? {
            0 => Ok(Self),
            _ => Err(D::Error::custom("not a chunk")),
        }
    }
}

/// Where a chunk lies.
#[derive(Clone, Serialize, Deserialize)]
struct Place {
    /// Which of the packs.
    pack: u32,
    /// Bytes between the end of the chunk before it in that pack and its begin, modulo 2^64.
    gap: i64,
    stored: u32,
    length: u32,
    codec: Codec,
}

/// Chunks that are written.
#[derive(Default)]
pub(super) struct Table {
    packs: Vec<[u8; 16]>,
    numbers: HashMap<PackId, u32>,
    ends: Vec<u64>,
    hashes: Vec<u8>,
    places: Vec<Place>,
}

impl Table {
    pub(super) fn add(&mut self, chunk: &ChunkRef) -> Here {
        let next = u32::try_from(self.packs.len()).unwrap_or(u32::MAX);
        let pack = *self.numbers.entry(chunk.pack).or_insert_with(|| {
            self.packs.push(chunk.pack.as_u128().to_be_bytes());
            self.ends.push(0);
            next
        });
        let end = &mut self.ends[pack as usize];
        let gap = chunk.offset.wrapping_sub(*end).cast_signed();
        *end = chunk.offset.wrapping_add(u64::from(chunk.stored));
        self.hashes.extend(chunk.hash);
        let ChunkRef { stored, length, codec, .. } = *chunk;
        self.places.push(Place { pack, gap, stored, length, codec });
        Here
    }

    /// In the form it is written in.
    pub(super) fn stored(&self) -> Stored<'_> {
        Stored {
            packs: Cow::Borrowed(&self.packs),
            hashes: &self.hashes,
            places: Cow::Borrowed(&self.places),
        }
    }
}

/// A table as it is written.
#[derive(Serialize, Deserialize)]
pub(super) struct Stored<'a> {
    #[serde(deserialize_with = "packs")]
    packs: Cow<'a, [[u8; 16]]>,
    #[serde(borrow)]
    hashes: &'a [u8],
    #[serde(deserialize_with = "places")]
    places: Cow<'a, [Place]>,
}

fn packs<'de, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Cow<'a, [[u8; 16]]>, D::Error> {
    limits::list::<_, _, MAX_PACKS>(deserializer).map(Cow::Owned)
}

fn places<'de, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Cow<'a, [Place]>, D::Error> {
    limits::list::<_, _, { usize::MAX }>(deserializer).map(Cow::Owned)
}

impl Stored<'_> {
    /// The chunks, each in the pack it says.
    pub(super) fn chunks(self) -> Result<Vec<ChunkRef>, DecodeError> {
        const PLACE: DecodeError = DecodeError::Inconsistent { what: "where a chunk lies" };
        let (hashes, left) = self.hashes.as_chunks::<{ size_of::<Hash>() }>();
        if hashes.len() != self.places.len() || !left.is_empty() {
            return Err(DecodeError::Inconsistent { what: "the number of hashes" });
        }
        let mut ends = vec![0_u64; self.packs.len()];
        let mut chunks = Vec::with_capacity(hashes.len());
        for (hash, place) in hashes.iter().zip(self.places.iter()) {
            let &Place { pack, gap, stored, length, codec } = place;
            let (end, id) = ends.get_mut(pack as usize).zip(self.packs.get(pack as usize)).ok_or(PLACE)?;
            let offset = end.wrapping_add(gap.cast_unsigned());
            *end = offset.wrapping_add(u64::from(stored));
            let pack = PackId::from_u128(u128::from_be_bytes(*id));
            let chunk = ChunkRef { hash: *hash, pack, offset, stored, length, codec };
            check::chunk(&chunk)?;
            chunks.push(chunk);
        }
        Ok(chunks)
    }
}
