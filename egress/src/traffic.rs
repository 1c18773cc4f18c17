//! What went over a connection: whether a request was begun, and how much came back.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use wire::egress::MAX_BODY_BYTES;

/// Most bytes read for one answer, before they are understood. A body in the smallest chunks is six times its
/// length; more than this is chunks with comments, or one interim answer after the other.
pub(crate) const MAX_RECEIVED: usize = 8 * MAX_BODY_BYTES;

/// Of one request, its redirects included.
#[derive(Debug, Clone, Default)]
pub(crate) struct Traffic(Arc<Flags>);

#[derive(Debug, Default)]
struct Flags {
    begun: AtomicBool,
    flooded: AtomicBool,
}

impl Traffic {
    /// Whether anything of a request was given to a connection.
    pub(crate) fn has_begun(&self) -> bool {
        self.0.begun.load(Relaxed)
    }

    /// Whether more than [`MAX_RECEIVED`] came.
    pub(crate) fn is_flooded(&self) -> bool {
        self.0.flooded.load(Relaxed)
    }
}

/// A stream whose traffic is seen: inside TLS, so that a handshake is none.
pub(crate) struct Watched<S> {
    stream: S,
    traffic: Traffic,
    left: usize,
}

impl<S> Watched<S> {
    pub(crate) fn new(stream: S, traffic: Traffic) -> Self {
        Self { stream, traffic, left: MAX_RECEIVED }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let done = Pin::new(&mut self.stream).poll_read(cx, buf);
        match self.left.checked_sub(buf.filled().len() - before) {
            Some(left) => self.left = left,
            None => {
                self.traffic.0.flooded.store(true, Relaxed);
                return Poll::Ready(Err(io::ErrorKind::FileTooLarge.into()));
            }
        }
        done
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        // Before it is tried: a write over TLS that fails may have sent some of it.
        if !buf.is_empty() {
            self.traffic.0.begun.store(true, Relaxed);
        }
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
