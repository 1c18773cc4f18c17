//! Bringing stored bytes into files, in batches: the memory this takes is bounded, and a thousand small files
//! are not a thousand requests.

use bytes::Bytes;
use cap_std::fs::{File, FileExt};
use checkpoint::ChunkRef;
use checkpoint::manifest::Entry;

use super::{Chunks, RestoreError, opening};
use crate::workspace::walk::Walk;

/// Bytes that are fetched at once, but for the last piece.
pub(super) const BATCH_BYTES: u64 = 4 << 20;
/// Pieces that are fetched at once.
const BATCH_PIECES: usize = 4096;

/// A piece of a file that is to be fetched.
struct Want {
    /// Which entry.
    entry: usize,
    offset: u64,
    chunk: ChunkRef,
}

/// What is still to be fetched.
pub(super) struct Fetch<'a, 'c> {
    entries: &'a [&'a Entry<ChunkRef>],
    chunk: &'a mut Chunks<'c>,
    wants: Vec<Want>,
    bytes: u64,
}

impl<'a, 'c> Fetch<'a, 'c> {
    pub(super) fn new(entries: &'a [&'a Entry<ChunkRef>], chunk: &'a mut Chunks<'c>) -> Self {
        Self { entries, chunk, wants: Vec::new(), bytes: 0 }
    }

    /// A piece of a file that is there and has its size.
    pub(super) fn want(&mut self, entry: usize, offset: u64, chunk: &ChunkRef) {
        self.bytes += u64::from(chunk.length);
        self.wants.push(Want { entry, offset, chunk: *chunk });
    }

    /// Fetches and writes, if there is enough for a batch.
    pub(super) fn bring_full(&mut self, walk: &mut Walk) -> Result<(), RestoreError> {
        if self.bytes >= BATCH_BYTES || self.wants.len() >= BATCH_PIECES {
            self.finish(walk)?;
        }
        Ok(())
    }

    /// Fetches and writes all that is wanted.
    pub(super) fn finish(&mut self, walk: &mut Walk) -> Result<(), RestoreError> {
        self.bytes = 0;
        let wants = std::mem::take(&mut self.wants);
        let mut open: Option<(usize, File)> = None;
        in_batches(
            self.chunk,
            &wants,
            |want| &want.chunk,
            |want, bytes| {
                let file = match open.take() {
                    Some((entry, file)) if entry == want.entry => file,
                    _ => {
                        let (dir, name) = walk.parent(&self.entries[want.entry].path)?;
                        dir.open_with(name, &opening())?
                    }
                };
                file.write_all_at(bytes, want.offset)?;
                open = Some((want.entry, file));
                Ok(())
            },
        )
    }
}

/// Calls `each` with every one of `wants` and its bytes.
fn in_batches<W>(
    chunk: &mut Chunks<'_>,
    mut wants: &[W],
    of: impl Fn(&W) -> &ChunkRef,
    mut each: impl FnMut(&W, &[u8]) -> Result<(), RestoreError>,
) -> Result<(), RestoreError> {
    while !wants.is_empty() {
        let mut bytes = 0;
        let full = |want: &W| {
            bytes += u64::from(of(want).length);
            bytes >= BATCH_BYTES
        };
        let most = wants.len().min(BATCH_PIECES);
        let len = wants[..most].iter().position(full).map_or(most, |last| last + 1);
        let (batch, rest) = wants.split_at(len);
        let chunks: Vec<ChunkRef> = batch.iter().map(|want| *of(want)).collect();
        for (want, bytes) in batch.iter().zip(bring(chunk, &chunks)?) {
            each(want, &bytes)?;
        }
        wants = rest;
    }
    Ok(())
}

/// The bytes of `chunks`, as long as they must be.
fn bring(chunk: &mut Chunks<'_>, chunks: &[ChunkRef]) -> Result<Vec<Bytes>, RestoreError> {
    let found = chunk(chunks)?;
    let fit = |(bytes, chunk): (&Bytes, &ChunkRef)| bytes.len() as u64 == u64::from(chunk.length);
    if found.len() != chunks.len() || !found.iter().zip(chunks).all(fit) {
        return Err(RestoreError::Chunks("stored bytes of another length".into()));
    }
    Ok(found)
}
