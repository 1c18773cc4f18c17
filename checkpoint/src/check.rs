//! What a manifest must be to be believed, beyond being well formed.

use wire::terminal::{COLS, MAX_INPUT_SESSION_BYTES, ROWS};

use crate::{
    ChunkRef, Codec,
    codec::DecodeError,
    limits::{
        MAX_BLOB_BYTES, MAX_EVENTS, MAX_EVICTED, MAX_GLOBALS, MAX_HANDLES, MAX_HEADERS, MAX_LINE_BYTES,
        MAX_MEMORIES, MAX_NAME_BYTES, MAX_OPEN_FILES, MAX_PENDING, MAX_SCREEN_BYTES, MAX_SESSIONS,
        MAX_TAIL_BYTES, MAX_WASM_PAGES,
    },
    manifest::{
        Checkpoint, Event, Fetch, Guest, Inputs, Operations, Outcome, PAGE_BYTES, SEGMENT_BYTES, Tail,
        Terminal, Work,
    },
    pack::{MAX_CHUNK_BYTES, MAX_PACK_BYTES},
};

mod guest;
mod tree;

/// Bytes of a wasm page.
const WASM_PAGE_BYTES: usize = 64 * 1024;

type Check = Result<(), DecodeError>;

fn ensure(holds: bool, what: &'static str) -> Check {
    if holds { Ok(()) } else { Err(DecodeError::Inconsistent { what }) }
}

fn at_most(length: usize, max: usize, what: &'static str) -> Check {
    if length <= max { Ok(()) } else { Err(DecodeError::TooLarge { what }) }
}

/// Whether a chunk may be where it says, and as long.
pub(crate) fn chunk(chunk: &ChunkRef) -> Check {
    let end = chunk.offset.checked_add(u64::from(chunk.stored));
    ensure(end.is_some_and(|end| end <= MAX_PACK_BYTES as u64), "where a chunk lies")?;
    at_most(chunk.length as usize, MAX_CHUNK_BYTES, "a chunk")?;
    let fits = match chunk.codec {
        Codec::Raw => chunk.stored == chunk.length,
        Codec::Zstd => chunk.stored <= chunk.length,
    };
    ensure(fits, "a chunk's size")
}

/// [`chunk`] for all that `each` shows.
fn chunks(each: impl FnOnce(&mut dyn FnMut(&ChunkRef))) -> Check {
    let mut checked = Ok(());
    each(&mut |found| {
        if checked.is_ok() {
            checked = chunk(found);
        }
    });
    checked
}

impl Checkpoint {
    /// Whether a reader would believe it. A writer asks before it stores one: what no reader takes is no
    /// checkpoint.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), DecodeError> {
        chunks(|see| self.each_chunk(&mut |chunk| see(chunk)))?;
        if let Some(guest) = &self.guest {
            guest.check()?;
        }
        self.operations.check()?;
        at_most(self.mailbox.len(), MAX_EVENTS, "waiting events")?;
        for event in &self.mailbox {
            event.check(&self.operations)?;
        }
        self.terminal.check()?;
        self.journal.tail.check().map(drop)?;
        self.inputs.check()?;
        match &self.tree {
            Some(tree) => ensure((1..=MAX_CHUNK_BYTES).contains(&(tree.length as usize)), "the tree's size"),
            None => Ok(()),
        }
    }
}

impl Terminal<ChunkRef> {
    fn check(&self) -> Check {
        ensure(COLS.contains(&self.cols) && ROWS.contains(&self.rows), "the terminal's size")?;
        at_most(self.screen.len(), MAX_SCREEN_BYTES, "the screen")?;
        ensure(self.tail.check()? == self.head, "the terminal's tail does not end at its head")?;
        ensure((self.tail.from..=self.head).contains(&self.screen_at), "the screen is of another time")
    }
}

impl Tail<ChunkRef> {
    /// Answers the offset after its last byte.
    fn check(&self) -> Result<u64, DecodeError> {
        const OVERFLOW: DecodeError = DecodeError::Inconsistent { what: "a tail beyond all offsets" };
        let mut at = self.from;
        for segment in &self.segments {
            let end = (at / SEGMENT_BYTES + 1).checked_mul(SEGMENT_BYTES).ok_or(OVERFLOW)?;
            ensure(u64::from(segment.length) == end - at, "a segment's size")?;
            at = end;
            ensure_tail(at - self.from)?;
        }
        let rest = self.rest.len() as u64;
        let end = at.checked_add(rest).ok_or(OVERFLOW)?;
        ensure(end / SEGMENT_BYTES == at / SEGMENT_BYTES, "a segment that is not stored as one")?;
        ensure_tail(end - self.from)?;
        Ok(end)
    }
}

fn ensure_tail(bytes: u64) -> Check {
    if bytes <= MAX_TAIL_BYTES { Ok(()) } else { Err(DecodeError::TooLarge { what: "a tail" }) }
}

impl Inputs {
    fn check(&self) -> Check {
        at_most(self.sessions.len(), MAX_SESSIONS, "input sessions")?;
        at_most(self.evicted.len(), MAX_EVICTED, "evicted input sessions")?;
        let names = self.sessions.iter().map(|session| &session.name).chain(&self.evicted);
        for name in names {
            at_most(name.len(), MAX_INPUT_SESSION_BYTES, "an input session's name")?;
        }
        for (i, session) in self.sessions.iter().enumerate() {
            ensure(session.applied <= session.received, "input was applied before it came")?;
            let twice = self.sessions[..i].iter().any(|other| other.name == session.name);
            ensure(!twice, "an input session is there twice")?;
        }
        Ok(())
    }
}

impl Operations {
    fn check(&self) -> Check {
        at_most(self.pending.len(), MAX_PENDING, "operations in flight")?;
        let mut before = 0;
        for pending in &self.pending {
            ensure(pending.op > before && pending.op <= self.last, "numbers of operations")?;
            before = pending.op;
            match &pending.work {
                Work::Sleep { .. } | Work::Over => {}
                Work::Send { to, content_type, body } => {
                    at_most(to.len(), MAX_NAME_BYTES, "a recipient")?;
                    at_most(content_type.len(), MAX_NAME_BYTES, "a content type")?;
                    at_most(body.len(), MAX_BLOB_BYTES, "a message")?;
                }
                Work::Fetch(fetch) | Work::Left { fetch, .. } => fetch.check()?,
            }
        }
        Ok(())
    }
}

impl Fetch {
    fn check(&self) -> Check {
        at_most(self.method.len(), MAX_NAME_BYTES, "a method")?;
        at_most(self.url.len(), MAX_LINE_BYTES, "a URL")?;
        headers(&self.headers)?;
        at_most(self.body.len(), MAX_BLOB_BYTES, "a request")?;
        at_most(self.secret.as_ref().map_or(0, String::len), MAX_NAME_BYTES, "a secret's name")
    }
}

fn headers(headers: &[(String, Vec<u8>)]) -> Check {
    at_most(headers.len(), MAX_HEADERS, "headers")?;
    for (name, value) in headers {
        at_most(name.len(), MAX_NAME_BYTES, "a header's name")?;
        at_most(value.len(), MAX_LINE_BYTES, "a header")?;
    }
    Ok(())
}

impl Event {
    fn check(&self, operations: &Operations) -> Check {
        match self {
            Self::Input { bytes, session, .. } => {
                at_most(bytes.len(), MAX_BLOB_BYTES, "input")?;
                at_most(session.len(), MAX_INPUT_SESSION_BYTES, "an input session's name")
            }
            Self::Resize { cols, rows } => {
                ensure(COLS.contains(cols) && ROWS.contains(rows), "a new size of the terminal")
            }
            Self::Message { id, sender, content_type, body, .. } => {
                for name in [id, sender, content_type] {
                    at_most(name.len(), MAX_NAME_BYTES, "a message's sender")?;
                }
                at_most(body.len(), MAX_BLOB_BYTES, "a message")
            }
            Self::Completed { op, outcome } => {
                ensure((1..=operations.last).contains(op), "the end of an operation that was not begun")?;
                outcome.check()
            }
            Self::Turn => Ok(()),
        }
    }
}

impl Outcome {
    fn check(&self) -> Check {
        match self {
            Self::Slept => Ok(()),
            Self::Fetched { headers: given, body, .. } => {
                headers(given)?;
                at_most(body.len(), MAX_BLOB_BYTES, "an answer")
            }
            Self::Sent(text)
            | Self::Chatted(text)
            | Self::Called(text)
            | Self::Failed(_, text, _)
            | Self::Cancelled(text)
            | Self::Unknown(text) => at_most(text.len(), MAX_BLOB_BYTES, "an outcome"),
        }
    }
}

impl Guest<ChunkRef> {
    fn check(&self) -> Check {
        at_most(self.memories.len(), MAX_MEMORIES, "memories")?;
        for memory in &self.memories {
            at_most(memory.wasm_pages as usize, MAX_WASM_PAGES as usize, "a memory")?;
            let room = memory.wasm_pages as usize * (WASM_PAGE_BYTES / PAGE_BYTES);
            let mut next = 0;
            for (index, page) in &memory.pages {
                let index = *index as usize;
                ensure(index >= next && index < room, "numbers of pages")?;
                ensure(page.length as usize == PAGE_BYTES, "a page's size")?;
                next = index + 1;
            }
        }
        at_most(self.globals.len(), MAX_GLOBALS, "globals")?;
        at_most(self.files.len(), MAX_OPEN_FILES, "open files")?;
        for file in &self.files {
            tree::content(&file.content)?;
            if let Some(path) = &file.path {
                tree::path(path)?;
                ensure(file.content.pieces.is_empty(), "a named file with bytes of its own")?;
            }
        }
        at_most(self.handles.len(), MAX_HANDLES, "handles")?;
        guest::handles(self)
    }
}
