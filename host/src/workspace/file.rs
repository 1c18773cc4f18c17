//! An open regular file whose growth is paid for before it happens.

use std::sync::Arc;

use cap_std::fs::{File, FileExt};

use super::ledger::{Change, Inode};
use super::stat::Stat;
use super::tree::Tree;
use super::{MAX_PIECE_BYTES, WorkspaceError};

/// Offsets beyond this are no file's: the kernel's are signed.
const MAX_OFFSET: u64 = i64::MAX as u64;

/// An open regular file.
#[derive(Debug)]
pub(crate) struct OpenFile {
    file: File,
    pub(super) inode: Inode,
    pub(super) tree: Arc<Tree>,
}

impl OpenFile {
    /// Takes over a handle that `change` opened; its closing is booked when this is dropped.
    pub(super) fn new(tree: &Arc<Tree>, change: &mut Change<'_>, file: File, stat: &Stat) -> Self {
        change.opened(stat.inode);
        Self { file, inode: stat.inode, tree: Arc::clone(tree) }
    }

    pub(super) fn as_file(&self) -> &File {
        &self.file
    }

    pub(super) fn stat(&self) -> Result<Stat, WorkspaceError> {
        Ok(Stat::from(&self.file.metadata()?))
    }

    /// At most `len` and [`MAX_PIECE_BYTES`] bytes from `offset`; none at the end of the file.
    pub(super) fn read_at(&self, offset: u64, len: u64) -> Result<Vec<u8>, WorkspaceError> {
        if offset > MAX_OFFSET {
            return Ok(Vec::new());
        }
        let len = usize::try_from(len).unwrap_or(usize::MAX).min(MAX_PIECE_BYTES);
        let mut bytes = vec![0; len];
        let read = self.file.read_at(&mut bytes, offset)?;
        bytes.truncate(read);
        Ok(bytes)
    }

    /// Writes what fits into the quota, cut to [`MAX_PIECE_BYTES`], and says how much that was.
    pub(super) fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<usize, WorkspaceError> {
        let mut change = self.tree.ledger.change();
        let bytes = &bytes[..bytes.len().min(MAX_PIECE_BYTES)];
        let limit = self.stat()?.size.saturating_add(change.free_bytes());
        let fits = usize::try_from(limit.saturating_sub(offset)).unwrap_or(usize::MAX).min(bytes.len());
        if fits == 0 && !bytes.is_empty() {
            return Err(WorkspaceError::NoSpace { quota: self.tree.ledger.quota().bytes });
        }
        self.put(&mut change, offset, &bytes[..fits])
    }

    /// Writes all of it or, when the quota has no room for that, nothing.
    pub(super) fn write_all_at(&self, offset: u64, bytes: &[u8]) -> Result<(), WorkspaceError> {
        self.put_all(&mut self.tree.ledger.change(), offset, bytes)
    }

    /// Refuses when not one byte more fits at `offset` (`None`: the end). Guests learn the reason
    /// when they open a stream; libc calls every failure of an open one an I/O error.
    pub(super) fn check_room(&self, offset: Option<u64>) -> Result<(), WorkspaceError> {
        let full = self.tree.ledger.book().free_bytes() == 0;
        let size = self.stat()?.size;
        if full && offset.unwrap_or(size) >= size {
            return Err(WorkspaceError::NoSpace { quota: self.tree.ledger.quota().bytes });
        }
        Ok(())
    }

    /// As [`OpenFile::write_all_at`], at the end of the file, wherever that is by then.
    pub(super) fn append_all(&self, bytes: &[u8]) -> Result<(), WorkspaceError> {
        let mut change = self.tree.ledger.change();
        let end = self.stat()?.size;
        self.put_all(&mut change, end, bytes)
    }

    fn put_all(&self, change: &mut Change<'_>, offset: u64, bytes: &[u8]) -> Result<(), WorkspaceError> {
        let end = offset.saturating_add(bytes.len() as u64);
        if end.saturating_sub(self.stat()?.size) > change.free_bytes() {
            return Err(WorkspaceError::NoSpace { quota: self.tree.ledger.quota().bytes });
        }
        let mut done = 0;
        while done < bytes.len() {
            done += self.put(change, offset + done as u64, &bytes[done..])?;
        }
        Ok(())
    }

    /// One write. The growth is booked first, and what did not happen is booked back.
    fn put(&self, change: &mut Change<'_>, offset: u64, bytes: &[u8]) -> Result<usize, WorkspaceError> {
        if bytes.is_empty() {
            return Ok(0);
        }
        let end = offset.saturating_add(bytes.len() as u64);
        if end > MAX_OFFSET {
            return Err(WorkspaceError::TooLarge);
        }
        let before = self.stat()?.size;
        let growth = end.saturating_sub(before);
        change.charge_bytes(growth)?;
        let written = self.file.write_at(bytes, offset);
        let grown = match &written {
            Ok(written) if *written == bytes.len() => growth,
            _ => self.stat()?.size.saturating_sub(before),
        };
        change.refund_bytes(growth - grown);
        match written? {
            0 => Err(WorkspaceError::Disk(std::io::ErrorKind::WriteZero.into())),
            written => Ok(written),
        }
    }

    /// Cuts or grows the file; a hole is paid for in full.
    pub(super) fn set_size(&self, size: u64) -> Result<(), WorkspaceError> {
        let mut change = self.tree.ledger.change();
        self.resize(&mut change, size)
    }

    pub(super) fn resize(&self, change: &mut Change<'_>, size: u64) -> Result<(), WorkspaceError> {
        if size > MAX_OFFSET {
            return Err(WorkspaceError::TooLarge);
        }
        let before = self.stat()?.size;
        let growth = size.saturating_sub(before);
        change.charge_bytes(growth)?;
        if let Err(error) = self.file.set_len(size) {
            change.refund_bytes(growth);
            return Err(error.into());
        }
        change.refund_bytes(before.saturating_sub(size));
        Ok(())
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        let mut change = self.tree.ledger.book();
        if change.closed(self.inode) {
            // A length that cannot be read stays charged until the tree is counted again.
            change.refund_bytes(self.stat().map_or(0, |stat| stat.size));
            change.refund_entry();
        }
    }
}
