//! From captured agents to packs: shares, compresses. Runs beside the guest threads, not on them.

use std::{
    collections::{HashMap, HashSet},
    convert::Infallible,
    mem,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use checkpoint::{
    ChunkRef, Hash, Piece,
    manifest::Tree,
    pack::{Pack, PackBuilder},
};
use tokio::runtime::Handle;
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

/// So many new pieces that somebody waits for are worth a second thread, and the pack that it makes.
const MANY: usize = 256;

/// Packs under construction.
struct Packs {
    index: Arc<Index>,
    open: PackBuilder,
    sealed: Vec<Pack>,
    /// Stored anew.
    chunks: Vec<ChunkRef>,
    /// Bytes stored for the present agent alone.
    unique: u64,
    /// Stored by [`Self::ahead`], each with its bytes until they are in `unique`.
    ahead: HashMap<Hash, (ChunkRef, u64)>,
    /// What is new is read again soon.
    keeps: bool,
    kept: Vec<(ChunkRef, Bytes)>,
}

impl Packs {
    fn new(index: Arc<Index>) -> Self {
        Self {
            index,
            open: PackBuilder::new(PackId::new()),
            sealed: Vec::new(),
            chunks: Vec::new(),
            unique: 0,
            ahead: HashMap::new(),
            keeps: false,
            kept: Vec::new(),
        }
    }

    fn room(&mut self) {
        if self.open.is_full() {
            let full = std::mem::replace(&mut self.open, PackBuilder::new(PackId::new()));
            self.sealed.push(full.seal());
        }
    }

    fn store(&mut self, piece: Piece) -> ChunkRef {
        let (hash, bytes) = match piece {
            Piece::Stored(chunk) => return chunk,
            Piece::New(hash, bytes) => (hash, bytes),
        };
        if let Some(found) = self.index.find(&hash) {
            return found;
        }
        let chunk = match self.ahead.get_mut(&hash) {
            Some((chunk, uncounted)) => {
                self.unique += mem::take(uncounted);
                *chunk
            }
            None => self.add(hash, &bytes),
        };
        if self.keeps {
            self.kept.push((chunk, bytes));
        }
        chunk
    }

    fn add(&mut self, hash: Hash, bytes: &[u8]) -> ChunkRef {
        self.room();
        let before = self.open.len();
        let chunk = self.open.add_chunk_hashed(hash, bytes);
        if self.open.len() > before {
            self.chunks.push(chunk);
            self.unique += u64::from(chunk.stored);
        }
        chunk
    }

    /// Stores pieces on two threads, if they are [`MANY`]: on one, compressing 16 MiB takes four times as long as writing
    /// them. The time on a core that it took.
    fn ahead(&mut self, mut new: Vec<(Hash, Bytes)>) -> Duration {
        if new.len() < MANY {
            return Duration::ZERO;
        }
        let timed = |packs: &mut Self, new: Vec<(Hash, Bytes)>| {
            let begun = Instant::now();
            for (hash, bytes) in new {
                packs.add(hash, &bytes);
            }
            begun.elapsed()
        };
        let half = new.split_off(new.len() / 2);
        let mut others = Self::new(self.index.clone());
        let other = Handle::current().spawn_blocking(move || (timed(&mut others, half), others));
        let mut took = timed(self, new);
        // If it panicked, what it was to store is stored with its agent.
        if let Ok((also, others)) = Handle::current().block_on(other) {
            took += also;
            self.chunks.extend(&others.chunks);
            others.seal(&mut self.sealed);
        }
        self.ahead = self.chunks.iter().map(|c| (c.hash, (*c, u64::from(c.stored)))).collect();
        took
    }

    fn seal(self, packs: &mut Vec<Pack>) {
        packs.extend(self.sealed);
        if !self.open.is_empty() {
            packs.push(self.open.seal());
        }
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
        let at = self.store(Piece::new(encoded.into()));
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

/// What is new of the jobs that somebody asked for, each once.
fn asked(jobs: &[Job], index: &Index) -> Vec<(Hash, Bytes)> {
    let (mut new, mut seen) = (Vec::new(), HashSet::new());
    for snapshot in jobs.iter().filter(|job| job.asked).filter_map(|job| job.snapshot.as_ref()) {
        snapshot.each_new(&mut |hash, bytes| {
            if seen.insert(*hash) && index.find(hash).is_none() {
                new.push((*hash, bytes.clone()));
            }
        });
    }
    new
}

/// Turns jobs into packs and commits. Called where a thread may wait.
pub(super) fn encode(jobs: Vec<Job>, index: Arc<Index>) -> Encoded {
    let ahead = asked(&jobs, &index);
    let mut packs = Packs::new(index);
    let mut ahead = packs.ahead(ahead);
    let mut encoded = Encoded::default();
    for mut job in jobs {
        let begun = Instant::now();
        packs.unique = 0;
        packs.keeps = job.asked;
        let ahead = if job.asked { mem::take(&mut ahead) } else { Duration::ZERO };
        let agent = job.agent;
        let done = match job.snapshot.take() {
            None => Ok(None),
            Some(snapshot) => one(&mut packs, &mut encoded, &job, *snapshot).map(Some),
        };
        match done {
            Ok(done) => {
                let (taken, kept) = done.unzip();
                let stored = Stored { cost: begun.elapsed() + ahead, kept };
                let Job { epoch, then, wake_at, undone, .. } = job;
                let commit = Commit { agent, epoch, taken, then, wake_at, undone };
                encoded.done.push(Done { commit, stored });
            }
            Err(why) => encoded.failed.push((agent, why)),
        }
    }
    encoded.chunks = mem::take(&mut packs.chunks);
    encoded.kept = mem::take(&mut packs.kept);
    packs.seal(&mut encoded.packs);
    encoded
}

fn one(
    packs: &mut Packs,
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

#[cfg(test)]
mod tests {
    use checkpoint::{manifest::PAGE_BYTES, unpack};

    use super::*;

    #[test]
    fn what_two_threads_store_is_there_once_and_counted_once() {
        let page = |n: usize| Bytes::from(n.to_le_bytes().repeat(PAGE_BYTES / 8));
        let pieces: Vec<_> = (0..2 * MANY).map(|n| Piece::new(page(n))).collect();
        let new = (1..=MANY).map(|n| (checkpoint::hash(&page(n)), page(n))).collect();
        let work = move || {
            let mut packs = Packs::new(Arc::default());
            packs.ahead(new);
            let mut agent = |keeps| {
                (packs.unique, packs.keeps) = (0, keeps);
                let chunks: Vec<_> = pieces.iter().map(|piece| packs.store(piece.clone())).collect();
                (chunks, packs.unique)
            };
            let (first, second) = (agent(true), agent(false));
            assert_eq!((&second.0, second.1), (&first.0, 0), "the second has what the first has");
            let (chunks, kept) = (packs.chunks.clone(), std::mem::take(&mut packs.kept));
            let mut sealed = Vec::new();
            packs.seal(&mut sealed);
            (first, chunks, kept, sealed)
        };
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (first, chunks, kept, sealed) =
            runtime.block_on(async { tokio::task::spawn_blocking(work).await.unwrap() });
        assert_eq!((chunks.len(), sealed.len()), (2 * MANY, 2));
        assert_eq!(first.1, chunks.iter().map(|chunk| u64::from(chunk.stored)).sum::<u64>());
        for (n, (chunk, kept)) in first.0.iter().zip(kept).enumerate() {
            let pack = sealed.iter().find(|pack| pack.id == chunk.pack).unwrap();
            let from = usize::try_from(chunk.offset).unwrap();
            assert_eq!(unpack(chunk, &pack.bytes[from..from + chunk.stored as usize]), Ok(page(n)));
            assert_eq!(kept, (*chunk, page(n)));
        }
        for pack in sealed {
            assert!(pack.verify().is_ok());
        }
    }
}
