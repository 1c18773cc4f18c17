//! Byte streams between commands: bounded pipes, files, the terminal. One thread, so `Rc` all over.

use std::{
    cell::RefCell,
    collections::VecDeque,
    fs::File,
    io::{self, Read as _, Write as _},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

/// Bytes a pipe holds before its writer waits.
pub const PIPE_BYTES: usize = 64 * 1024;
/// Bytes read or written in one step, so that a copy of a large file yields between steps.
pub const CHUNK_BYTES: usize = 16 * 1024;
/// Longest line a reader hands out whole; a longer one is an error, not unbounded memory.
pub const MAX_LINE_BYTES: usize = 4 * 1024 * 1024;

/// Where bytes come from.
pub trait Source {
    /// Up to [`CHUNK_BYTES`]; an empty vector is the end.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Vec<u8>>>;
}

/// Where bytes go.
pub trait Sink {
    /// Takes a first part of `bytes`, at least one byte of a non-empty slice.
    /// [`io::ErrorKind::BrokenPipe`] when nobody reads any more.
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>>;
    /// Whether it is the terminal: commands colour and columnise only there.
    fn is_terminal(&self) -> bool {
        false
    }
}

struct Shared {
    source: Box<dyn Source>,
    ahead: VecDeque<u8>,
    ended: bool,
}

/// A stream to read. Clones share one position, as file descriptors do after a fork.
#[derive(Clone)]
pub struct Reader(Rc<RefCell<Shared>>);

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}

impl Reader {
    /// From any source.
    pub fn new(source: impl Source + 'static) -> Self {
        Self(Rc::new(RefCell::new(Shared { source: Box::new(source), ahead: VecDeque::new(), ended: false })))
    }

    /// At its end from the start.
    #[must_use]
    pub fn empty() -> Self {
        Self::from_bytes(Vec::new())
    }

    /// From bytes in memory: here-documents.
    #[must_use]
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        struct Nothing;
        impl Source for Nothing {
            fn poll_read(&mut self, _: &mut Context<'_>) -> Poll<io::Result<Vec<u8>>> {
                Poll::Ready(Ok(Vec::new()))
            }
        }
        let reader = Self::new(Nothing);
        reader.0.borrow_mut().ahead = bytes.into();
        reader
    }

    /// From a file.
    #[must_use]
    pub fn from_file(file: File) -> Self {
        struct FileSource(File);
        impl Source for FileSource {
            fn poll_read(&mut self, _: &mut Context<'_>) -> Poll<io::Result<Vec<u8>>> {
                let mut bytes = vec![0; CHUNK_BYTES];
                Poll::Ready(self.0.read(&mut bytes).map(|n| {
                    bytes.truncate(n);
                    bytes
                }))
            }
        }
        Self::new(FileSource(file))
    }

    async fn fill(&self) -> io::Result<bool> {
        std::future::poll_fn(|cx| {
            let mut shared = self.0.borrow_mut();
            if shared.ended {
                return Poll::Ready(Ok(false));
            }
            match shared.source.poll_read(cx) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                Poll::Ready(Ok(bytes)) if bytes.is_empty() => {
                    // A terminal's Ctrl-D ends one read, not the stream: sources decide by answering again.
                    Poll::Ready(Ok(false))
                }
                Poll::Ready(Ok(bytes)) => {
                    shared.ahead.extend(bytes);
                    Poll::Ready(Ok(true))
                }
            }
        })
        .await
    }

    /// The next bytes, at most [`CHUNK_BYTES`]; empty at the end.
    ///
    /// # Errors
    /// What the source says.
    pub async fn read(&self) -> io::Result<Vec<u8>> {
        if self.0.borrow().ahead.is_empty() && !self.fill().await? {
            return Ok(Vec::new());
        }
        let mut shared = self.0.borrow_mut();
        let n = shared.ahead.len().min(CHUNK_BYTES);
        Ok(shared.ahead.drain(..n).collect())
    }

    /// The next byte; `None` at the end.
    ///
    /// # Errors
    /// What the source says.
    pub async fn read_byte(&self) -> io::Result<Option<u8>> {
        if self.0.borrow().ahead.is_empty() && !self.fill().await? {
            return Ok(None);
        }
        Ok(self.0.borrow_mut().ahead.pop_front())
    }

    /// The next line with its newline, if it has one; `None` at the end.
    ///
    /// # Errors
    /// What the source says, and a line over [`MAX_LINE_BYTES`].
    pub async fn read_line(&self) -> io::Result<Option<Vec<u8>>> {
        let mut seen = 0;
        loop {
            {
                let mut shared = self.0.borrow_mut();
                if let Some(at) = shared.ahead.iter().skip(seen).position(|b| *b == b'\n') {
                    return Ok(Some(shared.ahead.drain(..=seen + at).collect()));
                }
                seen = shared.ahead.len();
                if seen > MAX_LINE_BYTES {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "line too long"));
                }
            }
            if !self.fill().await? {
                let rest: Vec<u8> = self.0.borrow_mut().ahead.drain(..).collect();
                return Ok(if rest.is_empty() { None } else { Some(rest) });
            }
        }
    }
}

/// A stream to write. Clones write to the same place.
#[derive(Clone)]
pub struct Writer(Rc<RefCell<dyn Sink>>);

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

impl Writer {
    /// To any sink.
    pub fn new(sink: impl Sink + 'static) -> Self {
        Self(Rc::new(RefCell::new(sink)))
    }

    /// To a file.
    #[must_use]
    pub fn to_file(file: File) -> Self {
        struct FileSink(File);
        impl Sink for FileSink {
            fn poll_write(&mut self, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
                Poll::Ready(self.0.write(&bytes[..bytes.len().min(CHUNK_BYTES)]))
            }
        }
        Self::new(FileSink(file))
    }

    /// To nowhere.
    #[must_use]
    pub fn null() -> Self {
        struct Null;
        impl Sink for Null {
            fn poll_write(&mut self, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
                Poll::Ready(Ok(bytes.len()))
            }
        }
        Self::new(Null)
    }

    /// To memory: command substitution and tests. At most `limit` bytes, then `BrokenPipe`.
    #[must_use]
    pub fn capture(limit: usize) -> (Self, Rc<RefCell<Vec<u8>>>) {
        struct Capture(Rc<RefCell<Vec<u8>>>, usize);
        impl Sink for Capture {
            fn poll_write(&mut self, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
                let mut held = self.0.borrow_mut();
                let n = bytes.len().min(self.1.saturating_sub(held.len()));
                if n == 0 && !bytes.is_empty() {
                    return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
                }
                held.extend_from_slice(&bytes[..n]);
                Poll::Ready(Ok(n))
            }
        }
        let held = Rc::new(RefCell::new(Vec::new()));
        (Self::new(Capture(held.clone(), limit)), held)
    }

    /// Whether it is the terminal.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        self.0.borrow().is_terminal()
    }

    /// Writes all of it, waiting while a pipe is full.
    ///
    /// # Errors
    /// What the sink says; [`io::ErrorKind::BrokenPipe`] ends a command with status 141, as SIGPIPE does.
    pub async fn write_all(&self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        let mut rest = bytes.as_ref();
        while !rest.is_empty() {
            let n = std::future::poll_fn(|cx| self.0.borrow_mut().poll_write(cx, rest)).await?;
            rest = &rest[n..];
        }
        Ok(())
    }
}

#[derive(Default)]
struct Pipe {
    bytes: VecDeque<u8>,
    read_waker: Option<Waker>,
    write_waker: Option<Waker>,
    writer_gone: bool,
    reader_gone: bool,
}

impl Pipe {
    fn wake(waker: &mut Option<Waker>) {
        if let Some(waker) = waker.take() {
            waker.wake();
        }
    }
}

/// A bounded pipe: its reader sees the end when the last clone of its writer is dropped, its writer a
/// broken pipe when the last clone of its reader is.
#[must_use]
pub fn pipe() -> (Reader, Writer) {
    struct Out(Rc<RefCell<Pipe>>);
    struct In(Rc<RefCell<Pipe>>);
    impl Source for Out {
        fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Vec<u8>>> {
            let mut pipe = self.0.borrow_mut();
            if pipe.bytes.is_empty() && !pipe.writer_gone {
                pipe.read_waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
            let n = pipe.bytes.len().min(CHUNK_BYTES);
            let bytes = pipe.bytes.drain(..n).collect();
            Pipe::wake(&mut pipe.write_waker);
            Poll::Ready(Ok(bytes))
        }
    }
    impl Drop for Out {
        fn drop(&mut self) {
            let mut pipe = self.0.borrow_mut();
            pipe.reader_gone = true;
            pipe.bytes = VecDeque::new();
            Pipe::wake(&mut pipe.write_waker);
        }
    }
    impl Sink for In {
        fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            let mut pipe = self.0.borrow_mut();
            if pipe.reader_gone {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
            let n = bytes.len().min(PIPE_BYTES.saturating_sub(pipe.bytes.len()));
            if n == 0 && !bytes.is_empty() {
                pipe.write_waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
            pipe.bytes.extend(&bytes[..n]);
            Pipe::wake(&mut pipe.read_waker);
            Poll::Ready(Ok(n))
        }
    }
    impl Drop for In {
        fn drop(&mut self) {
            let mut pipe = self.0.borrow_mut();
            pipe.writer_gone = true;
            Pipe::wake(&mut pipe.read_waker);
        }
    }
    let shared = Rc::new(RefCell::new(Pipe::default()));
    (Reader::new(Out(shared.clone())), Writer::new(In(shared)))
}

/// A boxed future of one thread.
pub type LocalFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;
