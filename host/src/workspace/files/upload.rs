//! Writing a file from outside: seen whole or not at all.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use wire::file::{FileEntry, MAX_FILE_BYTES};

use super::{blocking, create_parents, entry_of};
use crate::workspace::file::OpenFile;
use crate::workspace::tree::{How, Opened, Tree};
use crate::workspace::{MAX_PIECE_BYTES, Workspace, WorkspaceError, path};

/// A file that is not complete. Until [`Upload::commit`] nobody sees it; dropped before that it is
/// as if it had never been. Its calls block.
///
/// Its bytes count from the moment they arrive, so replacing a file needs room for both.
#[derive(Debug)]
pub struct Upload {
    tree: Arc<Tree>,
    file: OpenFile,
    /// Its name among the uploads; `None` once it has moved to its place.
    name: Option<PathBuf>,
    target: String,
    written: u64,
}

impl Workspace {
    /// Writes a file in one step, with the directories it is in: a reader sees the old one or the
    /// new one. A link of that name is replaced, not followed.
    ///
    /// # Errors
    ///
    /// [`WorkspaceError::NoSpace`] and [`WorkspaceError::NoFiles`] by quota,
    /// [`WorkspaceError::TooLarge`] over [`MAX_FILE_BYTES`], [`WorkspaceError::IsDirectory`],
    /// [`WorkspaceError::Body`] when `body` fails. Then nothing has changed but directories made.
    pub async fn write<S, E>(&self, path: &str, body: S) -> Result<FileEntry, WorkspaceError>
    where
        S: Stream<Item = Result<Bytes, E>>,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let (workspace, path) = (self.clone(), path.to_owned());
        let mut upload = blocking(move || workspace.upload(&path)).await?;
        let mut body = std::pin::pin!(body);
        while let Some(piece) = body.next().await {
            let piece = piece.map_err(|error| WorkspaceError::Body(error.into()))?;
            upload = blocking(move || upload.write(&piece).map(|()| upload)).await?;
        }
        blocking(move || upload.commit()).await
    }

    /// Begins an upload that is to become `path`.
    ///
    /// # Errors
    ///
    /// [`WorkspaceError::NoFiles`], or what a path may be refused for.
    pub fn upload(&self, path: &str) -> Result<Upload, WorkspaceError> {
        path::of_caller(path)?;
        let tree = Arc::clone(&self.tree);
        let name = PathBuf::from(tree.uploads.fetch_add(1, Relaxed).to_string());
        let how = How { write: true, create: true, exclusive: true, ..How::default() };
        let Opened::File(file) = tree.open(&tree.incoming()?, &name, how)? else {
            return Err(WorkspaceError::IsDirectory);
        };
        Ok(Upload { tree, file, name: Some(name), target: path.to_owned(), written: 0 })
    }
}

impl Upload {
    /// Adds bytes at the end.
    ///
    /// # Errors
    ///
    /// [`WorkspaceError::NoSpace`], [`WorkspaceError::TooLarge`]. Nothing of `bytes` may be
    /// relied on then.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), WorkspaceError> {
        if self.written.saturating_add(bytes.len() as u64) > MAX_FILE_BYTES {
            return Err(WorkspaceError::TooLarge);
        }
        for piece in bytes.chunks(MAX_PIECE_BYTES) {
            self.file.write_all_at(self.written, piece)?;
            self.written += piece.len() as u64;
        }
        Ok(())
    }

    /// Puts the file in its place.
    ///
    /// # Errors
    ///
    /// [`WorkspaceError::IsDirectory`], [`WorkspaceError::NotDirectory`] and whatever making its
    /// directories may be refused for.
    pub fn commit(mut self) -> Result<FileEntry, WorkspaceError> {
        let target = Path::new(&self.target);
        create_parents(&self.tree, target)?;
        if let Some(name) = &self.name {
            self.tree.rename(&self.tree.incoming()?, name, &self.tree.root, target)?;
        }
        self.name = None;
        let stat = self.file.stat()?;
        entry_of(std::mem::take(&mut self.target), &stat).ok_or(WorkspaceError::Special)
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let Some(name) = self.name.take() else { return };
        if let Err(error) = self.tree.discard(&name) {
            // It stays charged, and is removed when the workspace is opened again.
            tracing::warn!(%error, "workspace: removing an upload that was given up");
        }
    }
}
