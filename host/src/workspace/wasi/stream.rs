//! Files as streams. They are ready until the guest's turn is over: an operation is done when its
//! call returns, and waiting for readiness is where a guest lets others go first.

use std::sync::Arc;

use bytes::Bytes;
use wasmtime_wasi_io::async_trait;
use wasmtime_wasi_io::poll::Pollable;
use wasmtime_wasi_io::streams::{InputStream, OutputStream, StreamError, StreamResult};

use crate::workspace::file::OpenFile;
use crate::workspace::pace::Pace;
use crate::workspace::{MAX_PIECE_BYTES, WorkspaceError};

/// Reads a file from a position on.
pub(super) struct Reader {
    file: Arc<OpenFile>,
    pace: Arc<Pace>,
    position: u64,
}

impl Reader {
    pub(super) fn new(file: &Arc<OpenFile>, pace: &Arc<Pace>, position: u64) -> Self {
        Self { file: Arc::clone(file), pace: Arc::clone(pace), position }
    }
}

#[async_trait]
impl Pollable for Reader {
    async fn ready(&mut self) {
        self.pace.rest().await;
    }
}

#[async_trait]
impl InputStream for Reader {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        if self.pace.is_over() {
            return Ok(Bytes::new());
        }
        let read = self.pace.time(|| self.file.read_at(self.position, size as u64));
        let bytes = read.map_err(failed)?;
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
    pace: Arc<Pace>,
    position: Option<u64>,
    /// Bytes that the next write may have, granted by `check-write`.
    permit: usize,
    closed: bool,
}

impl Writer {
    /// At the end for no `position`.
    pub(super) fn new(file: &Arc<OpenFile>, pace: &Arc<Pace>, position: Option<u64>) -> Self {
        Self { file: Arc::clone(file), pace: Arc::clone(pace), position, permit: 0, closed: false }
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
    async fn ready(&mut self) {
        self.pace.rest().await;
    }
}

#[async_trait]
impl OutputStream for Writer {
    fn check_write(&mut self) -> StreamResult<usize> {
        if self.closed {
            return Err(StreamError::Closed);
        }
        if self.permit == 0 && !self.pace.is_over() {
            self.permit = MAX_PIECE_BYTES;
        }
        Ok(self.permit)
    }

    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if self.closed {
            return Err(StreamError::Closed);
        }
        if bytes.len() > std::mem::take(&mut self.permit) {
            return Err(StreamError::trap("wrote more than check-write allowed"));
        }
        let pace = Arc::clone(&self.pace);
        pace.time(|| self.put(&bytes)).map_err(|error| {
            self.closed = true;
            failed(error)
        })
    }

    fn flush(&mut self) -> StreamResult<()> {
        if self.closed { Err(StreamError::Closed) } else { Ok(()) }
    }
}

/// `filesystem-error-code` finds the refusal again.
fn failed(error: WorkspaceError) -> StreamError {
    StreamError::LastOperationFailed(wasmtime::Error::new(error))
}
