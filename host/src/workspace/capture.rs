//! The tree as it is at one instant, for a checkpoint.

use std::io;
use std::sync::PoisonError;

use cap_fs_ext::{DirExt, FollowSymlinks, OpenOptionsFollowExt};
use cap_std::fs::{Dir, File, FileExt, OpenOptions, OpenOptionsExt};
use checkpoint::manifest::{Content, Entry, FILE_PIECE_BYTES, Node, Tree};
use checkpoint::{ChunkRef, Piece};
use rustix::fs::{OFlags, SeekFrom};
use rustix::io::Errno;

use super::stamps::{self, Remembered, Stamp, Stamps, nanoseconds, now_ns};
use super::stat::{Kind, Stat};
use super::{MAX_COUNTED, MAX_DEPTH, Workspace, WorkspaceError};

/// Where the bytes of a capture go, at most [`FILE_PIECE_BYTES`] at once, which it may keep ([`Piece::New`]) or
/// store already ([`Piece::Stored`]): a tree need not fit into memory.
pub(crate) type Put<'a> = dyn FnMut(&[u8]) -> io::Result<Piece> + 'a;

/// A tree at one instant.
#[derive(Debug)]
pub(crate) struct Captured {
    /// The tree, in the order of its paths as bytes.
    pub(crate) tree: Tree<Piece>,
    /// How it is known again: for [`Workspace::remember`] when it is stored.
    pub(crate) stamps: Stamps,
    /// [`Workspace::changes`] of that instant.
    pub(crate) changes: u64,
}

impl Workspace {
    /// Counts changes of the tree and of files without a name: when it is the same again, nothing changed in
    /// between. It may count what changed nothing.
    pub(crate) fn changes(&self) -> u64 {
        self.tree.ledger.changes()
    }

    /// The tree as it is now; changes wait meanwhile, reading does not. Blocks.
    ///
    /// Files that did not change since what was last [remembered](Workspace::remember) are
    /// [`Piece::Stored`] and are not read; the others go through `put`, piece by piece.
    ///
    /// # Errors
    ///
    /// When the disk or `put` fails ([`WorkspaceError::Disk`]).
    pub(crate) fn capture(&self, put: &mut Put<'_>) -> Result<Captured, WorkspaceError> {
        let _held = self.tree.ledger.hold();
        let changes = self.changes();
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Remembered { tree, stamps }) = &mut *remembered
            && stamps.changes == changes
        {
            stamps.looked_ns = now_ns();
            return Ok(Captured { tree: stored(tree), stamps: stamps.clone(), changes });
        }
        let looked_ns = now_ns();
        let mut walk = Capture { known: remembered.as_ref(), put, found: Vec::new() };
        walk.dir(&self.tree.root, "", MAX_DEPTH)?;
        let mut found = walk.found;
        found.sort_unstable_by(|(a, _), (b, _)| a.path.cmp(&b.path));
        let (entries, files) = found.into_iter().unzip();
        Ok(Captured { tree: Tree { entries }, stamps: Stamps { changes, looked_ns, files }, changes })
    }

    /// What was captured is stored now, as `tree`: what has not changed since need not be read again. Waits for
    /// a capture or rollback that is under way.
    pub(crate) fn remember(&self, captured: Stamps, tree: &Tree<ChunkRef>) {
        // Stamps of another tree would be believed for what is in this one.
        let fits = captured.files.len() == tree.entries.len();
        let new = fits.then(|| Remembered { tree: tree.clone(), stamps: captured });
        *self.remembered.lock().unwrap_or_else(PoisonError::into_inner) = new;
    }

    /// Nothing counts as stored any more, as when the store lost it: the next capture reads everything. Waits
    /// as [`Workspace::remember`].
    pub(crate) fn forget(&self) {
        *self.remembered.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Writes the stamps beside the tree, so that [`Workspace::restore`] on this host need not write what is
    /// there already.
    ///
    /// # Errors
    ///
    /// When the disk refuses. Then the next restore compares the files instead.
    pub(crate) fn keep(&self) -> io::Result<()> {
        let _held = self.tree.ledger.hold();
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(remembered) = &mut *remembered else { return stamps::forget(&self.tree.home) };
        if remembered.stamps.changes == self.changes() {
            remembered.stamps.looked_ns = now_ns();
        }
        stamps::keep(&self.tree.home, remembered)
    }
}

struct Capture<'a, 'p> {
    known: Option<&'a Remembered>,
    put: &'a mut Put<'p>,
    found: Vec<(Entry<Piece>, Option<Stamp>)>,
}

impl Capture<'_, '_> {
    /// `base` is the path of `dir` with its slash; `room` the levels of directories there may be below.
    fn dir(&mut self, dir: &Dir, base: &str, room: usize) -> Result<(), WorkspaceError> {
        for entry in dir.entries()? {
            let entry = entry?;
            let stat = Stat::from(&entry.metadata()?);
            let name = match entry.file_name().into_string() {
                Ok(name) if !matches!(stat.kind, Kind::Special(_)) => name,
                // Neither can come from an agent.
                _ => {
                    tracing::warn!(name = ?entry.file_name(), "workspace: not part of a checkpoint");
                    continue;
                }
            };
            if self.found.len() as u64 >= MAX_COUNTED {
                return Err(WorkspaceError::NoFiles { quota: MAX_COUNTED });
            }
            let path = format!("{base}{name}");
            let below = format!("{path}/");
            let stamp = (stat.kind == Kind::File).then(|| Stamp::from(&stat));
            let node = match stat.kind {
                Kind::Dir => Node::Directory,
                Kind::Link => {
                    let target = dir.read_link_contents(&name)?.into_os_string();
                    Node::Link(target.into_string().map_err(|_| WorkspaceError::NotUnicode)?)
                }
                _ => Node::File(self.file(dir, &name, &path, &stat)?),
            };
            let descend = matches!(node, Node::Directory);
            self.found.push((Entry { path, modified_ns: nanoseconds(stat.modified), node }, stamp));
            if descend {
                let room = room.checked_sub(1).ok_or(WorkspaceError::TooDeep)?;
                self.dir(&dir.open_dir_nofollow(&name)?, &below, room)?;
            }
        }
        Ok(())
    }

    fn file(
        &mut self,
        dir: &Dir,
        name: &str,
        path: &str,
        stat: &Stat,
    ) -> Result<Content<Piece>, WorkspaceError> {
        if let Some(known) = self.known.and_then(|known| known.content(path, stat)) {
            return Ok(stored_content(known));
        }
        let mut options = OpenOptions::new();
        let waitless = (OFlags::NONBLOCK | OFlags::NOCTTY).bits();
        options.read(true).follow(FollowSymlinks::No).custom_flags(i32::try_from(waitless).unwrap_or(0));
        read(&dir.open_with(name, &options)?, self.put)
    }
}

/// All of a file, which must not change meanwhile. Holes are found without reading them, and what is zero
/// throughout is one.
pub(super) fn read(file: &File, put: &mut Put<'_>) -> Result<Content<Piece>, WorkspaceError> {
    let size = file.metadata()?.len();
    let mut content = Content { size, pieces: Vec::new() };
    let mut buffer = Vec::new();
    let mut at = 0;
    let mut data = next_data(file, 0)?;
    while at < size {
        let len = usize::try_from(size - at).unwrap_or(usize::MAX).min(FILE_PIECE_BYTES);
        let end = at + len as u64;
        let mut piece = None;
        if data.is_some_and(|data| data < end) {
            buffer.resize(len, 0);
            file.read_exact_at(&mut buffer, at)?;
            if !is_zero(&buffer) {
                piece = Some((put)(&buffer).map_err(WorkspaceError::Disk)?);
            }
            data = next_data(file, end)?;
        }
        content.pieces.push(piece);
        at = end;
    }
    Ok(content)
}

/// The first byte from `offset` on that is in no hole.
pub(super) fn next_data(file: &File, offset: u64) -> Result<Option<u64>, WorkspaceError> {
    match rustix::fs::seek(file, SeekFrom::Data(offset)) {
        Ok(data) => Ok(Some(data)),
        Err(Errno::NXIO) => Ok(None),
        // A disk that knows of no holes.
        Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok(Some(offset)),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

fn stored(tree: &Tree<ChunkRef>) -> Tree<Piece> {
    let entry = |entry: &Entry<ChunkRef>| Entry {
        path: entry.path.clone(),
        modified_ns: entry.modified_ns,
        node: match &entry.node {
            Node::File(content) => Node::File(stored_content(content)),
            Node::Directory => Node::Directory,
            Node::Link(target) => Node::Link(target.clone()),
        },
    };
    Tree { entries: tree.entries.iter().map(entry).collect() }
}

fn stored_content(content: &Content<ChunkRef>) -> Content<Piece> {
    let pieces = content.pieces.iter().map(|piece| piece.map(Piece::Stored)).collect();
    Content { size: content.size, pieces }
}
