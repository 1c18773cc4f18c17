//! What a tree must be before anything is changed for it: whoever wrote it is not believed.

use std::collections::HashSet;

use checkpoint::ChunkRef;
use checkpoint::manifest::{Content, Entry, FILE_PIECE_BYTES, Node, Tree};

use super::RestoreError;
use crate::workspace::walk::{self, split};
use crate::workspace::{MAX_COUNTED, MAX_DEPTH, path};

/// The kernel's lengths are signed.
const MAX_SIZE: u64 = i64::MAX as u64;

/// The entries in the order of their paths.
pub(super) fn check(tree: &Tree<ChunkRef>) -> Result<Vec<&Entry<ChunkRef>>, RestoreError> {
    if tree.entries.len() as u64 > MAX_COUNTED {
        return Err(RestoreError::Invalid("too many entries"));
    }
    let mut entries: Vec<_> = tree.entries.iter().collect();
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    if entries.windows(2).any(|pair| pair[0].path == pair[1].path) {
        return Err(RestoreError::Invalid("two entries of one path"));
    }
    let mut bytes = 0_u64;
    let mut directories = HashSet::from([""]);
    for entry in &entries {
        let path = entry.path.as_str();
        if path.is_empty() || walk::check(path).is_err() {
            return Err(RestoreError::Invalid("a path that is none"));
        }
        if !directories.contains(split(path).0) {
            return Err(RestoreError::Invalid("an entry outside of any directory"));
        }
        match &entry.node {
            Node::Directory if path.split('/').count() > MAX_DEPTH => {
                return Err(RestoreError::Invalid("directories nested too deep"));
            }
            Node::Directory => {
                directories.insert(path);
            }
            Node::Link(target) => {
                path::of_link(target).map_err(|_| RestoreError::Invalid("a link out of the tree"))?;
            }
            Node::File(content) => {
                check_content(content)?;
                bytes = bytes.saturating_add(content.size);
            }
        }
    }
    if bytes > MAX_SIZE {
        return Err(RestoreError::Invalid("more bytes than any disk has"));
    }
    Ok(entries)
}

/// Pieces that are as long as they must be.
pub(in crate::workspace) fn check_content(content: &Content<ChunkRef>) -> Result<(), RestoreError> {
    let piece_bytes = FILE_PIECE_BYTES as u64;
    if content.size > MAX_SIZE || content.size.div_ceil(piece_bytes) != content.pieces.len() as u64 {
        return Err(RestoreError::Invalid("a file of another size than its pieces"));
    }
    let mut left = content.size;
    for piece in &content.pieces {
        let length = left.min(piece_bytes);
        if piece.as_ref().is_some_and(|chunk| u64::from(chunk.length) != length) {
            return Err(RestoreError::Invalid("a file with a piece of the wrong size"));
        }
        left -= length;
    }
    Ok(())
}
