//! The format of a suspended agent: what a checkpoint holds, how it is written down, and how little a reader
//! believes of what it reads. Links neither an engine nor a store: the host writes it, the API reads a suspended
//! agent's screen, log and files from it.
//!
//! - [`manifest`]: what a checkpoint holds
//! - [`chunk`]: bytes by their hash, and where they are stored

pub mod chunk;
pub mod manifest;

pub use chunk::{ChunkRef, Codec, Hash, Piece, hash};
pub use manifest::Checkpoint;
