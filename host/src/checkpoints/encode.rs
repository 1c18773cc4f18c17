//! From captured agents to packs: hashes, shares, compresses. Runs beside the guest threads, not on them.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use checkpoint::{
    ChunkRef, Piece, hash,
    manifest::{Content, Entry, Node, Tree},
    pack::{Pack, PackBuilder},
};
use wire::{
    CheckpointId, Digest, PackId,
    checkpoint::CheckpointRef,
    host::{Commit, Taken},
};

use super::{
    capture::{Files, FilesAt, Snapshot},
    committer::{Done, Encoded, Job, Stored, Written},
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
        let entries = tree.entries.into_iter().map(|entry| Entry {
            path: entry.path,
            modified_ns: entry.modified_ns,
            node: match entry.node {
                Node::File(content) => Node::File(Content {
                    size: content.size,
                    pieces: content.pieces.into_iter().map(|piece| piece.map(|piece| self.store(piece))).collect(),
                }),
                Node::Directory => Node::Directory,
                Node::Link(target) => Node::Link(target),
            },
        });
        Tree { entries: entries.collect() }
    }

    /// Stores a tree's own list.
    fn files(&mut self, tree: &Tree<ChunkRef>) -> Result<FilesAt, String> {
        if tree.entries.is_empty() {
            return Ok(FilesAt::default());
        }
        let encoded = tree.try_encode().map_err(|error| format!("the files cannot be written: {error}"))?;
        let at = self.store(Piece::New(encoded.into()));
        let (mut bytes, mut packs) = (0, BTreeSet::new());
        tree.each_chunk(&mut |chunk| {
            bytes += u64::from(chunk.stored);
            packs.insert(chunk.pack);
        });
        Ok(FilesAt { at: Some(at), packs: packs.into_iter().collect(), bytes })
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
            None => Ok((None, Stored::unchanged())),
            Some(snapshot) => one(&mut packs, &mut encoded, &job, *snapshot),
        };
        match done {
            Ok((taken, mut stored)) => {
                stored.cost = begun.elapsed();
                let Job { epoch, then, wake_at, .. } = job;
                encoded.done.push(Done { commit: Commit { agent, epoch, taken, then, wake_at }, stored });
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
) -> Result<(Option<Taken>, Stored), String> {
    let Snapshot { checkpoint, files, spilled, .. } = snapshot;
    encoded.spilled.extend(spilled);
    let (files, tree) = match files {
        Files::Unchanged(files) => (files, None),
        Files::Captured(tree) => {
            let tree = packs.tree(tree);
            (packs.files(&tree)?, Some(tree))
        }
    };
    let mapped = checkpoint.try_map(&mut |piece| Ok::<_, std::convert::Infallible>(packs.store(piece)));
    let Ok(mut written): Result<Written, _> = mapped;
    written.tree = files.at;
    let (mut size, mut names) = (files.bytes, files.packs.iter().copied().collect::<BTreeSet<_>>());
    written.each_chunk(&mut |chunk| {
        size += u64::from(chunk.stored);
        names.insert(chunk.pack);
    });
    let bytes = written.try_encode().map_err(|error| format!("the checkpoint cannot be written: {error}"))?;
    let checkpoint = packs.manifest(written.id, &bytes);
    names.insert(checkpoint.pack);
    let taken = Taken {
        size_bytes: size + u64::from(checkpoint.length),
        unique_bytes: packs.unique,
        packs: names.into_iter().collect(),
        checkpoint: checkpoint.clone(),
        parent: job.parent,
        kind: job.kind,
        note: job.note.clone(),
        image: written.image.clone(),
        inbox: written.inbox,
    };
    let stored = Stored {
        at: Some(checkpoint),
        files,
        tree,
        terminal: Some(written.terminal),
        journal: Some(written.journal),
        inputs: written.inputs,
        cost: Duration::ZERO,
    };
    Ok((Some(taken), stored))
}

impl Stored {
    fn unchanged() -> Self {
        Self {
            at: None,
            files: FilesAt::default(),
            tree: None,
            terminal: None,
            journal: None,
            inputs: Default::default(),
            cost: Duration::ZERO,
        }
    }
}
