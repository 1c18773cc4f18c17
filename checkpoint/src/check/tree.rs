//! Files.

use std::collections::HashSet;

use super::{Check, at_most, ensure};
use crate::{
    ChunkRef,
    codec::DecodeError,
    limits::{MAX_ENTRIES, MAX_FILE_BYTES, MAX_PART_BYTES, MAX_PATH_BYTES},
    manifest::{Content, FILE_PIECE_BYTES, Node, Tree},
};

impl Tree {
    /// Whether a reader would believe it; see [`Checkpoint::check`](crate::Checkpoint::check).
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), DecodeError> {
        at_most(self.entries.len(), MAX_ENTRIES, "entries of the tree")?;
        super::chunks(|see| self.each_chunk(&mut |chunk| see(chunk)))?;
        let mut directories = HashSet::new();
        let mut before = "";
        for entry in &self.entries {
            path(&entry.path)?;
            ensure(entry.path.as_str() > before, "the order of the tree")?;
            before = &entry.path;
            if let Some((parent, _)) = entry.path.rsplit_once('/') {
                ensure(directories.contains(parent), "an entry below what is no directory")?;
            }
            match &entry.node {
                Node::File(found) => content(found)?,
                Node::Directory => {
                    directories.insert(entry.path.as_str());
                }
                Node::Link(target) => {
                    at_most(target.len(), MAX_PATH_BYTES, "the target of a link")?;
                    ensure(!target.is_empty() && !target.contains('\0'), "the target of a link")?;
                }
            }
        }
        Ok(())
    }
}

/// Relative, and nothing in it that leads elsewhere.
pub(super) fn path(path: &str) -> Check {
    at_most(path.len(), MAX_PATH_BYTES, "a path")?;
    for part in path.split('/') {
        at_most(part.len(), MAX_PART_BYTES, "a part of a path")?;
        let good = !part.is_empty() && part != "." && part != ".." && !part.contains('\0');
        ensure(good, "a path")?;
    }
    Ok(())
}

/// Each piece is where its place says.
pub(super) fn content(content: &Content<ChunkRef>) -> Check {
    const PIECE: u64 = FILE_PIECE_BYTES as u64;
    if content.size > MAX_FILE_BYTES {
        return Err(DecodeError::TooLarge { what: "a file" });
    }
    ensure(content.pieces.len() as u64 == content.size.div_ceil(PIECE), "the number of a file's pieces")?;
    let mut left = content.size;
    for piece in &content.pieces {
        let length = left.min(PIECE);
        let fits = piece.as_ref().is_none_or(|piece| u64::from(piece.length) == length);
        ensure(fits, "the size of a file's piece")?;
        left -= length;
    }
    Ok(())
}
