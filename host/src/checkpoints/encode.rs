//! From captured agents to packs: hashes, shares, compresses. Runs beside the guest threads, not on them.

use std::{convert::Infallible, time::Instant};

use checkpoint::{
    ChunkRef, Piece, hash,
    manifest::Tree,
    pack::{Pack, PackBuilder},
};
use wire::{
    CheckpointId, Digest, PackId,
    checkpoint::CheckpointRef,
    host::{Commit, Taken},
};

use super::{
    capture::{Files, FilesAt, Snapshot},
    committer::{Done, Encoded, Job, Kept, Stored},
    index::Index,
};

/// Packs under construction.
struct Packs<'a> {
    index: &'a Index,
    open: PackBuilder,
    sealed: Vec<Pack>,
    /// Stored anew.
    chunks: Vec<ChunkRef>,
    /// Bytes stored for the present agent alone.
    unique: u64,
}

impl<'a> Packs<'a> {
    fn new(index: &'a Index) -> Self {
        let open = PackBuilder::new(PackId::new());
        Self { index, open, sealed: Vec::new(), chunks: Vec::new(), unique: 0 }
    }

    fn room(&mut self) {
        if self.open.is_full() {
            let full = std::mem::replace(&mut self.open, PackBuilder::new(PackId::new()));
            self.sealed.push(full.seal());
        }
    }

    fn store(&mut self, piece: Piece) -> ChunkRef {
        let bytes = match piece {
            Piece::Stored(chunk) => return chunk,
            Piece::New(bytes) => bytes,
        };
        let hash = hash(&bytes);
        if let Some(found) = self.index.find(&hash) {
            return found;
        }
        self.room();
        let before = self.open.len();
        let chunk = self.open.add_chunk_hashed(hash, &bytes);
        if self.open.len() > before {
            self.chunks.push(chunk);
            self.unique += u64::from(chunk.stored);
        }
        chunk
    }

    fn tree(&mut self, tree: Tree<Piece>) -> Tree<ChunkRef> {
        let Ok(tree) = tree.try_map(&mut |piece| Ok::<_, Infallible>(self.store(piece)));
        tree
    }

    /// Stores a tree's own list.
    fn files(&mut self, tree: &Tree<ChunkRef>) -> Result<FilesAt, String> {
        if tree.entries.is_empty() {
            return Ok(FilesAt::default());
        }
        let encoded = tree.try_encode().map_err(|error| format!("the files cannot be written: {error}"))?;
        let at = self.store(Piece::New(encoded.into()));
        Ok(FilesAt { at: Some(at), extent: tree.extent() })
    }

    fn manifest(&mut self, id: CheckpointId, bytes: &[u8]) -> CheckpointRef {
        self.room();
        let at = self.open.add_manifest(bytes);
        self.unique += u64::from(at.length);
        CheckpointRef {
            id,
            pack: self.open.id(),
            offset: at.offset,
            length: at.length,
            sha256: Digest::from_bytes(at.sha256),
        }
    }
}

/// Turns jobs into packs and commits.
pub(super) fn encode(jobs: Vec<Job>, index: &Index) -> Encoded {
    let mut packs = Packs::new(index);
    let mut encoded = Encoded::default();
    for mut job in jobs {
        let begun = Instant::now();
        packs.unique = 0;
        let agent = job.agent;
        let done = match job.snapshot.take() {
            None => Ok(None),
            Some(snapshot) => one(&mut packs, &mut encoded, &job, *snapshot).map(Some),
        };
        match done {
            Ok(done) => {
                let (taken, kept) = done.unzip();
                let stored = Stored { cost: begun.elapsed(), kept };
                let Job { epoch, then, wake_at, undone, .. } = job;
                let commit = Commit { agent, epoch, taken, then, wake_at, undone };
                encoded.done.push(Done { commit, stored });
            }
            Err(why) => encoded.failed.push((agent, why)),
        }
    }
    encoded.packs.append(&mut packs.sealed);
    if !packs.open.is_empty() {
        encoded.packs.push(packs.open.seal());
    }
    encoded.chunks = packs.chunks;
    encoded
}

fn one(
    packs: &mut Packs<'_>,
    encoded: &mut Encoded,
    job: &Job,
    snapshot: Snapshot,
) -> Result<(Taken, Kept), String> {
    let Snapshot { checkpoint, files, spilled, .. } = snapshot;
    encoded.spilled.extend(spilled);
    let (files, tree) = match files {
        Files::Unchanged(files) => (files, None),
        Files::Captured(tree) => {
            let tree = packs.tree(tree);
            (packs.files(&tree)?, Some(tree))
        }
    };
    let Ok(mut written) = checkpoint.try_map(&mut |piece| Ok::<_, Infallible>(packs.store(piece)));
    written.tree = files.at;
    let mut extent = written.extent();
    extent.stored += files.extent.stored;
    extent.packs.extend(&files.extent.packs);
    let bytes = written.try_encode().map_err(|error| format!("the checkpoint cannot be written: {error}"))?;
    let checkpoint = packs.manifest(written.id, &bytes);
    extent.packs.insert(checkpoint.pack);
    let taken = Taken {
        size_bytes: extent.stored + u64::from(checkpoint.length),
        unique_bytes: packs.unique,
        packs: extent.packs.into_iter().collect(),
        checkpoint: checkpoint.clone(),
        parent: job.parent,
        kind: job.kind,
        note: job.note.clone(),
        image: written.image.clone(),
        inbox: written.inbox,
    };
    let kept = Kept {
        at: checkpoint,
        files,
        tree,
        terminal: written.terminal,
        journal: written.journal,
        inputs: written.inputs,
    };
    Ok((taken, kept))
}
