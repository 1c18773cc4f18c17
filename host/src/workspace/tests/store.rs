//! What the checkpoint tests store chunks in, and how they look at a disk.

use std::collections::{BTreeMap, HashMap};
use std::os::unix::fs::MetadataExt as _;

use bytes::Bytes;
use checkpoint::manifest::{Content, Entry, Node, Tree};
use checkpoint::{ChunkRef, Codec, Hash, Piece};
use wire::PackId;

use super::*;
use crate::workspace::RestoreError;

/// A store in memory that counts.
#[derive(Default)]
pub(super) struct Store {
    chunks: HashMap<Hash, Bytes>,
    pub(super) puts: usize,
    pub(super) gets: usize,
    /// Chunks that are found before it fails.
    pub(super) fails_after: Option<usize>,
    /// Most bytes that were asked for at once.
    pub(super) most: usize,
}

impl Store {
    pub(super) fn put(&mut self, bytes: &[u8]) -> ChunkRef {
        self.puts += 1;
        let hash = checkpoint::hash(bytes);
        self.chunks.insert(hash, Bytes::copy_from_slice(bytes));
        let length = u32::try_from(bytes.len()).unwrap();
        ChunkRef { hash, pack: PackId::new(), offset: 0, stored: length, length, codec: Codec::Raw }
    }

    pub(super) fn get(&mut self, chunks: &[ChunkRef]) -> Result<Vec<Bytes>, RestoreError> {
        self.gets += chunks.len();
        if self.fails_after.is_some_and(|most| self.gets > most) {
            return Err(RestoreError::Chunks("the store is away".into()));
        }
        let found: Vec<Bytes> = chunks.iter().map(|chunk| self.chunks[&chunk.hash].clone()).collect();
        self.most = self.most.max(found.iter().map(Bytes::len).sum());
        Ok(found)
    }

    /// Captures, stores, and has it remembered.
    pub(super) fn capture(&mut self, workspace: &Workspace) -> Tree {
        let captured = workspace.capture(&mut |bytes| Ok(Piece::Stored(self.put(bytes)))).unwrap();
        assert_eq!(captured.changes, workspace.changes());
        let tree = stored(captured.tree);
        workspace.remember(captured.stamps, &tree);
        tree
    }

    pub(super) fn restore(&mut self, home: &Path, tree: &Tree) -> Result<Workspace, RestoreError> {
        Workspace::restore(home, ROOMY, tree, &mut |chunks| self.get(chunks))
    }

    pub(super) fn rollback(&mut self, workspace: &Workspace, tree: &Tree) -> Result<(), RestoreError> {
        workspace.rollback(tree, &mut |chunks| self.get(chunks))
    }
}

fn stored(tree: Tree<Piece>) -> Tree {
    let entry = |entry: Entry<Piece>| Entry {
        path: entry.path,
        modified_ns: entry.modified_ns,
        node: match entry.node {
            Node::File(content) => Node::File(stored_content(content)),
            Node::Directory => Node::Directory,
            Node::Link(target) => Node::Link(target),
        },
    };
    Tree { entries: tree.entries.into_iter().map(entry).collect() }
}

pub(super) fn stored_content(content: Content<Piece>) -> Content<ChunkRef> {
    let chunk = |piece| match piece {
        Piece::Stored(chunk) => chunk,
        Piece::New(..) => panic!("all was stored"),
    };
    let pieces = content.pieces.into_iter().map(|piece| piece.map(chunk)).collect();
    Content { size: content.size, pieces }
}

/// An entry as the disk has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seen {
    File(Vec<u8>),
    Dir,
    Link(std::path::PathBuf),
}

/// All entries, each with its time of modification.
pub(super) fn seen(home: &Path) -> BTreeMap<String, (Seen, i64, i64)> {
    fn add(dir: &Path, base: &str, all: &mut BTreeMap<String, (Seen, i64, i64)>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let entry = entry.unwrap();
            let path = format!("{base}{}", entry.file_name().to_str().unwrap());
            let meta = entry.metadata().unwrap();
            let what = if meta.is_dir() {
                add(&entry.path(), &format!("{path}/"), all);
                Seen::Dir
            } else if meta.is_symlink() {
                Seen::Link(std::fs::read_link(entry.path()).unwrap())
            } else {
                Seen::File(std::fs::read(entry.path()).unwrap())
            };
            all.insert(path, (what, meta.mtime(), meta.mtime_nsec()));
        }
    }
    let mut all = BTreeMap::new();
    add(&home.join("work"), "", &mut all);
    all
}

/// A file of the tree, by its path.
pub(super) fn file<'t>(tree: &'t Tree, path: &str) -> &'t Content<ChunkRef> {
    match &tree.entries.iter().find(|entry| entry.path == path).unwrap().node {
        Node::File(content) => content,
        other => panic!("{path} is {other:?}"),
    }
}

/// Waits until what was changed so far can be told from what changes later by its time alone.
pub(super) fn settle(home: &Path) {
    let probe = home.join("probe");
    std::fs::write(&probe, b"").unwrap();
    let changed =
        |meta: std::fs::Metadata| i128::from(meta.ctime()) * 1_000_000_000 + i128::from(meta.ctime_nsec());
    let before = changed(probe.metadata().unwrap());
    while {
        std::fs::write(&probe, b"x").unwrap();
        changed(probe.metadata().unwrap()) < before + 60_000_000
    } {
        std::thread::yield_now();
    }
    std::fs::remove_file(probe).unwrap();
}
