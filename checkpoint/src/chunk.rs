//! Chunks: bytes that are stored once, found by their SHA-256.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use wire::PackId;

use crate::{frame, pack::MAX_CHUNK_BYTES};

/// SHA-256.
pub type Hash = [u8; 32];

/// The hash of a chunk's bytes, before they are packed.
#[must_use]
pub fn hash(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

/// How a chunk's bytes are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Codec {
    /// As they are.
    Raw,
    /// One zstd frame (RFC 8878).
    Zstd,
}

/// A stored chunk: what it must hash to, and where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ChunkRef {
    /// Of the bytes, unpacked.
    pub hash: Hash,
    /// The object it is in.
    pub pack: PackId,
    /// First byte in that object.
    pub offset: u64,
    /// Bytes there.
    pub stored: u32,
    /// Bytes, unpacked.
    pub length: u32,
    /// How they are stored.
    pub codec: Codec,
}

/// A part of a checkpoint that is being written: stored by an earlier one, or not yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Stored already.
    Stored(ChunkRef),
    /// To be stored, and its hash.
    New(Hash, Bytes),
}

impl Piece {
    /// To be stored.
    #[must_use]
    pub fn new(bytes: Bytes) -> Self {
        Self::New(hash(&bytes), bytes)
    }
}

/// Why stored bytes are not a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    /// It says to be longer than [`MAX_CHUNK_BYTES`].
    #[error("longer than any chunk")]
    TooLarge,
    /// They are not as many as it says.
    #[error("not as long as it says")]
    Length,
    /// They do not unpack to what it says.
    #[error("does not unpack")]
    Codec,
    /// They have another hash.
    #[error("its hash is another")]
    Hash,
}

/// Unpacks chunks; keeps what that takes in memory for the next one.
#[derive(Debug, Default)]
pub struct Unpacker(frame::Unpacker);

impl Unpacker {
    /// The bytes of `chunk`, from what is stored where it says.
    ///
    /// # Errors
    /// When they are not its bytes.
    pub fn unpack(&mut self, chunk: &ChunkRef, stored: &[u8]) -> Result<Bytes, ChunkError> {
        if chunk.length as usize > MAX_CHUNK_BYTES {
            return Err(ChunkError::TooLarge);
        }
        if stored.len() != chunk.stored as usize {
            return Err(ChunkError::Length);
        }
        let bytes = match chunk.codec {
            Codec::Raw if chunk.stored != chunk.length => return Err(ChunkError::Length),
            Codec::Raw => stored.to_vec(),
            Codec::Zstd => self.0.unpack(stored, chunk.length as usize).ok_or(ChunkError::Codec)?,
        };
        if hash(&bytes) == chunk.hash { Ok(bytes.into()) } else { Err(ChunkError::Hash) }
    }
}

/// [`Unpacker::unpack`] for one.
///
/// # Errors
/// When they are not its bytes.
pub fn unpack(chunk: &ChunkRef, stored: &[u8]) -> Result<Bytes, ChunkError> {
    Unpacker::default().unpack(chunk, stored)
}
