//! The host's own file calls, for REST and for other parts of the host, from asynchronous code.
//!
//! They are booked in the same accounts as the guest's and run beside it.

mod list;
mod read;
mod upload;

use std::path::Path;

use cap_std::fs::Dir;
use jiff::Timestamp;
use wire::file::{FileEntry, FileKind};

use super::stat::{Kind, Stat};
use super::tree::Tree;
use super::{Workspace, WorkspaceError, path};

pub use list::Listing;
pub use read::Reading;
pub use upload::Upload;

impl Workspace {
    /// What `path` is; a link is not followed.
    ///
    /// # Errors
    ///
    /// [`WorkspaceError::NotFound`], or what a path may be refused for.
    pub async fn entry(&self, path: &str) -> Result<FileEntry, WorkspaceError> {
        let (tree, path) = (self.tree.clone(), path.to_owned());
        blocking(move || look(&tree.root, &path)).await
    }

    /// Removes a file, a link or an empty directory.
    ///
    /// # Errors
    ///
    /// [`WorkspaceError::NotEmpty`] for a directory with entries, [`WorkspaceError::NotFound`].
    pub async fn delete(&self, path: &str) -> Result<(), WorkspaceError> {
        let (tree, path) = (self.tree.clone(), path.to_owned());
        blocking(move || {
            let path = path::of_caller(&path)?;
            match tree.remove_file(&tree.root, path) {
                Err(WorkspaceError::IsDirectory) => tree.remove_dir(&tree.root, path),
                removed => removed,
            }
        })
        .await
    }
}

fn look(root: &Dir, path: &str) -> Result<FileEntry, WorkspaceError> {
    let stat = Tree::stat(root, path::of_caller(path)?, false)?;
    entry_of(path.to_owned(), &stat).ok_or(WorkspaceError::Special)
}

/// `None` for what no caller is to know of.
fn entry_of(path: String, stat: &Stat) -> Option<FileEntry> {
    let kind = match stat.kind {
        Kind::File => FileKind::File,
        Kind::Dir => FileKind::Directory,
        Kind::Link => FileKind::Symlink,
        Kind::Special(_) => return None,
    };
    let modified = i32::try_from(stat.modified.nanoseconds)
        .ok()
        .and_then(|nanoseconds| Timestamp::new(stat.modified.seconds, nanoseconds).ok());
    // A guest may have set a time that no calendar knows.
    let modified_at = modified.unwrap_or(Timestamp::UNIX_EPOCH);
    Some(FileEntry { path, kind, size_bytes: stat.size, modified_at })
}

/// Every directory on the way to `path`.
fn create_parents(tree: &Tree, path: &Path) -> Result<(), WorkspaceError> {
    let mut parents: Vec<&Path> = path.ancestors().skip(1).collect();
    parents.retain(|parent| !parent.as_os_str().is_empty());
    for parent in parents.into_iter().rev() {
        match tree.create_dir(&tree.root, parent) {
            Ok(()) | Err(WorkspaceError::Exists) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Off the threads that serve sockets.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, WorkspaceError> + Send + 'static,
) -> Result<T, WorkspaceError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down.
            Err(error) => Err(WorkspaceError::Disk(std::io::Error::other(error))),
        },
    }
}
