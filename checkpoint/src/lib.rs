//! The format of a suspended agent: what a checkpoint holds, how it is written down, and how little a reader
//! believes of what it reads. Links neither an engine nor a store: the host writes it, the API reads a suspended
//! agent's screen, log and files from it.
//!
//! - [`manifest`]: what a checkpoint holds
//! - [`chunk`]: bytes by their hash, and where they are stored
//! - [`map`]: going through everything a checkpoint names
//! - [`codec`]: manifests as bytes
//! - [`pack`]: many chunks and manifests in one object
//! - [`limits`]: the bounds a reader holds everything against

pub mod chunk;
pub mod codec;
pub mod limits;
pub mod manifest;
pub mod map;
pub mod pack;

#[doc(hidden)]
pub mod fuzz;

mod check;
mod frame;
#[cfg(test)]
mod tests;

pub use chunk::{ChunkError, ChunkRef, Codec, Hash, Piece, hash, unpack};
pub use codec::{DecodeError, Expect};
pub use manifest::Checkpoint;
pub use pack::{Pack, PackBuilder};
