//! Version 1 as bytes. When one of these fails, the format has changed: that takes a new version and a reader of both,
//! because checkpoints of the old one are out there.

use wire::{AgentId, CheckpointId, Digest, PackId};

use crate::{
    Checkpoint, ChunkRef, Codec, Expect, Pack, PackBuilder, fuzz, hash,
    manifest::{
        Content, Entry, Event, Fetch, Guest, Handle, InputSession, Inputs, Journal, Memory, Meters, Node,
        OpenFile, Operations, Outcome, Pending, Slot, Tail, Terminal, Tree, Work,
    },
};

const CHECKPOINT: &[u8] = include_bytes!("../testdata/v1.checkpoint");
const TREE: &[u8] = include_bytes!("../testdata/v1.tree");
const PACK: &[u8] = include_bytes!("../testdata/v1.pack");

fn chunk(n: u8, length: u32) -> ChunkRef {
    let pack = PackId::from_u128(0x0123_4567_89AB_CDEF << 64 | u128::from(n % 2));
    let codec = if n.is_multiple_of(3) { Codec::Raw } else { Codec::Zstd };
    let stored = if codec == Codec::Raw { length } else { length / 2 };
    ChunkRef { hash: hash(&[n]), pack, offset: 16 + 5000 * u64::from(n), stored, length, codec }
}

/// One of everything.
fn checkpoint() -> Checkpoint {
    let text = str::to_owned;
    let handles = [
        Handle::Stdin,
        Handle::Stdout,
        Handle::Stderr(b"begun".to_vec()),
        Handle::TerminalInput,
        Handle::TerminalOutput,
        Handle::Top,
        Handle::Directory(text("src")),
        Handle::File { file: 0, flags: 3 },
        Handle::FileReader { file: 0, position: 300 },
        Handle::FileWriter { file: 1, position: None, closed: false },
        Handle::FileWriter { file: 1, position: Some(5), closed: true },
        Handle::Entries(vec![(3, text("lib.rs")), (6, text("main.rs"))]),
        Handle::Pollable { of: 1 },
        Handle::Timer { at: 1 << 40 },
        Handle::Error { text: text("no entry"), code: Some(20) },
    ];
    let slot = |(index, handle)| Slot { index, handle };
    let works = [
        Work::Sleep { due_ms: 1_764_000_000_000 },
        Work::Send { to: text("agt_x"), content_type: text("text/plain"), body: b"hello".to_vec() },
        Work::Over,
        Work::Fetch(Box::new(Fetch {
            method: text("GET"),
            url: text("https://example.org/"),
            headers: vec![(text("accept"), b"*/*".to_vec())],
            body: Vec::new(),
            timeout_ms: Some(3000),
            secret: Some(text("key")),
            retryable: true,
        })),
    ];
    let outcomes = [
        Outcome::Slept,
        Outcome::Sent(text("msg_x")),
        Outcome::Fetched { status: 404, headers: vec![(text("age"), b"1".to_vec())], body: b"no".to_vec() },
        Outcome::Chatted(text("hi")),
        Outcome::Called(text("42")),
        Outcome::Failed(3, text("refused"), true),
        Outcome::Cancelled(text("you did")),
        Outcome::Unknown(text("the host is gone")),
    ];
    let mut mailbox = vec![
        Event::Input { bytes: b"ls\r".to_vec(), session: text("s1"), upto: 12 },
        Event::Resize { cols: 132, rows: 50 },
        Event::Message {
            seq: 4,
            id: text("msg_y"),
            sender: text("api"),
            content_type: text("application/json"),
            body: b"{}".to_vec(),
            sent_at_ms: 1_764_000_000_001,
        },
        Event::Turn,
    ];
    mailbox.extend((1..).zip(outcomes).map(|(op, outcome)| Event::Completed { op, outcome }));
    Checkpoint {
        agent: AgentId::from_u128(1 << 100),
        id: CheckpointId::from_u128(2 << 100),
        epoch: 3,
        timeline: 2,
        taken_at_ms: 1_764_000_000_002,
        image: Digest::from_bytes(hash(b"component")),
        instrumenter: 1,
        guest: Some(Guest {
            memories: vec![
                Memory {
                    wasm_pages: 17,
                    pages: vec![(0, chunk(1, 4096)), (3, chunk(2, 4096)), (271, chunk(3, 4096))],
                },
                Memory { wasm_pages: 0, pages: Vec::new() },
            ],
            globals: vec![0, 1, u64::MAX],
            files: vec![
                OpenFile { path: Some(text("src/lib.rs")), content: Content::default() },
                OpenFile {
                    path: None,
                    content: Content { size: 65_536 + 9, pieces: vec![None, Some(chunk(4, 9))] },
                },
            ],
            handles: (1..).zip(handles).map(slot).collect(),
        }),
        operations: Operations {
            last: 9,
            pending: (6..).zip(works).map(|(op, work)| Pending { op, work }).collect(),
        },
        mailbox,
        inbox: 4,
        terminal: Terminal {
            generation: 1,
            head: 32_770,
            cols: 80,
            rows: 24,
            screen: b"\x1b[H\x1b[2J$ ".to_vec().into(),
            screen_at: 32_769,
            tail: Tail {
                from: 16_000,
                segments: vec![chunk(5, 384), chunk(6, 16_384)],
                rest: b"$ ".to_vec().into(),
            },
        },
        journal: Journal {
            generation: 1,
            last_seq: 7,
            tail: Tail { from: 100, segments: Vec::new(), rest: b"{\"seq\":7}\n".to_vec().into() },
        },
        inputs: Inputs {
            sessions: vec![InputSession { name: text("s1"), received: 12, applied: 9, used_at_ms: 5 }],
            evicted: vec![text("s0")],
        },
        monotonic_ns: 123_456_789,
        meters: Meters { fuel: 1 << 33, output_bytes: 32_770, events: 40 },
        tree: Some(chunk(7, 500)),
    }
}

fn tree() -> Tree {
    let entry = |path: &str, modified_ns, node| Entry { path: path.to_owned(), modified_ns, node };
    Tree {
        entries: vec![
            entry("a", -1, Node::Directory),
            entry("a-b", 1_764_000_000_000_000_000, Node::Link("a/b".to_owned())),
            entry(
                "a/b",
                0,
                Node::File(Content {
                    size: 70_000,
                    pieces: vec![Some(chunk(8, 65_536)), Some(chunk(9, 4464))],
                }),
            ),
            entry("z", 1, Node::File(Content::default())),
        ],
    }
}

fn pack() -> Pack {
    let mut builder = PackBuilder::new(PackId::from_u128(0));
    builder.add_chunk(&[1; 4096]);
    builder.add_chunk(b"short");
    builder.add_manifest(b"manifest");
    builder.seal()
}

#[test]
fn version_1_of_a_checkpoint_is_read_and_written() {
    assert_eq!(Checkpoint::decode(CHECKPOINT, &Expect::default()), Ok(checkpoint()));
    assert_eq!(fuzz::plain(&checkpoint().encode()), fuzz::plain(CHECKPOINT));
}

#[test]
fn version_1_of_a_tree_is_read_and_written() {
    assert_eq!(Tree::decode(TREE), Ok(tree()));
    assert_eq!(fuzz::plain(&tree().encode()), fuzz::plain(TREE));
}

#[test]
fn version_1_of_a_pack_is_read_and_written() {
    let golden = Pack { id: PackId::from_u128(0), bytes: PACK.into() };
    let items = golden.verify().unwrap();
    assert_eq!(items.len(), 3);
    assert_eq!(pack().verify().unwrap(), items);
}

/// Writes the files anew, for whoever makes a new version: `cargo test -p checkpoint -- write_golden --nocapture`
/// with `GOLDEN` set to the directory.
#[test]
fn write_golden() {
    let Some(dir) = option_env!("GOLDEN") else { return };
    let dir = std::path::Path::new(dir);
    std::fs::write(dir.join("v1.checkpoint"), checkpoint().try_encode().unwrap()).unwrap();
    std::fs::write(dir.join("v1.tree"), tree().try_encode().unwrap()).unwrap();
    std::fs::write(dir.join("v1.pack"), pack().bytes).unwrap();
}
