//! A terminal as a part of a checkpoint.

use bytes::Bytes;
use checkpoint::{ChunkRef, Piece, manifest::Terminal};

use super::{MAX_SNAPSHOT_BYTES, PARSE_BEHIND_BYTES, Size, TAIL_BYTES, TerminalLog};
use crate::terminal::{boundary::MAX_SEQUENCE_BYTES, tail};

/// Most bytes of a tail that is taken back: what is kept, and the segment that is dropped next.
const MAX_TAIL_BYTES: usize = TAIL_BYTES + tail::SEGMENT;
/// Most bytes behind a drawn screen that are parsed when it is taken back; a capture leaves fewer.
const MAX_UNPARSED_BYTES: u64 = 4 * PARSE_BEHIND_BYTES as u64;

impl TerminalLog {
    /// What a checkpoint holds of it.
    pub(crate) fn capture(&mut self) -> Terminal<Piece> {
        // One that was never parsed or drawn is blank up to `parsed`: it needs no grid to say so.
        let blank = self.screen.is_none() && self.drawn.is_none();
        let screen = if blank { Bytes::new() } else { self.draw() };
        let from = self.tail();
        let (front, back) = self.tail.as_slices();
        let read = |first: u64, end: u64| {
            let at = |offset: u64| usize::try_from(offset - from).unwrap_or(usize::MAX);
            let (first, end) = (at(first), at(end));
            let of_front = &front[first.min(front.len())..end.min(front.len())];
            let of_back = &back[first.saturating_sub(front.len())..end.saturating_sub(front.len())];
            Bytes::from([of_front, of_back].concat())
        };
        Terminal {
            generation: self.generation,
            head: self.head,
            cols: self.size.cols,
            rows: self.size.rows,
            screen,
            screen_at: self.parsed,
            tail: tail::cut(from, self.head, &self.stored, read),
        }
    }

    /// A checkpoint with this terminal is durable: the next capture names its segments instead of reading them.
    pub(crate) fn stored(&mut self, terminal: &Terminal<ChunkRef>) {
        if terminal.generation == self.generation {
            self.stored.remember(&terminal.tail);
        }
    }

    /// What was stored is gone: the next capture has all bytes.
    pub(crate) fn forget_stored(&mut self) {
        self.stored.forget();
    }

    /// Goes on where a checkpoint was taken. With the generation of `terminal` (a planned stop) every position a
    /// client has goes on; a higher one says that what came after the checkpoint is undone.
    ///
    /// Takes what it is given as far as it fits together: at most [`MAX_TAIL_BYTES`] of tail,
    /// [`MAX_SNAPSHOT_BYTES`] and a begun sequence of screen.
    pub(crate) fn restored(terminal: &Terminal<Bytes>, generation: u64) -> Self {
        let mut log = Self::new(Size::clamped(terminal.cols, terminal.rows));
        log.generation = generation;
        log.head = terminal.head;
        // Of an older rollback nobody knows any more.
        log.truncated = if generation == terminal.generation { 0 } else { terminal.head };
        for part in tail::last(&terminal.tail, MAX_TAIL_BYTES) {
            log.tail.extend(part);
        }
        let excess = (log.tail.len() as u64).saturating_sub(log.head);
        log.tail.drain(..usize::try_from(excess).unwrap_or(usize::MAX).min(log.tail.len()));
        let oldest = log.tail().max(log.head.saturating_sub(MAX_UNPARSED_BYTES));
        log.parsed = terminal.screen_at.clamp(oldest, log.head);
        let drawn = terminal.screen.len();
        let fits = drawn > 0 && drawn <= MAX_SNAPSHOT_BYTES + MAX_SEQUENCE_BYTES;
        // Copied: the reader's buffer may be many times as long.
        log.drawn = fits.then(|| Bytes::copy_from_slice(&terminal.screen));
        log
    }

    /// Goes back to a checkpoint in place. The size stays what the clients have: the agent is to be told.
    pub(crate) fn rewind(&mut self, to: &Terminal<Bytes>, generation: u64) {
        let size = self.size;
        *self = Self::restored(to, generation);
        self.resize(size);
    }
}
