//! Packs: many chunks and manifests in one object, because objects cost by the piece.
//!
//! ```text
//! magic "OCPACK1\n" and 8 zero bytes
//! chunks and manifests, one after the other
//! index: postcard, one entry for each of them
//! footer: offset of the index (u64), its length (u32), its SHA-256, "OCPE"   little-endian
//! ```
//!
//! Whoever reads a checkpoint needs neither index nor footer: its references say where things are, and their hashes
//! whether they are right. The index is for whoever has nothing but the object: [`Pack::verify`] checks all of it,
//! and tells what may be copied elsewhere.

use std::collections::HashMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use wire::PackId;

use crate::{ChunkRef, Codec, Hash, chunk::unpack, hash};

/// A pack takes no more once it has this many bytes: enough that one object is worth its price, and little enough to
/// build in memory and send in one request.
pub const FULL_PACK_BYTES: usize = 32 << 20;
/// The longest chunk or manifest: a list of [`MAX_ENTRIES`](crate::limits::MAX_ENTRIES) files fits.
pub const MAX_CHUNK_BYTES: usize = 80 << 20;
/// The longest pack: a full one, one more chunk, and the index.
pub const MAX_PACK_BYTES: usize = 128 << 20;

const MAGIC: [u8; 16] = *b"OCPACK1\n\0\0\0\0\0\0\0\0";
const END: [u8; 4] = *b"OCPE";
const FOOTER_BYTES: usize = 8 + 4 + 32 + 4;
/// Of zstd. Pages and files are compressed while agents run beside: two thirds of the time of level 1, for a tenth
/// more bytes at most.
const LEVEL: i32 = -1;
/// Compressed bytes of every 16 that a chunk may have to be worth it.
const WORTH_IT: usize = 15;

/// A finished pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pack {
    /// Its name.
    pub id: PackId,
    /// All of it.
    pub bytes: Bytes,
}

/// Where a manifest lies in its pack, and what it hashes to as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestAt {
    /// Its first byte.
    pub offset: u64,
    /// Its bytes.
    pub length: u32,
    /// Of those bytes.
    pub sha256: Hash,
}

/// One thing in a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Item {
    /// A chunk.
    Chunk(ChunkRef),
    /// A manifest.
    Manifest(ManifestAt),
}

/// What an index says about an item; the name of the pack is not in it.
#[derive(Serialize, Deserialize)]
enum Listed {
    Chunk { hash: Hash, offset: u64, stored: u32, length: u32, codec: Codec },
    Manifest(ManifestAt),
}

/// A pack that is being written.
pub struct PackBuilder {
    id: PackId,
    bytes: Vec<u8>,
    index: Vec<Listed>,
    chunks: HashMap<Hash, ChunkRef>,
    compressor: Option<zstd::bulk::Compressor<'static>>,
    scratch: Vec<u8>,
}

impl std::fmt::Debug for PackBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PackBuilder").field("id", &self.id).field("len", &self.len()).finish_non_exhaustive()
    }
}

impl PackBuilder {
    /// An empty one.
    #[must_use]
    pub fn new(id: PackId) -> Self {
        Self {
            id,
            bytes: MAGIC.to_vec(),
            index: Vec::new(),
            chunks: HashMap::new(),
            compressor: zstd::bulk::Compressor::new(LEVEL).ok(),
            scratch: Vec::new(),
        }
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> PackId {
        self.id
    }

    /// Its bytes so far, without the index.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Whether what comes next belongs into another pack. One that is filled up all the same is refused by its
    /// readers once it has more than [`MAX_PACK_BYTES`].
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.bytes.len() >= FULL_PACK_BYTES
    }

    /// Adds a chunk, unless the pack has it.
    pub fn add_chunk(&mut self, bytes: &[u8]) -> ChunkRef {
        self.add_chunk_hashed(hash(bytes), bytes)
    }

    /// [`Self::add_chunk`] for who knows the hash of `bytes`.
    pub fn add_chunk_hashed(&mut self, hash: Hash, bytes: &[u8]) -> ChunkRef {
        if let Some(found) = self.chunks.get(&hash) {
            return *found;
        }
        let offset = self.bytes.len() as u64;
        let codec = self.append(bytes);
        let stored = length(self.bytes.len() - usize::try_from(offset).unwrap_or(usize::MAX));
        let chunk = ChunkRef { hash, pack: self.id, offset, stored, length: length(bytes.len()), codec };
        self.index.push(Listed::Chunk { hash, offset, stored, length: chunk.length, codec });
        self.chunks.insert(hash, chunk);
        chunk
    }

    /// Adds a manifest, as it is.
    pub fn add_manifest(&mut self, bytes: &[u8]) -> ManifestAt {
        let offset = self.bytes.len() as u64;
        self.bytes.extend_from_slice(bytes);
        let at = ManifestAt { offset, length: length(bytes.len()), sha256: hash(bytes) };
        self.index.push(Listed::Manifest(at));
        at
    }

    /// Writes the index.
    #[must_use]
    pub fn seal(self) -> Pack {
        let Self { id, mut bytes, index, .. } = self;
        let offset = bytes.len() as u64;
        let index = postcard::to_stdvec(&index)
            .unwrap_or_else(|error| unreachable!("a Vec takes everything: {error}"));
        bytes.extend_from_slice(&index);
        bytes.extend(offset.to_le_bytes());
        bytes.extend(length(index.len()).to_le_bytes());
        bytes.extend(Sha256::digest(&index));
        bytes.extend(END);
        Pack { id, bytes: bytes.into() }
    }

    fn append(&mut self, bytes: &[u8]) -> Codec {
        let worth_it = bytes.len() / 16 * WORTH_IT;
        if let Some(compressor) = &mut self.compressor {
            self.scratch.clear();
            self.scratch.reserve(zstd::zstd_safe::compress_bound(bytes.len()));
            let packed = compressor.compress_to_buffer(bytes, &mut self.scratch);
            if packed.is_ok_and(|length| length < worth_it) {
                self.bytes.extend_from_slice(&self.scratch);
                return Codec::Zstd;
            }
        }
        self.bytes.extend_from_slice(bytes);
        Codec::Raw
    }
}

/// What is longer than the format can say is longer than any reader takes, and is refused by all of them.
fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// Why an object is no pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PackError {
    /// Its begin, its end or its size is none of a pack.
    #[error("not a pack, or not all of it")]
    Frame,
    /// Its index is damaged.
    #[error("its index is damaged")]
    Index,
    /// Something in it is not what the index says.
    #[error("what begins at byte {offset} is damaged")]
    Item {
        /// Its first byte.
        offset: u64,
    },
}

impl Pack {
    /// Checks every byte of it that has a meaning.
    ///
    /// # Errors
    /// The first thing that is damaged.
    pub fn verify(&self) -> Result<Vec<Item>, PackError> {
        let bytes = &self.bytes;
        if bytes.len() > MAX_PACK_BYTES || !bytes.starts_with(&MAGIC) {
            return Err(PackError::Frame);
        }
        let (body, footer) = bytes.split_last_chunk::<FOOTER_BYTES>().ok_or(PackError::Frame)?;
        let &[o0, o1, o2, o3, o4, o5, o6, o7, l0, l1, l2, l3, ref digest @ .., e0, e1, e2, e3] = footer;
        let offset = u64::from_le_bytes([o0, o1, o2, o3, o4, o5, o6, o7]);
        let length = u32::from_le_bytes([l0, l1, l2, l3]);
        let begin = usize::try_from(offset).map_err(|_| PackError::Frame)?;
        if [e0, e1, e2, e3] != END || begin.checked_add(length as usize) != Some(body.len()) {
            return Err(PackError::Frame);
        }
        let index = body.get(begin..).ok_or(PackError::Frame)?;
        if hash(index) != *digest {
            return Err(PackError::Index);
        }
        let (index, left) = postcard::take_from_bytes::<Vec<Listed>>(index).map_err(|_| PackError::Index)?;
        if !left.is_empty() {
            return Err(PackError::Index);
        }
        index.into_iter().map(|listed| self.item(listed, &body[..begin])).collect()
    }

    fn item(&self, listed: Listed, body: &[u8]) -> Result<Item, PackError> {
        let at = |offset: u64, length: u32| {
            let begin = usize::try_from(offset).ok()?;
            body.get(begin..begin.checked_add(length as usize)?)
        };
        match listed {
            Listed::Chunk { hash, offset, stored, length, codec } => {
                let chunk = ChunkRef { hash, pack: self.id, offset, stored, length, codec };
                let found = at(offset, stored).is_some_and(|bytes| unpack(&chunk, bytes).is_ok());
                if found { Ok(Item::Chunk(chunk)) } else { Err(PackError::Item { offset }) }
            }
            Listed::Manifest(manifest) => {
                let ManifestAt { offset, length, sha256 } = manifest;
                let found = at(offset, length).is_some_and(|bytes| hash(bytes) == sha256);
                if found { Ok(Item::Manifest(manifest)) } else { Err(PackError::Item { offset }) }
            }
        }
    }
}
