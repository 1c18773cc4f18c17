//! Files and directories by where they are: what a checkpoint holds of open ones, and how they are opened
//! again. Opening goes the way of a guest's own calls.

use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use cap_std::fs::Dir;

use crate::workspace::file::OpenFile;
use crate::workspace::ledger::Inode;
use crate::workspace::stat::Stat;
use crate::workspace::tree::{How, Opened, Tree};
use crate::workspace::{WorkspaceError, path};

/// A caller of the host's own file calls may move things meanwhile: how often to look again.
const LOOKS: usize = 3;

/// Where an open file is below the root; `None` when it has no name any more.
pub(super) fn path_of_file(tree: &Tree, file: &OpenFile) -> Result<Option<String>, WorkspaceError> {
    path_of(&tree.root, file.as_file(), file.stat()?.inode)
}

/// Where an open directory is below the root, empty for the root; `None` when it was removed.
pub(super) fn path_of_dir(tree: &Tree, dir: &Dir) -> Result<Option<String>, WorkspaceError> {
    path_of(&tree.root, dir, Stat::from(&dir.dir_metadata()?).inode)
}

/// The kernel's answer is a text in which a removed name looks like another one, so it is believed only
/// when what is there is the same.
fn path_of(root: &Dir, of: &impl AsRawFd, inode: Inode) -> Result<Option<String>, WorkspaceError> {
    for _ in 0..LOOKS {
        let (base, at) = (link(root)?, link(of)?);
        let Ok(below) = at.strip_prefix(&base) else { continue };
        let here = below.as_os_str().is_empty();
        match Tree::stat(root, if here { ".".as_ref() } else { below }, false) {
            Ok(stat) if stat.inode == inode => {
                return Ok(Some(below.to_str().ok_or(WorkspaceError::NotUnicode)?.to_owned()));
            }
            Ok(_) | Err(WorkspaceError::NotFound | WorkspaceError::NotDirectory) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

fn link(of: &impl AsRawFd) -> Result<PathBuf, WorkspaceError> {
    Ok(std::fs::read_link(format!("/proc/self/fd/{}", of.as_raw_fd()))?)
}

/// Opens the file at `path`, below the root and without following a link at its end.
pub(super) fn file(tree: &Arc<Tree>, path: &str, write: bool) -> Result<OpenFile, WorkspaceError> {
    match tree.open(&tree.root, path::of_caller(path)?, How { write, ..How::default() })? {
        Opened::File(file) => Ok(file),
        Opened::Dir(_) => Err(WorkspaceError::IsDirectory),
    }
}

/// Opens the directory at `path`; empty is the root.
pub(super) fn dir(tree: &Arc<Tree>, path: &str) -> Result<Arc<Dir>, WorkspaceError> {
    if path.is_empty() {
        return Ok(Arc::clone(&tree.root));
    }
    match tree.open(&tree.root, path::of_caller(path)?, How { directory: true, ..How::default() })? {
        Opened::Dir(dir) => Ok(Arc::new(dir)),
        Opened::File(_) => Err(WorkspaceError::NotDirectory),
    }
}

/// A new, empty file that has no name; it counts as one until it is closed.
pub(super) fn nameless(tree: &Arc<Tree>) -> Result<OpenFile, WorkspaceError> {
    let name = PathBuf::from(format!("nameless-{}", tree.uploads.fetch_add(1, Relaxed)));
    let incoming = tree.incoming()?;
    let how = How { write: true, create: true, exclusive: true, ..How::default() };
    let Opened::File(file) = tree.open(&incoming, &name, how)? else {
        return Err(WorkspaceError::IsDirectory);
    };
    tree.remove_file(&incoming, &name)?;
    Ok(file)
}
