//! A log as a part of a checkpoint.

use bytes::Bytes;
use checkpoint::{ChunkRef, Piece, manifest};
use serde::Deserialize;
use wire::log::Level;

use super::{JOURNAL_BYTES, Journal, Line};
use crate::terminal::tail;

/// What numbers skip when lines may be lost: more than an agent writes between two checkpoints, so that none is
/// given twice, and few enough for millions of crashes within 2⁵³, where JSON numbers end.
pub(crate) const SEQ_JUMP: u64 = 1_000_000_000;

/// What is read of a line that is taken back.
#[derive(Deserialize)]
struct Numbered {
    seq: u64,
    level: Level,
}

impl Journal {
    /// What a checkpoint holds of it.
    pub(crate) fn capture(&self) -> manifest::Journal<Piece> {
        let read = |first: u64, end: u64| {
            Bytes::from(self.read(first, usize::try_from(end - first).unwrap_or(usize::MAX)))
        };
        manifest::Journal {
            generation: self.generation,
            last_seq: self.last_seq,
            tail: tail::cut(self.tail(), self.head, &self.stored, read),
        }
    }

    /// A checkpoint with this log is durable: the next capture names its segments instead of reading them.
    pub(crate) fn stored(&mut self, journal: &manifest::Journal<ChunkRef>) {
        if journal.generation == self.generation {
            self.stored.remember(&journal.tail);
        }
    }

    /// What was stored is gone: the next capture has all bytes.
    pub(crate) fn forget_stored(&mut self) {
        self.stored.forget();
    }

    /// Goes on where a checkpoint was taken. After a planned stop generation and numbers go on. Where lines may have
    /// been lost the generation is a higher one and numbers jump by [`SEQ_JUMP`], so that none is given twice.
    ///
    /// At most [`JOURNAL_BYTES`] of lines are taken, and none before one that is not a line of a log.
    pub(crate) fn restored(from: &manifest::Journal<Bytes>, generation: u64, seq_jump: bool) -> Self {
        let kept: Vec<&[u8]> = tail::last(&from.tail, JOURNAL_BYTES).collect();
        let kept = kept.concat();
        let parts = from.tail.segments.iter().chain([&from.tail.rest]);
        let length = parts.map(|part| part.len() as u64).fold(0, u64::saturating_add);
        let head = from.tail.from.saturating_add(length);
        let mut journal =
            Self { generation, truncated: head, head: head - kept.len() as u64, ..Self::default() };
        for bytes in kept.split_inclusive(|byte| *byte == b'\n') {
            match line(bytes, journal.head) {
                Some(line) => journal.push(line),
                None => {
                    // The begin of a line that was cut, or no log at all: what is kept begins behind it.
                    journal.lines.clear();
                    journal.bytes = 0;
                    journal.head += bytes.len() as u64;
                }
            }
        }
        let seen = journal.lines.back().map_or(0, |line| line.seq);
        let jump = if seq_jump { SEQ_JUMP } else { 0 };
        journal.last_seq = from.last_seq.max(seen).saturating_add(jump);
        journal
    }
}

fn line(bytes: &[u8], offset: u64) -> Option<Line> {
    let json = std::str::from_utf8(bytes).ok().filter(|json| json.ends_with('\n'))?;
    let Numbered { seq, level } = serde_json::from_str(json).ok()?;
    Some(Line { seq, level, offset, json: json.to_owned() })
}
