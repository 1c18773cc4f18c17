//! Checkpoints and trees that hold their checks, from a number each.

use wire::{AgentId, CheckpointId, Digest, PackId};

use crate::{
    Checkpoint, ChunkRef, Codec, hash,
    manifest::{
        Content, Entry, Event, FILE_PIECE_BYTES, Fetch, Guest, Handle, InputSession, Inputs, Journal, Memory,
        Meters, Node, OpenFile, Operations, Outcome, PAGE_BYTES, Pending, SEGMENT_BYTES, Slot, Tail,
        Terminal, Tree, Work,
    },
};

/// splitmix64.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    fn index(&mut self, bound: usize) -> usize {
        usize::try_from(self.below(bound as u64)).unwrap()
    }

    fn bytes(&mut self, bound: usize) -> Vec<u8> {
        (0..self.index(bound)).map(|_| self.next().to_le_bytes()[0]).collect()
    }

    fn text(&mut self, bound: usize) -> String {
        (0..self.index(bound)).map(|_| char::from(b'a' + u8::try_from(self.below(26)).unwrap())).collect()
    }

    fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.below(2) == 0).then(|| make(self))
    }

    fn many<T>(&mut self, bound: usize, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.index(bound)).map(|_| make(self)).collect()
    }

    fn chunk(&mut self, length: u64) -> ChunkRef {
        let length = u32::try_from(length).unwrap();
        let packed = length > 1 && self.below(4) > 0;
        let stored = if packed { u32::try_from(self.below(u64::from(length))).unwrap() } else { length };
        ChunkRef {
            hash: hash(&self.next().to_le_bytes()),
            pack: PackId::from_u128(u128::from(self.below(4)) << 64),
            offset: self.below(1 << 26),
            stored,
            length,
            codec: if packed { Codec::Zstd } else { Codec::Raw },
        }
    }

    fn content(&mut self) -> Content<ChunkRef> {
        let piece = FILE_PIECE_BYTES as u64;
        let size = self.below(4 * piece);
        let pieces = (0..size.div_ceil(piece)).map(|n| {
            let length = (size - n * piece).min(piece);
            self.maybe(|random| random.chunk(length))
        });
        Content { size, pieces: pieces.collect() }
    }

    fn tail(&mut self, head: u64) -> Tail<ChunkRef> {
        let from = head - self.below(head.min(3 * SEGMENT_BYTES) + 1);
        let (mut at, mut segments) = (from, Vec::new());
        loop {
            let end = (at / SEGMENT_BYTES + 1) * SEGMENT_BYTES;
            if end > head {
                let rest = vec![b'x'; usize::try_from(head - at).unwrap()];
                return Tail { from, segments, rest: rest.into() };
            }
            segments.push(self.chunk(end - at));
            at = end;
        }
    }

    fn headers(&mut self) -> Vec<(String, Vec<u8>)> {
        self.many(3, |random| (random.text(8), random.bytes(8)))
    }

    fn work(&mut self) -> Work {
        match self.below(5) {
            0 => Work::Sleep { due_ms: self.next() },
            1 => Work::Send { to: self.text(9), content_type: self.text(9), body: self.bytes(99) },
            2 => Work::Over,
            3 => Work::Left { fetch: Box::new(self.fetch()), until_ms: self.next() },
            _ => Work::Fetch(Box::new(self.fetch())),
        }
    }

    fn fetch(&mut self) -> Fetch {
        Fetch {
            method: self.text(5),
            url: self.text(50),
            headers: self.headers(),
            body: self.bytes(99),
            timeout_ms: self.maybe(Self::next),
            secret: self.maybe(|random| random.text(9)),
            retryable: self.below(2) == 0,
        }
    }

    fn outcome(&mut self) -> Outcome {
        match self.below(8) {
            0 => Outcome::Slept,
            1 => Outcome::Sent(self.text(9)),
            2 => Outcome::Fetched { status: 200, headers: self.headers(), body: self.bytes(99) },
            3 => Outcome::Chatted(self.text(9)),
            4 => Outcome::Called(self.text(9)),
            5 => Outcome::Failed(3, self.text(9), true),
            6 => Outcome::Cancelled(self.text(9)),
            _ => Outcome::Unknown(self.text(9)),
        }
    }

    fn event(&mut self, last: u64) -> Event {
        match self.below(5) {
            0 => Event::Input { bytes: self.bytes(30), session: self.text(30), upto: self.next() },
            1 => Event::Resize { cols: 80, rows: 24 },
            2 => Event::Message {
                seq: self.next(),
                id: self.text(9),
                sender: self.text(9),
                content_type: self.text(9),
                body: self.bytes(99),
                sent_at_ms: self.next(),
            },
            3 if last > 0 => Event::Completed { op: self.below(last) + 1, outcome: self.outcome() },
            _ => Event::Turn,
        }
    }

    fn handle(&mut self, files: usize) -> Handle {
        let file = u32::try_from(self.index(files)).unwrap();
        match self.below(if files > 0 { 13 } else { 10 }) {
            0 => Handle::Stdin,
            1 => Handle::Stderr(self.bytes(20)),
            2 => Handle::TerminalInput,
            3 => Handle::TerminalOutput,
            4 => Handle::Top,
            5 => Handle::Directory(self.maybe(|random| format!("d{}", random.text(9))).unwrap_or_default()),
            6 => Handle::Entries(self.many(5, |random| (3, random.text(9)))),
            7 => Handle::Timer { at: self.next() },
            8 => Handle::Error { text: self.text(9), code: self.maybe(|_| 7) },
            9 => Handle::Network,
            10 => Handle::File { file, flags: 3 },
            11 => Handle::FileReader { file, position: self.next() },
            _ => Handle::FileWriter { file, position: self.maybe(Self::next), closed: self.below(2) == 0 },
        }
    }

    fn guest(&mut self) -> Guest<ChunkRef> {
        let memories = self.many(3, |random| {
            let wasm_pages = u32::try_from(random.below(40)).unwrap();
            let mut pages = Vec::new();
            for page in 0..wasm_pages * 16 {
                if random.below(10) == 0 {
                    pages.push((page, random.chunk(PAGE_BYTES as u64)));
                }
            }
            Memory { wasm_pages, pages }
        });
        let files = self.many(4, |random| match random.maybe(|random| format!("d/{}x", random.text(9))) {
            Some(path) => OpenFile { path: Some(path), content: Content::default() },
            None => OpenFile { path: None, content: random.content() },
        });
        let mut handles = vec![Slot { index: 1, handle: Handle::Stdout }];
        for index in 2..20 {
            match self.below(3) {
                0 => handles.push(Slot { index, handle: self.handle(files.len()) }),
                1 => handles.push(Slot { index, handle: Handle::Pollable { of: 1 } }),
                _ => {}
            }
        }
        Guest { memories, globals: self.many(40, Self::next), files, handles }
    }

    pub(super) fn checkpoint(&mut self) -> Checkpoint {
        let last = self.below(9);
        let head = self.below(1 << 20);
        let tail = self.tail(head);
        let written = self.below(1 << 20);
        Checkpoint {
            agent: AgentId::from_u128(u128::from(self.next())),
            id: CheckpointId::from_u128(u128::from(self.next())),
            epoch: self.next(),
            timeline: self.next(),
            taken_at_ms: self.next(),
            image: Digest::from_bytes(hash(&self.next().to_le_bytes())),
            instrumenter: 1,
            guest: self.maybe(Self::guest),
            operations: Operations {
                last,
                pending: (1..=last)
                    .filter_map(|op| self.maybe(|random| Pending { op, work: random.work() }))
                    .collect(),
            },
            mailbox: self.many(9, |random| random.event(last)),
            inbox: self.next(),
            terminal: Terminal {
                generation: self.next(),
                head,
                cols: 80,
                rows: 24,
                screen: self.bytes(500).into(),
                screen_at: tail.from + self.below(head - tail.from + 1),
                tail,
            },
            journal: Journal { generation: self.next(), last_seq: self.next(), tail: self.tail(written) },
            inputs: Inputs {
                sessions: (0..self.below(4))
                    .map(|n| InputSession {
                        name: format!("{n}"),
                        received: 9,
                        applied: n,
                        used_at_ms: self.next(),
                    })
                    .collect(),
                evicted: self.many(4, |random| random.text(9)),
            },
            monotonic_ns: self.next(),
            meters: Meters { fuel: self.next(), output_bytes: self.next(), events: self.next() },
            tree: self.maybe(|random| random.chunk(1000)),
        }
    }

    fn entries(&mut self, base: &str, depth: u32, entries: &mut Vec<Entry<ChunkRef>>) {
        for n in 0..self.below(6) {
            let path = format!("{base}{n}{}", self.text(4));
            let modified_ns = self.next().cast_signed();
            let node = match self.below(3) {
                0 => Node::File(self.content()),
                1 => Node::Link(format!("../{}", self.text(9))),
                _ => Node::Directory,
            };
            let below = (node == Node::Directory && depth > 0).then(|| format!("{path}/"));
            entries.push(Entry { path, modified_ns, node });
            if let Some(base) = below {
                self.entries(&base, depth - 1, entries);
            }
        }
    }

    pub(super) fn tree(&mut self) -> Tree {
        let mut entries = Vec::new();
        self.entries("", 4, &mut entries);
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Tree { entries }
    }
}
