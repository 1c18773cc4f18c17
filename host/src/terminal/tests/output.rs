//! A client that puts the stream together from what it is sent, against what was written.

use std::collections::BTreeMap;

use bytes::Bytes;
use checkpoint::{Piece, manifest::Terminal};
use proptest::prelude::*;
use wire::terminal::{FLAG_MORE, From, Header, Kind, ServerControl};

use crate::terminal::{
    attachment::{Attachment, Out},
    log::{Size, TerminalLog},
    tail,
};

/// What happened to a terminal, in order: the truth about its screen.
#[derive(Debug, Clone)]
enum Happened {
    Printed(Vec<u8>),
    Resized(Size),
}

impl Happened {
    fn to(&self, parser: &mut vt100::Parser) {
        match self {
            Self::Printed(bytes) => parser.process(bytes),
            Self::Resized(size) => set_size(parser, *size),
        }
    }
}

fn parser(size: Size) -> vt100::Parser {
    vt100::Parser::new(size.rows.try_into().unwrap(), size.cols.try_into().unwrap(), 0)
}

fn set_size(parser: &mut vt100::Parser, size: Size) {
    parser.set_size(size.rows.try_into().unwrap(), size.cols.try_into().unwrap());
}

/// What a person sees: rows and cursor.
fn shown(parser: &vt100::Parser) -> (Vec<String>, (u16, u16)) {
    let screen = parser.screen();
    let (_, cols) = screen.size();
    (screen.rows(0, cols.get()).collect(), screen.cursor_position())
}

fn read_back(terminal: Terminal<Piece>) -> Terminal<Bytes> {
    Terminal {
        generation: terminal.generation,
        head: terminal.head,
        cols: terminal.cols,
        rows: terminal.rows,
        screen: terminal.screen,
        screen_at: terminal.screen_at,
        tail: tail::read_back(terminal.tail),
    }
}

#[derive(Debug, Clone)]
enum Step {
    /// The next bytes of the script.
    Print(usize),
    /// Lines, enough of them to leave a client behind.
    Flood(u8),
    Resize(u16, u16),
    /// The client takes so many frames.
    Take(usize),
    Ack,
    Reconnect,
    Fresh,
    Checkpoint,
    /// Suspended or moved, and back in another process.
    Resume,
    /// Back to the last checkpoint, sockets kept.
    Rollback,
    /// Another process goes on from the last checkpoint.
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1usize..400).prop_map(Step::Print),
        3 => any::<u8>().prop_map(Step::Flood),
        1 => (20u16..120, 5u16..40).prop_map(|(cols, rows)| Step::Resize(cols, rows)),
        5 => (0usize..40).prop_map(Step::Take),
        3 => Just(Step::Ack),
        2 => Just(Step::Reconnect),
        1 => Just(Step::Fresh),
        3 => Just(Step::Checkpoint),
        2 => Just(Step::Resume),
        2 => Just(Step::Rollback),
        1 => Just(Step::Crash),
    ]
}

fn script() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        6 => "[a-z ]{1,30}",
        3 => Just("\r\n".to_owned()),
        1 => Just("\x1b[31m".to_owned()),
        1 => Just("\x1b[2;3H".to_owned()),
        1 => Just("é界".to_owned()),
        1 => Just("\x1b[K".to_owned()),
        1 => Just("\x1b]0;a title\x07".to_owned()),
    ];
    prop::collection::vec(part, 1..60).prop_map(|parts| parts.concat().into_bytes())
}

struct Client {
    attachment: Attachment,
    generation: u64,
    /// First byte it does not have.
    offset: u64,
    parser: vt100::Parser,
    /// Pieces of a snapshot that is not complete.
    pieces: Vec<u8>,
    /// A snapshot is due: until it is there the client has no position.
    due: bool,
    gaps: usize,
}

struct World {
    log: TerminalLog,
    client: Client,
    history: Vec<Happened>,
    /// What the history comes to.
    truth: vt100::Parser,
    /// All bytes of each generation from offset 0 on.
    streams: BTreeMap<u64, Vec<u8>>,
    /// The last checkpoint: what it holds, and the history it covers.
    last: (Terminal<Bytes>, Vec<Happened>),
    script: std::iter::Cycle<std::vec::IntoIter<u8>>,
}

impl World {
    fn new(script: Vec<u8>) -> Self {
        let mut log = TerminalLog::new(Size::DEFAULT);
        let last = (read_back(log.capture()), Vec::new());
        let client = Client {
            attachment: Attachment::default(),
            generation: 0,
            offset: 0,
            parser: parser(Size::DEFAULT),
            pieces: Vec::new(),
            due: true,
            gaps: 0,
        };
        let mut world = Self {
            log,
            client,
            history: Vec::new(),
            truth: parser(Size::DEFAULT),
            streams: BTreeMap::from([(1, Vec::new())]),
            last,
            script: script.into_iter().cycle(),
        };
        world.client.attachment.attach(&mut world.log, From::SNAPSHOT, 0);
        world
    }

    fn print(&mut self, bytes: Vec<u8>) {
        for piece in bytes.chunks(super::super::log::PIECE_BYTES) {
            self.log.append(piece);
        }
        self.streams.get_mut(&self.log.generation()).unwrap().extend(&bytes);
        self.happened(Happened::Printed(bytes));
    }

    /// A new socket of the client, which goes on where it was.
    fn reconnect(&mut self) {
        self.client.attachment = Attachment::default();
        self.client.pieces.clear();
        set_size(&mut self.client.parser, self.log.size());
        let (generation, offset) = (self.client.generation, self.client.offset);
        let from = if self.client.due { From::SNAPSHOT } else { From::Position { generation, offset } };
        if self.client.due {
            self.client.forget();
        }
        self.client.attachment.attach(&mut self.log, from, 0);
    }

    /// Undoes what came after the last checkpoint; the new generation.
    fn undo(&mut self) -> u64 {
        let generation = self.log.generation() + 1;
        let (terminal, history) = &self.last;
        self.history.clone_from(history);
        self.truth = parser(Size::DEFAULT);
        for happened in history {
            happened.to(&mut self.truth);
        }
        let head = usize::try_from(terminal.head).unwrap();
        let mut stream = self.streams[&self.log.generation()].clone();
        stream.truncate(head);
        self.streams.insert(generation, stream);
        generation
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Print(count) => {
                let bytes = self.script.by_ref().take(count).collect();
                self.print(bytes);
            }
            Step::Flood(seed) => {
                let lines = (0..4500).map(|n| format!("line {n} of flood {seed}\r\n"));
                // Ends a title that was begun: one that never ends would swallow all of it.
                self.print(format!("\x07{}", lines.collect::<String>()).into_bytes());
            }
            Step::Resize(cols, rows) => {
                // The client shows what was printed for the old size first, as one that keeps up does.
                self.take_all();
                let size = Size::clamped(cols, rows);
                self.log.resize(size);
                set_size(&mut self.client.parser, size);
                self.resized(size);
            }
            Step::Take(count) => {
                self.take(count);
            }
            Step::Ack => self.client.attachment.ack(self.client.offset),
            Step::Reconnect => self.reconnect(),
            Step::Fresh => {
                self.client.forget();
                self.client.attachment.attach(&mut self.log, From::SNAPSHOT, 0);
            }
            Step::Checkpoint => self.last = (read_back(self.log.capture()), self.history.clone()),
            Step::Resume => {
                self.last = (read_back(self.log.capture()), self.history.clone());
                let before = (self.log.generation(), self.log.tail(), self.log.head(), self.log.size());
                self.log = TerminalLog::restored(&self.last.0, self.log.generation());
                assert_eq!(
                    (self.log.generation(), self.log.tail(), self.log.head(), self.log.size()),
                    before
                );
                let gaps = self.client.gaps;
                let held = self.client.generation == before.0 && self.client.offset >= before.1;
                self.reconnect();
                self.client.attachment.ack(self.client.offset);
                self.take(1);
                assert!(!held || self.client.gaps == gaps, "what is kept is sent without a gap");
            }
            Step::Rollback => {
                let generation = self.undo();
                let size = self.log.size();
                self.log.rewind(&self.last.0, generation);
                assert_eq!(self.log.size(), size);
                self.resized(size);
            }
            Step::Crash => {
                let generation = self.undo();
                self.log = TerminalLog::restored(&self.last.0, generation);
                self.reconnect();
            }
        }
    }

    fn take(&mut self, count: usize) -> bool {
        for _ in 0..count {
            let Some(out) = self.client.attachment.next(&mut self.log) else { return false };
            self.client.takes(out, &self.streams, self.log.size());
        }
        true
    }

    /// The client takes and acknowledges until there is no more.
    fn take_all(&mut self) {
        loop {
            self.client.attachment.ack(self.client.offset);
            if !self.take(1) {
                return;
            }
        }
    }

    /// The agent draws its screen for the new size, as it would: what a terminal makes of the old one depends on lines
    /// that are not on it any more.
    fn resized(&mut self, size: Size) {
        self.happened(Happened::Resized(size));
        self.print(b"\x07\x1b[2J\x1b[H$ ".to_vec());
    }

    fn happened(&mut self, happened: Happened) {
        happened.to(&mut self.truth);
        self.history.push(happened);
    }

    /// A checkpoint of it shows the truth.
    fn check_capture(&mut self) {
        let captured = read_back(self.log.capture());
        let mut log = TerminalLog::restored(&captured, captured.generation);
        let (at, drawn) = log.snapshot();
        let mut parser = parser(log.size());
        parser.process(&drawn);
        if let crate::terminal::log::Tail::Bytes(rest) = log.read(at, usize::MAX) {
            parser.process(&rest);
        }
        assert_eq!(shown(&parser), shown(&self.truth));
    }

    fn check(&mut self) {
        self.take_all();
        assert_eq!((self.client.generation, self.client.offset), (self.log.generation(), self.log.head()));
        assert_eq!(shown(&self.client.parser), shown(&self.truth));
    }
}

impl Client {
    /// It has nothing until the snapshot it asks for is there.
    fn forget(&mut self) {
        (self.generation, self.offset, self.due) = (0, 0, true);
        self.pieces.clear();
    }

    fn takes(&mut self, out: Out, streams: &BTreeMap<u64, Vec<u8>>, size: Size) {
        match out {
            Out::Control(ServerControl::Attached { generation, offset, .. }) => {
                if self.generation == generation && offset != self.offset {
                    assert!(offset > self.offset, "a client is not sent back within a generation");
                }
                self.generation = generation;
            }
            Out::Control(ServerControl::Rewound { generation, offset, .. }) => {
                assert!(generation > self.generation);
                let (old, new) = (&streams[&self.generation], &streams[&generation]);
                let same = usize::try_from(offset).unwrap();
                assert!(generation > self.generation + 1 || old[..same] == new[..same]);
                // What it has is replaced by the snapshot that follows.
                (self.generation, self.offset, self.due) = (generation, 0, true);
            }
            Out::Control(ServerControl::Gap { from, to, .. }) => {
                assert!(from == self.offset && to > from);
                self.gaps += 1;
                self.offset = to;
            }
            Out::Control(other) => panic!("{other:?}"),
            Out::Frame(frame) => {
                let (header, payload) = Header::decode(&frame).unwrap();
                if header.kind == Kind::Snapshot as u8 {
                    self.pieces.extend_from_slice(payload);
                    if header.flags & FLAG_MORE == 0 {
                        assert!(header.offset >= self.offset, "a snapshot is not older than what was sent");
                        self.parser = parser(size);
                        self.parser.process(&std::mem::take(&mut self.pieces));
                        (self.offset, self.due) = (header.offset, false);
                    }
                } else {
                    assert_eq!(header.offset, self.offset, "no byte is lost or repeated");
                    let stream = &streams[&self.generation];
                    let first = usize::try_from(header.offset).unwrap();
                    assert!(stream[first..].starts_with(payload), "the bytes are those that were written");
                    self.parser.process(payload);
                    self.offset += payload.len() as u64;
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever happens: within a generation no byte is lost or repeated, and in the end the client sees what is true.
    #[test]
    fn a_client_sees_the_stream_and_the_screen(script in script(), steps in prop::collection::vec(step(), 1..60)) {
        let mut world = World::new(script);
        for step in steps {
            world.step(step);
            world.check_capture();
        }
        world.check();
    }
}
