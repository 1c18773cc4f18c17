//! Open files and directories by name and back, for handles that outlive a host.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use cap_fs_ext::DirExt;
use cap_std::fs::{Dir, MetadataExt};
use checkpoint::manifest::Content;
use checkpoint::{ChunkRef, Piece};
use rustix::fd::AsFd;

use super::capture::{Put, read};
use super::file::OpenFile;
use super::ledger::Inode;
use super::restore::{Chunks, RestoreError, bring_all, check_content, opening};
use super::stat::{Kind, Stat};
use super::tree::{How, Opened, Tree};
use super::walk::{MAX_WALK_BYTES, Walk};
use super::{MAX_DEPTH, Workspace, WorkspaceError};

impl Workspace {
    /// Opens the file `path` below the root; no link is followed.
    ///
    /// # Errors
    ///
    /// [`WorkspaceError::NotFound`], [`WorkspaceError::IsDirectory`], [`WorkspaceError::Loop`] for a link.
    pub(crate) fn open_file(&self, path: &str, write: bool) -> Result<Arc<OpenFile>, WorkspaceError> {
        let mut walk = Walk::new(&self.tree.root);
        let (dir, name) = walk.parent(path)?;
        match self.tree.open(dir, name.as_ref(), How { write, ..How::default() })? {
            Opened::File(file) => Ok(Arc::new(file)),
            Opened::Dir(_) => Err(WorkspaceError::IsDirectory),
        }
    }

    /// Opens the directory `path` below the root, which is the empty path; no link is followed.
    ///
    /// # Errors
    ///
    /// [`WorkspaceError::NotFound`], [`WorkspaceError::NotDirectory`].
    pub(crate) fn open_dir(&self, path: &str) -> Result<Arc<Dir>, WorkspaceError> {
        if path.is_empty() {
            return Ok(Arc::clone(&self.tree.root));
        }
        Ok(Arc::new(Walk::new(&self.tree.root).dir(path)?.try_clone()?))
    }

    /// A file that is open and has no name any more, holding `content`. It counts until it is closed, even
    /// over the quota. Blocks.
    ///
    /// # Errors
    ///
    /// As [`Workspace::restore`].
    pub(crate) fn nameless(
        &self,
        content: &Content<ChunkRef>,
        chunk: &mut Chunks<'_>,
    ) -> Result<Arc<OpenFile>, RestoreError> {
        check_content(content)?;
        let name = PathBuf::from(self.tree.uploads.fetch_add(1, Relaxed).to_string());
        let incoming = self.tree.incoming()?;
        let file = {
            let mut change = self.tree.ledger.change();
            let file = incoming.open_with(&name, opening().create_new(true))?;
            let stat = Stat::from(&file.metadata()?);
            change.add(0, 1);
            // Removed first: a crash from here on leaves nothing.
            let removed = incoming.remove_file(&name);
            let file = OpenFile::new(&self.tree, &mut change, file, &stat);
            change.unlinked(stat.inode, 0);
            let sized = removed.and_then(|()| file.as_file().set_len(content.size));
            if sized.is_ok() {
                change.add(content.size, 0);
            }
            // Before `file`, whose drop takes the same lock.
            drop(change);
            sized.map(|()| file)?
        };
        bring_all(content, chunk, file.as_file())?;
        Ok(Arc::new(file))
    }

    /// Where a directory is now, below the root; empty is the root itself. `None` when it was removed.
    pub(crate) fn dir_path(&self, dir: &Dir) -> Option<String> {
        let stat = Stat::from(&dir.dir_metadata().ok().filter(|meta| meta.nlink() > 0)?);
        path_of(&self.tree, dir, stat.inode)
    }
}

impl OpenFile {
    /// Where the file is now, below the root; `None` when it has no name any more.
    pub(crate) fn path(&self) -> Option<String> {
        let stat = self.stat().ok().filter(|stat| stat.links > 0)?;
        path_of(&self.tree, self.as_file(), stat.inode)
    }

    /// What it holds, for a file without a name. Blocks; changes of the tree wait meanwhile.
    ///
    /// # Errors
    ///
    /// When the disk or `put` fails.
    pub(crate) fn content(&self, put: &mut Put<'_>) -> Result<Content<Piece>, WorkspaceError> {
        let _held = self.tree.ledger.hold();
        read(self.as_file(), put)
    }
}

/// The kernel knows it, unless the path is longer than it says; then the tree is searched.
fn path_of(tree: &Arc<Tree>, of: impl AsFd, inode: Inode) -> Option<String> {
    if inode == tree.root_inode {
        return Some(String::new());
    }
    let named = |of: rustix::fd::BorrowedFd<'_>| {
        let number = std::os::fd::AsRawFd::as_raw_fd(&of);
        std::fs::read_link(format!("/proc/self/fd/{number}")).ok()
    };
    let guess = named(of.as_fd()).zip(named(tree.root.as_fd())).and_then(|(path, root)| {
        let below = path.strip_prefix(root).ok()?;
        below.to_str().map(str::to_owned)
    });
    // What is removed still has a path there, which may be another's.
    let here = |path: &String| Walk::new(&tree.root).stat(path).is_ok_and(|stat| stat.inode == inode);
    guess.filter(here).or_else(|| search(&tree.root, "", inode, MAX_DEPTH).ok().flatten())
}

fn search(dir: &Dir, base: &str, inode: Inode, room: usize) -> Result<Option<String>, WorkspaceError> {
    for entry in dir.entries()? {
        let entry = entry?;
        let stat = Stat::from(&entry.metadata()?);
        let Ok(name) = entry.file_name().into_string() else { continue };
        if stat.inode == inode {
            return Ok(Some(format!("{base}{name}")));
        }
        if stat.kind == Kind::Dir && room > 0 && base.len() + name.len() < MAX_WALK_BYTES {
            let below = dir.open_dir_nofollow(&name)?;
            if let Some(found) = search(&below, &format!("{base}{name}/"), inode, room - 1)? {
                return Ok(Some(found));
            }
        }
    }
    Ok(None)
}
