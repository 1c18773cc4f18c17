//! Reading a file piece by piece.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, stream};
use wire::file::{ByteRange, FileEntry};

use super::{blocking, entry_of};
use crate::workspace::file::OpenFile;
use crate::workspace::tree::{How, Opened};
use crate::workspace::{MAX_PIECE_BYTES, Workspace, WorkspaceError, path};

/// A file that is being read. It stays readable when its name goes.
#[derive(Debug)]
pub struct Reading {
    entry: FileEntry,
    range: Range<u64>,
    file: Arc<OpenFile>,
}

impl Workspace {
    /// Opens a file, through links too, for reading `range` of it or all.
    ///
    /// # Errors
    ///
    /// [`WorkspaceError::NotFound`], [`WorkspaceError::IsDirectory`], [`WorkspaceError::Range`].
    pub async fn read(&self, path: &str, range: Option<ByteRange>) -> Result<Reading, WorkspaceError> {
        let (tree, path) = (self.tree.clone(), path.to_owned());
        blocking(move || {
            let how = How { follow: true, ..How::default() };
            let Opened::File(file) = tree.open(&tree.root, path::of_caller(&path)?, how)? else {
                return Err(WorkspaceError::IsDirectory);
            };
            let stat = file.stat()?;
            let range = range.map_or(Some(0..stat.size), |range| range.of(stat.size));
            let range = range.ok_or(WorkspaceError::Range { size: stat.size })?;
            let entry = entry_of(path, &stat).ok_or(WorkspaceError::Special)?;
            Ok(Reading { entry, range, file: Arc::new(file) })
        })
        .await
    }
}

impl Reading {
    /// The file as it was when it was opened; its size is the whole one.
    #[must_use]
    pub fn entry(&self) -> &FileEntry {
        &self.entry
    }

    /// The bytes that the stream gives.
    #[must_use]
    pub fn range(&self) -> Range<u64> {
        self.range.clone()
    }

    /// The bytes, in pieces of at most 64 KiB. A file that was cut meanwhile ends in an error, so
    /// that nobody takes the part for the whole.
    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes, WorkspaceError>> + Send + 'static {
        let state = Some((self.file, self.range));
        stream::unfold(state, |state| async move {
            let (file, mut range) = state.filter(|(_, range)| !range.is_empty())?;
            let (offset, len) = (range.start, (range.end - range.start).min(MAX_PIECE_BYTES as u64));
            let source = Arc::clone(&file);
            match blocking(move || source.read_at(offset, len)).await {
                Ok(bytes) if bytes.is_empty() => {
                    let cut = std::io::ErrorKind::UnexpectedEof.into();
                    Some((Err(WorkspaceError::Disk(cut)), None))
                }
                Ok(bytes) => {
                    range.start += bytes.len() as u64;
                    Some((Ok(bytes.into()), Some((file, range))))
                }
                Err(error) => Some((Err(error), None)),
            }
        })
    }

    /// All of it at once: for small files whose size is known to be one's own.
    ///
    /// # Errors
    ///
    /// [`WorkspaceError::TooLarge`] over `limit` bytes; when the disk refuses.
    pub async fn into_bytes(self, limit: u64) -> Result<Bytes, WorkspaceError> {
        let Range { start, end } = self.range;
        if end - start > limit {
            return Err(WorkspaceError::TooLarge);
        }
        blocking(move || {
            let mut bytes = Vec::new();
            while start + (bytes.len() as u64) < end {
                let offset = start + bytes.len() as u64;
                let piece = self.file.read_at(offset, end - offset)?;
                if piece.is_empty() {
                    return Err(WorkspaceError::Disk(std::io::ErrorKind::UnexpectedEof.into()));
                }
                bytes.extend(piece);
            }
            Ok(bytes.into())
        })
        .await
    }
}
