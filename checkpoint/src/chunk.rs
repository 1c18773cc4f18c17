//! Chunks: bytes that are stored once, found by their SHA-256.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use wire::PackId;

/// SHA-256.
pub type Hash = [u8; 32];

/// The hash of a chunk's bytes, before they are packed.
#[must_use]
pub fn hash(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

/// How a chunk's bytes are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Codec {
    /// As they are.
    Raw,
    /// One zstd frame (RFC 8878).
    Zstd,
}

/// A stored chunk: what it must hash to, and where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
    /// To be stored.
    New(Bytes),
}
