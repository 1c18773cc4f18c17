//! A terminal's output as an append-only, numbered byte log with a bounded tail, and its screen.
//!
//! The screen is parsed late: while an agent is not looked at, its bytes only wait in the tail, so
//! an idle agent costs what it printed and not a grid of cells.

use std::{collections::VecDeque, num::NonZeroU16};

use bytes::Bytes;
use checkpoint::manifest::SEGMENT_BYTES;
use wire::terminal::{COLS, ROWS};

use super::{
    boundary::{MAX_SEQUENCE_BYTES, safe_len},
    screen::Screen,
    tail::Stored,
};

mod kept;

/// Output kept for clients that come back at an offset; older bytes are dropped, a segment of a checkpoint
/// ([`SEGMENT_BYTES`]) at a time, and such a client gets a snapshot instead.
pub(crate) const TAIL_BYTES: usize = 256 * 1024;
/// Unparsed output beyond which the screen catches up, so that no single snapshot parses for long: a
/// hostile byte can cost a hundred thousand times what a letter does (clearing a large screen).
const PARSE_BEHIND_BYTES: usize = 1024;
/// Most bytes to append in one go: the lock is held and the screen parses for no longer than that.
pub(crate) const PIECE_BYTES: usize = 256;
/// Longest snapshot; a screen of 500 by 500 cells with colours in each stays far below.
pub(crate) const MAX_SNAPSHOT_BYTES: usize = 8 << 20;

/// Size in cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) cols: u16,
    pub(crate) rows: u16,
}

impl Size {
    /// What a terminal has before anybody looks.
    pub(crate) const DEFAULT: Self = Self { cols: 80, rows: 24 };

    /// Both sides brought into [`COLS`] and [`ROWS`].
    pub(crate) fn clamped(cols: u16, rows: u16) -> Self {
        let into = |n: u16, range: std::ops::RangeInclusive<u16>| n.clamp(*range.start(), *range.end());
        Self { cols: into(cols, COLS), rows: into(rows, ROWS) }
    }

    fn non_zero(self) -> (NonZeroU16, NonZeroU16) {
        let side = |n: u16| NonZeroU16::new(n).unwrap_or(NonZeroU16::MIN);
        (side(self.rows), side(self.cols))
    }
}

/// What a reader at an offset gets.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Tail {
    /// At least one byte from the offset on, at most as many as asked for.
    Bytes(Vec<u8>),
    /// Nothing new.
    AtHead,
    /// The offset is older than what is kept.
    Behind {
        /// The oldest byte kept.
        tail: u64,
    },
}

/// See the module.
pub(crate) struct TerminalLog {
    generation: u64,
    /// What the last rollback truncated it to; 0 when that is not known.
    truncated: u64,
    head: u64,
    /// Offset of the first byte the screen has not seen.
    parsed: u64,
    tail: VecDeque<u8>,
    /// Bytes that draw the screen as it is at `parsed`, while they are known.
    drawn: Option<Bytes>,
    /// Made when it is needed: what was drawn, or blank.
    screen: Option<Screen>,
    size: Size,
    /// Segments of the tail that a durable checkpoint holds.
    stored: Stored,
}

impl std::fmt::Debug for TerminalLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TerminalLog").field("generation", &self.generation).field("head", &self.head).finish()
    }
}

impl TerminalLog {
    pub(crate) fn new(size: Size) -> Self {
        Self {
            generation: 1,
            truncated: 0,
            head: 0,
            parsed: 0,
            tail: VecDeque::new(),
            drawn: None,
            screen: None,
            size,
            stored: Stored::default(),
        }
    }

    /// Begins with a later generation: what clients know of an earlier one is over.
    pub(crate) fn set_generation(&mut self, generation: u64) {
        self.generation = generation;
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// The offset the last rollback truncated it to; 0 when that is not known: nothing an older generation has counts.
    pub(crate) fn truncated(&self) -> u64 {
        self.truncated
    }

    pub(crate) fn head(&self) -> u64 {
        self.head
    }

    /// Offset of the oldest byte kept.
    pub(crate) fn tail(&self) -> u64 {
        self.head - self.tail.len() as u64
    }

    pub(crate) fn size(&self) -> Size {
        self.size
    }

    /// Appends output, at most [`PIECE_BYTES`] of it.
    pub(crate) fn append(&mut self, bytes: &[u8]) {
        self.head += bytes.len() as u64;
        self.tail.extend(bytes);
        // Twice what came, so that it never falls behind for good.
        if self.unparsed() > PARSE_BEHIND_BYTES {
            self.catch_up(self.unparsed().min(2 * bytes.len()));
        }
        // Whole segments, so that those that stay are the same in the next checkpoint.
        let keep_from = self.head.saturating_sub(TAIL_BYTES as u64) / SEGMENT_BYTES * SEGMENT_BYTES;
        let excess = keep_from.saturating_sub(self.tail());
        self.tail.drain(..usize::try_from(excess).unwrap_or(usize::MAX).min(self.tail.len()));
    }

    /// A new size; the same one changes nothing and answers false.
    pub(crate) fn resize(&mut self, size: Size) -> bool {
        if size == self.size {
            return false;
        }
        // What was printed before was printed for the old size.
        self.catch_up(self.unparsed());
        if self.screen.is_some() || self.drawn.is_some() {
            let (rows, cols) = size.non_zero();
            self.screen_mut().resize(rows, cols);
            self.drawn = None;
        }
        self.size = size;
        true
    }

    /// At most `limit` bytes from `offset` on.
    pub(crate) fn read(&self, offset: u64, limit: usize) -> Tail {
        let tail = self.tail();
        if offset < tail {
            return Tail::Behind { tail };
        }
        if offset >= self.head {
            return Tail::AtHead;
        }
        let start = usize::try_from(offset - tail).unwrap_or(usize::MAX);
        Tail::Bytes(self.tail.iter().skip(start).take(limit).copied().collect())
    }

    /// The screen as bytes that draw it on a fresh terminal, and the offset it is valid at.
    pub(crate) fn snapshot(&mut self) -> (u64, Bytes) {
        let parsed = self.tail.len() - self.unparsed();
        let (window, bytes) = self.window();
        let safe = window + safe_len(bytes);
        self.catch_up(safe.saturating_sub(parsed));
        (self.parsed, self.draw())
    }

    /// Bytes that draw the screen as it is at `parsed`, with the sequence that is begun there.
    fn draw(&mut self) -> Bytes {
        if let Some(drawn) = &self.drawn {
            return drawn.clone();
        }
        let mut drawn = self.screen_mut().draw().into_bytes();
        drawn.truncate(MAX_SNAPSHOT_BYTES);
        let parsed = self.tail.len() - self.unparsed();
        let (window, bytes) = self.window();
        let seen = &bytes[..parsed - window];
        drawn.extend_from_slice(&seen[safe_len(seen)..]);
        let drawn = Bytes::from(drawn);
        self.drawn = Some(drawn.clone());
        drawn
    }

    /// The bytes the screen has not seen, behind enough of those it has to tell whether a sequence is begun; and
    /// where in the tail they begin.
    fn window(&mut self) -> (usize, &[u8]) {
        let parsed = self.tail.len() - self.unparsed();
        let window = parsed.saturating_sub(MAX_SEQUENCE_BYTES);
        (window, &self.tail.make_contiguous()[window..])
    }

    fn unparsed(&self) -> usize {
        usize::try_from(self.head - self.parsed).unwrap_or(usize::MAX).min(self.tail.len())
    }

    /// Shows the screen the next `count` unparsed bytes.
    fn catch_up(&mut self, count: usize) {
        if count == 0 {
            return;
        }
        let skip = self.tail.len() - self.unparsed();
        let mut screen = self.screen.take().unwrap_or_else(|| self.begun());
        let (front, back) = self.tail.as_slices();
        let from_front = &front[skip.min(front.len())..(skip + count).min(front.len())];
        screen.process(from_front);
        let skip_back = skip.saturating_sub(front.len());
        screen.process(&back[skip_back..skip_back + (count - from_front.len())]);
        self.screen = Some(screen);
        self.drawn = None;
        self.parsed += count as u64;
    }

    /// The screen as it begins: what was drawn, or blank.
    fn begun(&self) -> Screen {
        let (rows, cols) = self.size.non_zero();
        let mut screen = Screen::new(rows, cols);
        screen.process(self.drawn.as_deref().unwrap_or_default());
        screen
    }

    fn screen_mut(&mut self) -> &mut Screen {
        let screen = self.screen.take().unwrap_or_else(|| self.begun());
        self.screen.insert(screen)
    }
}

#[cfg(test)]
mod tests;
