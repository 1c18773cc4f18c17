//! Files as streams. They are ready until the guest's turn is over: an operation is done when its
//! call returns, and waiting for readiness is where a guest lets others go first.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};

use bytes::Bytes;
use wasmtime_wasi_io::async_trait;
use wasmtime_wasi_io::poll::Pollable;
use wasmtime_wasi_io::streams::{InputStream, OutputStream, StreamError, StreamResult};

use crate::workspace::file::OpenFile;
use crate::workspace::pace::Pace;
use crate::workspace::{MAX_PIECE_BYTES, WorkspaceError};

/// Where a [`Reader`] is; shared, so that it can be described while the guest holds the reader.
#[derive(Debug)]
pub(crate) struct ReadCursor {
    pub(super) file: Arc<OpenFile>,
    position: AtomicU64,
}

impl ReadCursor {
    /// The next byte it reads.
    pub(super) fn position(&self) -> u64 {
        self.position.load(Relaxed)
    }
}

/// Reads a file from a position on.
pub(super) struct Reader {
    cursor: Arc<ReadCursor>,
    pace: Arc<Pace>,
}

impl Reader {
    pub(super) fn new(file: &Arc<OpenFile>, pace: &Arc<Pace>, position: u64) -> Self {
        let cursor = ReadCursor { file: Arc::clone(file), position: position.into() };
        Self { cursor: Arc::new(cursor), pace: Arc::clone(pace) }
    }

    pub(super) fn cursor(&self) -> Weak<ReadCursor> {
        Arc::downgrade(&self.cursor)
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
        let position = self.cursor.position();
        let read = self.pace.time(|| self.cursor.file.read_at(position, size as u64));
        let bytes = read.map_err(failed)?;
        if bytes.is_empty() && size > 0 {
            return Err(StreamError::Closed);
        }
        self.cursor.position.store(position + bytes.len() as u64, Relaxed);
        Ok(bytes.into())
    }
}

/// Where a [`Writer`] is; shared, so that it can be described while the guest holds the writer.
#[derive(Debug)]
pub(crate) struct WriteCursor {
    pub(super) file: Arc<OpenFile>,
    /// `None` is the end, wherever that is.
    position: Option<AtomicU64>,
    closed: AtomicBool,
}

impl WriteCursor {
    /// The next byte it writes; `None` for the end.
    pub(super) fn position(&self) -> Option<u64> {
        self.position.as_ref().map(|position| position.load(Relaxed))
    }

    /// Whether a write failed: it takes no more.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Relaxed)
    }

    fn put(&self, bytes: &[u8]) -> Result<(), WorkspaceError> {
        let Some(position) = &self.position else { return self.file.append_all(bytes) };
        let at = position.load(Relaxed);
        self.file.write_all_at(at, bytes)?;
        position.store(at + bytes.len() as u64, Relaxed);
        Ok(())
    }
}

/// Writes a file from a position on, or at its end wherever that is.
pub(super) struct Writer {
    cursor: Arc<WriteCursor>,
    pace: Arc<Pace>,
    /// Bytes that the next write may have, granted by `check-write`.
    permit: usize,
}

impl Writer {
    /// At the end for no `position`.
    pub(super) fn new(file: &Arc<OpenFile>, pace: &Arc<Pace>, position: Option<u64>) -> Self {
        let position = position.map(AtomicU64::new);
        let cursor = WriteCursor { file: Arc::clone(file), position, closed: false.into() };
        Self { cursor: Arc::new(cursor), pace: Arc::clone(pace), permit: 0 }
    }

    /// As it was before its guest was suspended. It may write at once: what `check-write` allowed then
    /// still holds.
    pub(super) fn again(file: &Arc<OpenFile>, pace: &Arc<Pace>, position: Option<u64>, closed: bool) -> Self {
        let writer = Self { permit: MAX_PIECE_BYTES, ..Self::new(file, pace, position) };
        writer.cursor.closed.store(closed, Relaxed);
        writer
    }

    pub(super) fn cursor(&self) -> Weak<WriteCursor> {
        Arc::downgrade(&self.cursor)
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
        if self.cursor.is_closed() {
            return Err(StreamError::Closed);
        }
        if self.permit == 0 && !self.pace.is_over() {
            self.permit = MAX_PIECE_BYTES;
        }
        Ok(self.permit)
    }

    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if self.cursor.is_closed() {
            return Err(StreamError::Closed);
        }
        if bytes.len() > std::mem::take(&mut self.permit) {
            return Err(StreamError::trap("wrote more than check-write allowed"));
        }
        let pace = Arc::clone(&self.pace);
        pace.time(|| self.cursor.put(&bytes)).map_err(|error| {
            self.cursor.closed.store(true, Relaxed);
            failed(error)
        })
    }

    fn flush(&mut self) -> StreamResult<()> {
        if self.cursor.is_closed() { Err(StreamError::Closed) } else { Ok(()) }
    }
}

/// `filesystem-error-code` finds the refusal again.
fn failed(error: WorkspaceError) -> StreamError {
    StreamError::LastOperationFailed(wasmtime::Error::new(error))
}
