//! Files as streams. They are always ready: an operation takes as long as the page cache does.

use std::sync::Arc;

use bytes::Bytes;
use wasmtime_wasi_io::async_trait;
use wasmtime_wasi_io::poll::Pollable;
use wasmtime_wasi_io::streams::{InputStream, OutputStream, StreamError, StreamResult};

use crate::workspace::file::OpenFile;
use crate::workspace::{MAX_PIECE_BYTES, WorkspaceError};

/// Reads a file from a position on.
pub(super) struct Reader {
    file: Arc<OpenFile>,
    position: u64,
}

impl Reader {
    pub(super) fn new(file: &Arc<OpenFile>, position: u64) -> Self {
        Self { file: Arc::clone(file), position }
    }
}

#[async_trait]
impl Pollable for Reader {
    async fn ready(&mut self) {}
}

#[async_trait]
impl InputStream for Reader {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        let bytes = self.file.read_at(self.position, size as u64).map_err(failed)?;
        if bytes.is_empty() && size > 0 {
            return Err(StreamError::Closed);
        }
        self.position += bytes.len() as u64;
        Ok(bytes.into())
    }
}

/// Writes a file from a position on, or at its end wherever that is.
pub(super) struct Writer {
    file: Arc<OpenFile>,
    position: Option<u64>,
    closed: bool,
}

impl Writer {
    pub(super) fn at(file: &Arc<OpenFile>, position: u64) -> Self {
        Self { file: Arc::clone(file), position: Some(position), closed: false }
    }

    pub(super) fn append(file: &Arc<OpenFile>) -> Self {
        Self { file: Arc::clone(file), position: None, closed: false }
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), WorkspaceError> {
        let Some(position) = &mut self.position else { return self.file.append_all(bytes) };
        self.file.write_all_at(*position, bytes)?;
        *position += bytes.len() as u64;
        Ok(())
    }
}

#[async_trait]
impl Pollable for Writer {
    async fn ready(&mut self) {}
}

#[async_trait]
impl OutputStream for Writer {
    fn check_write(&mut self) -> StreamResult<usize> {
        if self.closed { Err(StreamError::Closed) } else { Ok(MAX_PIECE_BYTES) }
    }

    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if bytes.len() > self.check_write()? {
            return Err(StreamError::trap("wrote more than check-write allowed"));
        }
        self.put(&bytes).map_err(|error| {
            self.closed = true;
            failed(error)
        })
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.check_write().map(drop)
    }
}

/// `filesystem-error-code` finds the refusal again.
fn failed(error: WorkspaceError) -> StreamError {
    StreamError::LastOperationFailed(wasmtime::Error::new(error))
}
