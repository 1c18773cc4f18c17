//! What a socket is sent next on one stream: pure, so that order, gaps, snapshots and credit are
//! tested without a socket.

use std::collections::VecDeque;

use bytes::Bytes;
use wire::terminal::{
    FLAG_MORE, From, Header, Kind, MAX_PAYLOAD, STREAM_LOG, STREAM_TERMINAL, ServerControl, StreamInfo,
    WINDOW_BYTES,
};

use super::log::{Tail, TerminalLog};
use crate::journal::Journal;

/// A numbered byte stream that can be attached to.
pub(crate) trait Stream {
    fn info(&self) -> StreamInfo;
    /// Bytes from `offset` on (tail ≤ offset), at most `limit`; empty at the head.
    fn read(&self, offset: u64, limit: usize) -> Vec<u8>;
    /// The offset the last rollback truncated it to; 0 when that is not known.
    fn truncated(&self) -> u64;
    /// What stands for everything before an offset; `None` where a stream has no such thing.
    fn snapshot(&mut self) -> Option<(u64, Bytes)>;
}

impl Stream for TerminalLog {
    fn info(&self) -> StreamInfo {
        let size = self.size();
        StreamInfo {
            id: STREAM_TERMINAL,
            kind: "terminal".to_owned(),
            generation: self.generation(),
            head: self.head(),
            tail: self.tail(),
            cols: Some(size.cols),
            rows: Some(size.rows),
        }
    }

    fn read(&self, offset: u64, limit: usize) -> Vec<u8> {
        match TerminalLog::read(self, offset, limit) {
            Tail::Bytes(bytes) => bytes,
            Tail::AtHead | Tail::Behind { .. } => Vec::new(),
        }
    }

    fn truncated(&self) -> u64 {
        TerminalLog::truncated(self)
    }

    fn snapshot(&mut self) -> Option<(u64, Bytes)> {
        Some(TerminalLog::snapshot(self))
    }
}

impl Stream for Journal {
    fn info(&self) -> StreamInfo {
        StreamInfo {
            id: STREAM_LOG,
            kind: "log".to_owned(),
            generation: self.generation(),
            head: self.head(),
            tail: self.tail(),
            cols: None,
            rows: None,
        }
    }

    fn read(&self, offset: u64, limit: usize) -> Vec<u8> {
        Journal::read(self, offset, limit)
    }

    fn truncated(&self) -> u64 {
        Journal::truncated(self)
    }

    fn snapshot(&mut self) -> Option<(u64, Bytes)> {
        None
    }
}

/// One thing to send.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Out {
    Control(ServerControl),
    Frame(Vec<u8>),
}

/// A socket's place in a stream.
#[derive(Debug, Default)]
pub(crate) struct Attachment {
    attached: bool,
    generation: u64,
    /// First byte not sent.
    next: u64,
    /// First byte not acknowledged.
    acked: u64,
    /// Sent before anything else.
    queued: VecDeque<Out>,
}

impl Attachment {
    /// Begins, or begins again, where the client wants.
    pub(crate) fn attach(&mut self, stream: &mut impl Stream, from: From, input_seq: u64) {
        let info = stream.info();
        self.attached = true;
        self.queued.clear();
        self.generation = info.generation;
        let attached = |offset| {
            Out::Control(ServerControl::Attached {
                stream: info.id,
                generation: info.generation,
                offset,
                input_seq,
            })
        };
        match from {
            From::Position { generation, offset } if generation == info.generation && offset <= info.head => {
                self.go_to(offset);
                self.queued.push_back(attached(offset.max(info.tail)));
                if offset < info.tail {
                    self.catch_up(stream, &info);
                }
            }
            From::Position { generation, .. } if generation < info.generation => {
                self.rewind(stream, &info);
                self.queued.insert(1, attached(self.next));
            }
            From::Snapshot(_) | From::Position { .. } => {
                self.go_to(info.tail);
                self.show(stream, &info);
                self.acked = self.next;
                self.queued.push_front(attached(self.next));
            }
        }
    }

    fn go_to(&mut self, offset: u64) {
        self.next = offset;
        self.acked = offset;
    }

    /// A rollback truncated the stream.
    fn rewind(&mut self, stream: &mut impl Stream, info: &StreamInfo) {
        self.generation = info.generation;
        self.go_to(info.tail);
        self.queued.push_back(Out::Control(ServerControl::Rewound {
            stream: info.id,
            generation: info.generation,
            offset: stream.truncated(),
        }));
        self.show(stream, info);
        self.acked = self.next;
    }

    /// Bytes were dropped before they were sent.
    fn catch_up(&mut self, stream: &mut impl Stream, info: &StreamInfo) {
        self.queued.push_back(Out::Control(ServerControl::Gap {
            stream: info.id,
            from: self.next,
            to: info.tail,
        }));
        let skipped = info.tail - self.next;
        self.next = info.tail;
        if !self.show(stream, info) {
            // What was never sent is not outstanding.
            self.acked += skipped;
        }
    }

    /// Queues the stream's snapshot, if it has one, and goes on behind it; whether it has.
    fn show(&mut self, stream: &mut impl Stream, info: &StreamInfo) -> bool {
        let Some((offset, bytes)) = stream.snapshot() else { return false };
        // An empty screen is one empty piece.
        let last = bytes.len().saturating_sub(1) / MAX_PAYLOAD;
        for at in 0..=last {
            let piece = &bytes[at * MAX_PAYLOAD..bytes.len().min((at + 1) * MAX_PAYLOAD)];
            let flags = if at < last { FLAG_MORE } else { 0 };
            let header = Header { kind: Kind::Snapshot as u8, flags, stream: info.id, offset };
            self.queued.push_back(Out::Frame(header.frame(piece)));
        }
        // Credit for a lagging client comes back when it acknowledges this.
        self.next = offset;
        true
    }

    /// The client rendered up to here; an offset it was never sent is ignored.
    pub(crate) fn ack(&mut self, offset: u64) {
        if offset <= self.next {
            self.acked = self.acked.max(offset);
        }
    }

    /// Gives all credit back: for the last bytes of a stream that has ended.
    pub(crate) fn forgive(&mut self) {
        self.acked = self.next;
    }

    /// The next thing to send; `None` when there is nothing, or no credit for it.
    pub(crate) fn next(&mut self, stream: &mut impl Stream) -> Option<Out> {
        if let Some(out) = self.queued.pop_front() {
            return Some(out);
        }
        if !self.attached {
            return None;
        }
        let info = stream.info();
        if info.generation != self.generation {
            self.rewind(stream, &info);
            return self.queued.pop_front();
        }
        let credit = WINDOW_BYTES.saturating_sub(self.next - self.acked);
        if credit == 0 || self.next >= info.head {
            return None;
        }
        if self.next < info.tail {
            self.catch_up(stream, &info);
            return self.queued.pop_front();
        }
        let limit = usize::try_from(credit).unwrap_or(usize::MAX).min(MAX_PAYLOAD);
        let bytes = stream.read(self.next, limit);
        let header = Header { kind: Kind::Data as u8, flags: 0, stream: info.id, offset: self.next };
        self.next += bytes.len() as u64;
        Some(Out::Frame(header.frame(&bytes)))
    }
}

#[cfg(test)]
mod tests;
