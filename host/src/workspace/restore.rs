//! A directory made into a tree that was captured, whatever it held before.
//!
//! Entry by entry, so a crash in the middle leaves a mixture; the next restore makes the tree of it. Until one
//! has succeeded nobody may take what is there for an agent's files. Paths are walked by plain names and no
//! link is followed, so nothing outside is ever touched.

mod check;
mod fetch;

use std::error::Error;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::PoisonError;

use bytes::Bytes;
use cap_fs_ext::{DirExt, FollowSymlinks, OpenOptionsFollowExt};
use cap_std::fs::{Dir, DirBuilder, DirBuilderExt, File, FileExt, OpenOptions, OpenOptionsExt};
use checkpoint::manifest::{Content, Entry, FILE_PIECE_BYTES, Node, Tree};
use checkpoint::{ChunkRef, Hash};
use rustix::fs::{AtFlags, FallocateFlags, OFlags, Timespec, Timestamps, UTIME_OMIT};

use super::capture::{is_zero, next_data};
use super::ledger::{Change, Held};
use super::stamps::{self, Kept, Remembered, Stamp, Stamps, digest, nanoseconds, now_ns};
use super::stat::{Kind, Stat};
use super::walk::Walk;
use super::{Quota, Workspace, WorkspaceError};

use fetch::Fetch;

/// Fetches stored bytes, at most [`BATCH_BYTES`](fetch::BATCH_BYTES) at once: as many as were asked for, each
/// as long as its reference says, and verified.
pub(crate) type Chunks<'a> = dyn FnMut(&[ChunkRef]) -> Result<Vec<Bytes>, RestoreError> + 'a;

/// Why a tree was not restored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RestoreError {
    /// The tree is none that a workspace can hold; nothing was changed.
    #[error("no tree of a workspace: {0}")]
    Invalid(&'static str),
    /// Stored bytes could not be had.
    #[error("fetching files")]
    Chunks(#[source] Box<dyn Error + Send + Sync>),
    /// The directory refused.
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
}

impl From<std::io::Error> for RestoreError {
    fn from(error: std::io::Error) -> Self {
        Self::Workspace(error.into())
    }
}

impl Workspace {
    /// Makes `dir` hold exactly `tree`, and opens it as [`Workspace::open`] does. Blocks.
    ///
    /// What is there already is not fetched again: files that look as they did when they were
    /// [kept](Workspace::keep) are not even read, the others are compared piece by piece.
    ///
    /// # Errors
    ///
    /// A tree over the bounds of any workspace is [`RestoreError::Invalid`], before anything is changed. After
    /// any other error the directory holds a mixture, which another restore puts right. A tree over `quota` is
    /// no error: it can shrink, not grow.
    pub(crate) fn restore(
        dir: &Path,
        quota: Quota,
        tree: &Tree<ChunkRef>,
        chunk: &mut Chunks<'_>,
    ) -> Result<Self, RestoreError> {
        let entries = check::check(tree)?;
        let kept = stamps::recall(dir);
        let workspace = Self::open(dir, quota)?;
        workspace.make(entries, &kept, chunk)?;
        Ok(workspace)
    }

    /// Takes the workspace back to `tree`. Blocks; changes wait meanwhile. Files that are open keep what they
    /// hold unless `tree` has a file of their name.
    ///
    /// # Errors
    ///
    /// As [`Workspace::restore`].
    pub(crate) fn rollback(&self, tree: &Tree<ChunkRef>, chunk: &mut Chunks<'_>) -> Result<(), RestoreError> {
        self.make(check::check(tree)?, &Kept::default(), chunk)
    }

    fn make(
        &self,
        entries: Vec<&Entry<ChunkRef>>,
        kept: &Kept,
        chunk: &mut Chunks<'_>,
    ) -> Result<(), RestoreError> {
        let held = self.tree.ledger.hold();
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        let known = remembered.take();
        // What they say is over with the first write.
        stamps::forget(&self.tree.home)?;
        let restore = Restore { held, workspace: self, kept, known, entries };
        restore.clear(&self.tree.root, "")?;
        let mut walk = Walk::new(&self.tree.root);
        let mut fetch = Fetch::new(&restore.entries, chunk);
        for at in 0..restore.entries.len() {
            restore.entry(&mut walk, at, &mut fetch)?;
        }
        fetch.finish(&mut walk)?;
        let files = restore.times(&mut walk)?;
        let entries = restore.entries.into_iter().cloned().collect();
        let stamps = Stamps { changes: self.changes(), looked_ns: now_ns(), files };
        *remembered = Some(Remembered { tree: Tree { entries }, stamps });
        Ok(())
    }
}

struct Restore<'a> {
    held: Held<'a>,
    workspace: &'a Workspace,
    kept: &'a Kept,
    known: Option<Remembered>,
    /// What is to be, in the order of the paths.
    entries: Vec<&'a Entry<ChunkRef>>,
}

impl Restore<'_> {
    fn wanted(&self, path: &str) -> Option<&Node<ChunkRef>> {
        let at = self.entries.binary_search_by(|entry| entry.path.as_str().cmp(path)).ok()?;
        Some(&self.entries[at].node)
    }

    /// Removes what is not wanted, or is something else. `base` is the path of `dir` with its slash.
    fn clear(&self, dir: &Dir, base: &str) -> Result<(), RestoreError> {
        for entry in dir.entries()? {
            let entry = entry?;
            let (name, kind) = (entry.file_name(), Kind::from(entry.file_type()?));
            let path = name.to_str().map(|name| format!("{base}{name}"));
            match (path.as_deref().and_then(|path| self.wanted(path)), kind) {
                (Some(Node::Directory), Kind::Dir) => {
                    let below = format!("{}/", path.unwrap_or_default());
                    self.clear(&dir.open_dir_nofollow(&name)?, &below)?;
                }
                (Some(Node::File(_)), Kind::File) | (Some(Node::Link(_)), Kind::Link) => {}
                _ => self.remove(dir, name.as_ref(), kind)?,
            }
        }
        Ok(())
    }

    fn remove(&self, dir: &Dir, name: &Path, kind: Kind) -> Result<(), RestoreError> {
        if kind == Kind::Dir {
            let inside = dir.open_dir_nofollow(name)?;
            for entry in inside.entries()? {
                let entry = entry?;
                self.remove(&inside, entry.file_name().as_ref(), Kind::from(entry.file_type()?))?;
            }
            let mut change = self.change();
            dir.remove_dir(name)?;
            change.refund_entry();
            return Ok(());
        }
        let mut change = self.change();
        let stat = Stat::from(&dir.symlink_metadata(name)?);
        dir.remove_file(name)?;
        change.unlinked(stat.inode, stat.charged());
        Ok(())
    }

    /// Makes an entry what it is to be, but for its time and what `fetch` is still to bring.
    fn entry(&self, walk: &mut Walk, at: usize, fetch: &mut Fetch<'_, '_>) -> Result<(), RestoreError> {
        let entry = self.entries[at];
        let (dir, name) = walk.parent(&entry.path)?;
        let there = match dir.symlink_metadata(name) {
            Ok(meta) => Some(Stat::from(&meta)),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error.into()),
        };
        match &entry.node {
            Node::Directory if there.is_some() => {}
            Node::Directory => {
                let mut change = self.change();
                let mut private = DirBuilder::new();
                private.mode(0o700);
                dir.create_dir_with(name, &private)?;
                change.add(0, 1);
            }
            Node::Link(target) => {
                if there.is_some() {
                    if dir.read_link_contents(name)?.as_os_str() == target.as_str() {
                        return Ok(());
                    }
                    self.remove(dir, name.as_ref(), Kind::Link)?;
                }
                let mut change = self.change();
                dir.symlink(target, name)?;
                change.add(0, 1);
            }
            Node::File(content) => {
                let held = there.and_then(|stat| self.holds(&entry.path, &stat));
                if held.is_some_and(|held| held == digest(content)) {
                    return Ok(());
                }
                let was_empty = there.is_none_or(|stat| stat.size == 0);
                let file = self.file(dir, name, there, content.size)?;
                if was_empty {
                    pieces(content).for_each(|(offset, chunk)| fetch.want(at, offset, chunk));
                } else {
                    compare(&file, content, &mut |offset, chunk| fetch.want(at, offset, chunk))?;
                }
                fetch.bring_full(walk)?;
            }
        }
        Ok(())
    }

    fn change(&self) -> Change<'_> {
        self.workspace.tree.ledger.change_held(&self.held)
    }

    /// Digest of what a file holds, if that is known by how it looks.
    fn holds(&self, path: &str, stat: &Stat) -> Option<Hash> {
        let known = self.known.as_ref().and_then(|known| known.content(path, stat));
        known.map(digest).or_else(|| self.kept.digest(path, stat))
    }

    /// Opens or creates a file, `size` bytes long; what it gains is a hole.
    fn file(&self, dir: &Dir, name: &str, there: Option<Stat>, size: u64) -> Result<File, RestoreError> {
        let there = match there {
            // What has another name somewhere is not to change there.
            Some(stat) if stat.links > 1 => {
                self.remove(dir, name.as_ref(), Kind::File)?;
                None
            }
            there => there,
        };
        let mut options = opening();
        let mut change = self.change();
        if there.is_none() {
            options.create_new(true);
        }
        let file = dir.open_with(name, &options)?;
        change.add(0, u64::from(there.is_none()));
        let before = file.metadata()?.len();
        file.set_len(size)?;
        change.refund_bytes(before.saturating_sub(size));
        change.add(size.saturating_sub(before), 0);
        Ok(file)
    }

    /// Sets the times, and looks at every entry once more.
    fn times(&self, walk: &mut Walk) -> Result<Vec<Option<Stamp>>, RestoreError> {
        let mut stamps = Vec::with_capacity(self.entries.len());
        for entry in &self.entries {
            let (dir, name) = walk.parent(&entry.path)?;
            let mut stat = Stat::from(&dir.symlink_metadata(name)?);
            if nanoseconds(stat.modified) != entry.modified_ns {
                let last_modification = Timespec {
                    tv_sec: entry.modified_ns.div_euclid(1_000_000_000),
                    tv_nsec: entry.modified_ns.rem_euclid(1_000_000_000),
                };
                let last_access = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
                let times = Timestamps { last_access, last_modification };
                rustix::fs::utimensat(dir, name, &times, AtFlags::SYMLINK_NOFOLLOW)
                    .map_err(WorkspaceError::from)?;
                stat = Stat::from(&dir.symlink_metadata(name)?);
            }
            stamps.push((stat.kind == Kind::File).then(|| Stamp::from(&stat)));
        }
        Ok(stamps)
    }
}

/// For reading and writing, whatever lies there.
pub(super) fn opening() -> OpenOptions {
    let waitless = (OFlags::NONBLOCK | OFlags::NOCTTY).bits();
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .mode(0o600)
        .follow(FollowSymlinks::No)
        .custom_flags(i32::try_from(waitless).unwrap_or(0));
    options
}

/// The pieces that are no holes, and where they begin.
fn pieces(content: &Content<ChunkRef>) -> impl Iterator<Item = (u64, &ChunkRef)> {
    let offsets = (0..).step_by(FILE_PIECE_BYTES);
    offsets.zip(&content.pieces).filter_map(|(offset, piece)| Some((offset, piece.as_ref()?)))
}

/// Wants the pieces that a file of the right size does not hold, and empties what is to be a hole.
fn compare(
    file: &File,
    content: &Content<ChunkRef>,
    want: &mut dyn FnMut(u64, &ChunkRef),
) -> Result<(), RestoreError> {
    let mut buffer = Vec::new();
    let mut data = next_data(file, 0)?;
    for (offset, piece) in (0_u64..).step_by(FILE_PIECE_BYTES).zip(&content.pieces) {
        let len = content.size.saturating_sub(offset).min(FILE_PIECE_BYTES as u64);
        buffer.clear();
        if data.is_some_and(|data| data < offset + len) {
            buffer.resize(usize::try_from(len).unwrap_or(0), 0);
            file.read_exact_at(&mut buffer, offset)?;
            data = next_data(file, offset + len)?;
        }
        match piece {
            Some(chunk) if buffer.is_empty() || checkpoint::hash(&buffer) != chunk.hash => {
                want(offset, chunk);
            }
            None if !is_zero(&buffer) => {
                let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
                if rustix::fs::fallocate(file, hole, offset, len).is_err() {
                    // A disk that knows of no holes.
                    buffer.fill(0);
                    file.write_all_at(&buffer, offset)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}
