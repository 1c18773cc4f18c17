//! Buffered output, line input and the opening of operands, shared by the utilities.

use std::{
    fmt::Display,
    fs::{self, File},
    io,
    path::Path,
};

use super::{describe, locate, pause};
use crate::{
    command::{Call, Failure},
    io::{MAX_LINE_BYTES, Reader, Writer},
};

/// Bytes gathered before they are written.
const OUT_BYTES: usize = 8 * 1024;

/// A utility's standard output, gathered into pieces, and its exit code so far.
pub(crate) struct Out<'a> {
    call: &'a Call,
    writer: Writer,
    buffer: Vec<u8>,
    terminal: bool,
    /// What [`Out::finish`] answers.
    pub(crate) status: u8,
}

impl io::Write for Out<'_> {
    /// Into the buffer; [`Out::step`] writes it out when it is large.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> Out<'a> {
    pub(crate) fn new(call: &'a Call) -> Self {
        Self::to(call, call.stdout.clone())
    }

    /// Output that goes elsewhere than standard output.
    pub(crate) fn to(call: &'a Call, writer: Writer) -> Self {
        let terminal = writer.is_terminal();
        Self { call, writer, buffer: Vec::new(), terminal, status: 0 }
    }

    pub(crate) fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Appends; writes when enough is gathered.
    pub(crate) async fn put(&mut self, bytes: impl AsRef<[u8]>) -> Result<(), Failure> {
        self.buffer.extend_from_slice(bytes.as_ref());
        self.step().await
    }

    /// Writes what is gathered if it is enough.
    pub(crate) async fn step(&mut self) -> Result<(), Failure> {
        if self.buffer.len() >= OUT_BYTES {
            self.flush().await?;
            pause().await;
        }
        Ok(())
    }

    /// Writes what is gathered.
    pub(crate) async fn flush(&mut self) -> Result<(), Failure> {
        let result = self.writer.write_all(&self.buffer).await;
        self.buffer.clear();
        result.map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::BrokenPipe,
            _ => Failure::Message(1, format!("write error: {}", describe(&error))),
        })
    }

    /// Before a read that may wait: what is gathered becomes visible on a terminal.
    pub(crate) async fn before_read(&mut self) -> Result<(), Failure> {
        if self.terminal {
            self.flush().await?;
        }
        pause().await;
        Ok(())
    }

    /// Shows `name: text` on standard error and makes the exit code at least 1.
    pub(crate) async fn complain(&mut self, text: impl Display) -> Result<(), Failure> {
        self.complain_with(1, text).await
    }

    /// [`Out::complain`] with an exit code of at least `status`.
    pub(crate) async fn complain_with(&mut self, status: u8, text: impl Display) -> Result<(), Failure> {
        self.status = self.status.max(status);
        self.flush().await?;
        let line = format!("{}: {text}\n", self.call.name);
        // Standard error that nobody reads is no reason to stop.
        let _ = self.call.stderr.write_all(line).await;
        Ok(())
    }

    /// Opens an operand to read, `-` being standard input; complains and answers `None` if that fails.
    pub(crate) async fn open(&mut self, operand: &str) -> Result<Option<Reader>, Failure> {
        let result = open(self.call, operand);
        self.check(operand, result).await
    }

    /// Unwraps the result of an operation on `operand`, or complains about it.
    pub(crate) async fn check<T>(
        &mut self,
        operand: impl Display,
        result: io::Result<T>,
    ) -> Result<Option<T>, Failure> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error) => {
                self.complain(format_args!("{operand}: {}", describe(&error))).await?;
                Ok(None)
            }
        }
    }

    /// Copies a stream to the output, past the buffer.
    pub(crate) async fn copy(&mut self, reader: &Reader) -> Result<(), Failure> {
        self.flush().await?;
        loop {
            pause().await;
            let bytes = reader.read().await?;
            if bytes.is_empty() {
                return Ok(());
            }
            self.buffer = bytes;
            self.flush().await?;
        }
    }

    /// Writes the rest: the utility's exit code.
    pub(crate) async fn finish(mut self) -> Result<u8, Failure> {
        self.flush().await?;
        Ok(self.status)
    }
}

/// Opens an operand to read: `-` and `/dev/stdin` are standard input, `/dev/null` is empty.
pub(crate) fn open(call: &Call, operand: &str) -> io::Result<Reader> {
    match operand {
        "-" | "/dev/stdin" => Ok(call.stdin.clone()),
        "/dev/null" => Ok(Reader::empty()),
        _ => open_file(&locate(call, operand)).map(Reader::from_file),
    }
}

/// Opens a file to read; a directory is an error here, not at its first read.
pub(crate) fn open_file(path: &Path) -> io::Result<File> {
    if fs::metadata(path)?.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    File::open(path)
}

/// The operands, or `-` for standard input if there are none.
pub(crate) fn or_stdin(operands: &[String]) -> Vec<&str> {
    if operands.is_empty() { vec!["-"] } else { operands.iter().map(String::as_str).collect() }
}

/// Reads a stream line by line.
pub(crate) struct Lines {
    reader: Reader,
    chunk: Vec<u8>,
    at: usize,
    delimiter: u8,
}

impl Lines {
    pub(crate) fn new(reader: Reader) -> Self {
        Self::split(reader, b'\n')
    }

    /// Records that end in `delimiter`.
    pub(crate) fn split(reader: Reader, delimiter: u8) -> Self {
        Self { reader, chunk: Vec::new(), at: 0, delimiter }
    }

    /// The next line into `line`, with its newline if it has one; false at the end.
    pub(crate) async fn next(&mut self, out: &mut Out<'_>, line: &mut Vec<u8>) -> Result<bool, Failure> {
        line.clear();
        loop {
            let rest = &self.chunk[self.at..];
            if let Some(n) = rest.iter().position(|b| *b == self.delimiter) {
                line.extend_from_slice(&rest[..=n]);
                self.at += n + 1;
                return Ok(true);
            }
            line.extend_from_slice(rest);
            if line.len() > MAX_LINE_BYTES {
                return Err(Failure::Message(2, "line too long".to_owned()));
            }
            out.before_read().await?;
            self.chunk = self.reader.read().await?;
            self.at = 0;
            if self.chunk.is_empty() {
                return Ok(!line.is_empty());
            }
        }
    }
}

/// Everything a stream has, as long as that is at most `limit` bytes.
pub(crate) async fn read_all(out: &mut Out<'_>, reader: &Reader, limit: usize) -> Result<Vec<u8>, Failure> {
    let mut all = Vec::new();
    loop {
        out.before_read().await?;
        let bytes = reader.read().await?;
        if bytes.is_empty() {
            return Ok(all);
        }
        if all.len() + bytes.len() > limit {
            return Err(too_much(limit));
        }
        all.extend_from_slice(&bytes);
    }
}

/// A utility that must hold its input met more than it may hold.
pub(crate) fn too_much(limit: usize) -> Failure {
    Failure::Message(2, format!("input is larger than {} MiB, the most this holds in memory", limit >> 20))
}

/// A line without its newline.
pub(crate) fn chomp(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\n").unwrap_or(line)
}
