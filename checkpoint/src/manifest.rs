//! What a checkpoint holds. Generic over how its bytes are named: [`ChunkRef`] in one that is stored,
//! [`Piece`](crate::Piece) in one that is being written.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use wire::{AgentId, CheckpointId, Digest};

use crate::{
    ChunkRef,
    limits::{
        MAX_ENTRIES, MAX_EVENTS, MAX_EVICTED, MAX_GLOBALS, MAX_HANDLES, MAX_HEADERS, MAX_LISTED,
        MAX_MEMORIES, MAX_OPEN_FILES, MAX_PENDING, MAX_SESSIONS,
    },
};

/// Bytes of one page of a linear memory: the unit that is compared, shared and restored.
pub const PAGE_BYTES: usize = 4096;
/// Bytes of a segment of a terminal's or log's tail: segments begin at multiples of it, so that the older ones
/// are shared between checkpoints.
pub const SEGMENT_BYTES: u64 = 16 * 1024;
/// Bytes of a piece of a file.
pub const FILE_PIECE_BYTES: usize = 64 * 1024;

/// An agent at one instant between two events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint<C = ChunkRef> {
    /// Whose.
    pub agent: AgentId,
    /// Its own id.
    pub id: CheckpointId,
    /// Of the placement that took it.
    pub epoch: u64,
    /// Which of the agent's lives.
    pub timeline: u64,
    /// Milliseconds since 1970 by the clock of the host that took it.
    pub taken_at_ms: u64,
    /// The component, as it was uploaded.
    pub image: Digest,
    /// Version of the instrumenter that made the component suspendable.
    pub instrumenter: u32,
    /// The component's state; absent when it cannot be captured: then it starts anew over files and screen.
    pub guest: Option<Guest<C>>,
    /// Operations in flight.
    pub operations: Operations,
    /// Events that were not delivered yet, in their order.
    #[serde(deserialize_with = "crate::limits::list::<_, _, MAX_EVENTS>")]
    pub mailbox: Vec<Event>,
    /// Inbox entries up to this one were delivered, or are in `mailbox`.
    pub inbox: u64,
    /// Its terminal.
    pub terminal: Terminal<C>,
    /// Its log.
    pub journal: Journal<C>,
    /// Its input sessions.
    pub inputs: Inputs,
    /// What its monotonic clock showed, nanoseconds.
    pub monotonic_ns: u64,
    /// What it used so far.
    pub meters: Meters,
    /// `/work`: an encoded [`Tree`]; absent when it is empty.
    pub tree: Option<C>,
}

/// A component's state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(bound(deserialize = "C: Deserialize<'de>"))]
pub struct Guest<C> {
    /// Its linear memories, in the instrumenter's order.
    #[serde(deserialize_with = "crate::limits::list::<_, _, MAX_MEMORIES>")]
    pub memories: Vec<Memory<C>>,
    /// Its mutable globals as bits, in the instrumenter's order.
    #[serde(deserialize_with = "crate::limits::list::<_, _, MAX_GLOBALS>")]
    pub globals: Vec<u64>,
    /// Files that are open.
    #[serde(deserialize_with = "crate::limits::list::<_, _, MAX_OPEN_FILES>")]
    pub files: Vec<OpenFile<C>>,
    /// Its live handles, by ascending index.
    #[serde(deserialize_with = "crate::limits::list::<_, _, MAX_HANDLES>")]
    pub handles: Vec<Slot>,
}

/// A linear memory, against the one a fresh instance has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(bound(deserialize = "C: Deserialize<'de>"))]
pub struct Memory<C> {
    /// Its size in wasm pages of 64 KiB.
    pub wasm_pages: u32,
    /// What differs: index of the page of [`PAGE_BYTES`], ascending, and its bytes.
    #[serde(deserialize_with = "crate::limits::list::<_, _, { usize::MAX }>")]
    pub pages: Vec<(u32, C)>,
}

/// A file that is open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(bound(deserialize = "C: Deserialize<'de>"))]
pub struct OpenFile<C> {
    /// Its path below `/work`; `None` when it has no name any more.
    pub path: Option<String>,
    /// What a nameless one holds.
    pub content: Content<C>,
}

/// A file's bytes, in pieces of at most [`FILE_PIECE_BYTES`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "C: Deserialize<'de>"))]
pub struct Content<C> {
    /// All of them together, bytes.
    pub size: u64,
    /// In order; a hole of a whole piece is `None`.
    #[serde(deserialize_with = "crate::limits::list::<_, _, { usize::MAX }>")]
    pub pieces: Vec<Option<C>>,
}

impl<C> Default for Content<C> {
    fn default() -> Self {
        Self { size: 0, pieces: Vec::new() }
    }
}

/// A live handle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// The number the component knows it by; the first is 1.
    pub index: u32,
    /// What it is.
    pub handle: Handle,
}

/// What a handle is, by what it takes to make it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Handle {
    /// Standard input.
    Stdin,
    /// Standard output.
    Stdout,
    /// Standard error, and the line that was begun.
    Stderr(Vec<u8>),
    /// The terminal, for reading.
    TerminalInput,
    /// The terminal, for writing.
    TerminalOutput,
    /// `/`.
    Top,
    /// A directory, by its path below `/work`; empty is `/work`.
    Directory(String),
    /// A file of [`Guest::files`].
    File {
        /// Which.
        file: u32,
        /// `descriptor-flags` of `wasi:filesystem`.
        flags: u8,
    },
    /// A stream that reads a file.
    FileReader {
        /// Which.
        file: u32,
        /// The next byte.
        position: u64,
    },
    /// A stream that writes a file.
    FileWriter {
        /// Which.
        file: u32,
        /// The next byte; `None` is the end, wherever that is.
        position: Option<u64>,
        /// It failed before and takes no more.
        closed: bool,
    },
    /// A directory that is being listed: what is still to come, each with its `descriptor-type`.
    Entries(#[serde(deserialize_with = "crate::limits::list::<_, _, MAX_LISTED>")] Vec<(u8, String)>),
    /// Ready when the handle of this index is.
    Pollable {
        /// A stream.
        of: u32,
    },
    /// Ready when the monotonic clock shows this, nanoseconds.
    Timer {
        /// When.
        at: u64,
    },
    /// An error that can be asked about.
    Error {
        /// In words.
        text: String,
        /// Its `error-code` of `wasi:filesystem`, where it has one.
        code: Option<u8>,
    },
    /// `network` of `wasi:sockets`, which opens nothing.
    Network,
}

/// Operations in flight.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Operations {
    /// Number of the last one that was submitted.
    pub last: u64,
    /// Those that have not completed, by ascending number.
    #[serde(deserialize_with = "crate::limits::list::<_, _, MAX_PENDING>")]
    pub pending: Vec<Pending>,
}

/// An operation in flight.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pending {
    /// Its number.
    pub op: u64,
    /// What it is.
    pub work: Work,
}

/// What an operation does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Work {
    /// Waits until this time, milliseconds since 1970.
    Sleep {
        /// When.
        due_ms: u64,
    },
    /// A message to another agent.
    Send {
        /// To whom, as the agent said.
        to: String,
        /// As the agent said.
        content_type: String,
        /// As the agent said.
        body: Vec<u8>,
    },
    /// It was cancelled or is over; its completion is in the mailbox.
    Over,
    /// A request over HTTP that did not leave yet, or that may be made again.
    Fetch(Box<Fetch>),
    /// A request that left before this checkpoint; its answer comes by the inbox.
    Left {
        /// The request.
        fetch: Box<Fetch>,
        /// From then on it has no answer any more, milliseconds since 1970.
        until_ms: u64,
    },
}

/// A request over HTTP.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fetch {
    /// Such as `GET`.
    pub method: String,
    /// Absolute.
    pub url: String,
    /// As the agent gave them.
    #[serde(deserialize_with = "crate::limits::list::<_, _, MAX_HEADERS>")]
    pub headers: Vec<(String, Vec<u8>)>,
    /// Its bytes.
    pub body: Vec<u8>,
    /// How long it may take, milliseconds.
    pub timeout_ms: Option<u64>,
    /// Name of a secret.
    pub secret: Option<String>,
    /// May be sent again after an unknown outcome.
    pub retryable: bool,
}

/// An event that was not delivered yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// Typed bytes.
    Input {
        /// The bytes.
        bytes: Vec<u8>,
        /// The session they came by.
        session: String,
        /// Sequence after the last of them.
        upto: u64,
    },
    /// A new size.
    Resize {
        /// Columns.
        cols: u16,
        /// Rows.
        rows: u16,
    },
    /// A message, and its number in the inbox.
    Message {
        /// Its number.
        seq: u64,
        /// Its id.
        id: String,
        /// `api`, `webhook:NAME` or `agent:ID`.
        sender: String,
        /// As its sender said.
        content_type: String,
        /// Its bytes.
        body: Vec<u8>,
        /// Milliseconds since 1970.
        sent_at_ms: u64,
    },
    /// The end of an operation.
    Completed {
        /// Which.
        op: u64,
        /// How.
        outcome: Outcome,
    },
    /// The answer to `again`.
    Turn,
}

/// How an operation ended; `outcome` of the guest's contract.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Outcome {
    /// A sleep is over.
    Slept,
    /// A message is in its recipient's inbox, under this id.
    Sent(String),
    /// An answer over HTTP.
    Fetched {
        /// Its status.
        status: u16,
        /// Its headers.
        #[serde(deserialize_with = "crate::limits::list::<_, _, MAX_HEADERS>")]
        headers: Vec<(String, Vec<u8>)>,
        /// Its bytes.
        body: Vec<u8>,
    },
    /// An answer of a model.
    Chatted(String),
    /// An answer of a tool.
    Called(String),
    /// It did not happen: number of the `failure-code`, why, and whether it may succeed later.
    Failed(u8, String, bool),
    /// It was cancelled, and why.
    Cancelled(String),
    /// Nobody knows whether it took effect, and why.
    Unknown(String),
}

/// A terminal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Terminal<C> {
    /// Grows with every rollback.
    pub generation: u64,
    /// Offset after its last byte.
    pub head: u64,
    /// Columns.
    pub cols: u16,
    /// Rows.
    pub rows: u16,
    /// Bytes that draw the screen as it was at `screen_at`.
    pub screen: Bytes,
    /// Offset the screen is valid at; from there on the tail counts.
    pub screen_at: u64,
    /// The bytes before `head`.
    pub tail: Tail<C>,
}

/// The last bytes of a stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(bound(deserialize = "C: Deserialize<'de>"))]
pub struct Tail<C> {
    /// Offset of the first.
    pub from: u64,
    /// Whole segments: each ends at a multiple of [`SEGMENT_BYTES`], the first may begin in between.
    #[serde(deserialize_with = "crate::limits::list::<_, _, { usize::MAX }>")]
    pub segments: Vec<C>,
    /// What follows the last of them.
    pub rest: Bytes,
}

/// A log: its bytes are JSON lines.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Journal<C> {
    /// Grows when a crash loses lines.
    pub generation: u64,
    /// Number of the last entry.
    pub last_seq: u64,
    /// The lines; offsets count from the log's begin.
    pub tail: Tail<C>,
}

/// Input sessions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inputs {
    /// Least recently used first.
    #[serde(deserialize_with = "crate::limits::list::<_, _, MAX_SESSIONS>")]
    pub sessions: Vec<InputSession>,
    /// Names that are refused from now on.
    #[serde(deserialize_with = "crate::limits::list::<_, _, MAX_EVICTED>")]
    pub evicted: Vec<String>,
}

/// One client's input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputSession {
    /// The client's random name for it.
    pub name: String,
    /// Next sequence expected: everything below was delivered or is in the mailbox.
    pub received: u64,
    /// Everything below was handled by the agent.
    pub applied: u64,
    /// When it was last used, milliseconds since 1970.
    pub used_at_ms: u64,
}

/// What an agent used since it was spawned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meters {
    /// Fuel.
    pub fuel: u64,
    /// Bytes written to its terminal.
    pub output_bytes: u64,
    /// Events.
    pub events: u64,
}

/// `/work`, in the order of the paths, so that a directory comes before what is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "C: Deserialize<'de>"))]
pub struct Tree<C = ChunkRef> {
    /// All entries.
    #[serde(deserialize_with = "crate::limits::list::<_, _, MAX_ENTRIES>")]
    pub entries: Vec<Entry<C>>,
}

impl<C> Default for Tree<C> {
    fn default() -> Self {
        Self { entries: Vec::new() }
    }
}

/// An entry of `/work`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry<C> {
    /// Below `/work`, parts divided by `/`.
    pub path: String,
    /// When it was last changed, nanoseconds since 1970.
    pub modified_ns: i64,
    /// What it is.
    pub node: Node<C>,
}

/// What an entry of `/work` is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Node<C> {
    /// A file.
    File(Content<C>),
    /// A directory.
    Directory,
    /// A symbolic link, and its target.
    Link(String),
}
