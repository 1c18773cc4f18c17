//! A terminal's output as an append-only, numbered byte log with a bounded tail, and its screen.
//!
//! The screen is parsed late: while an agent is not looked at, its bytes only wait in the tail, so
//! an idle agent costs what it printed and not a grid of cells.

use std::{collections::VecDeque, num::NonZeroU16};

use wire::terminal::{COLS, ROWS};

use super::{boundary::safe_len, screen::Screen};

/// Output kept for clients that come back at an offset; older bytes are dropped, and such a client
/// gets a snapshot instead.
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

/// What is left of a terminal by a planned stop; `host/src/persist.rs` writes it down.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Kept {
    pub(crate) generation: u64,
    pub(crate) offset: u64,
    pub(crate) cols: u16,
    pub(crate) rows: u16,
    pub(crate) screen: String,
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
    head: u64,
    /// Offset of the first byte the screen has not seen.
    parsed: u64,
    tail: VecDeque<u8>,
    screen: Option<Screen>,
    size: Size,
}

impl std::fmt::Debug for TerminalLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TerminalLog").field("generation", &self.generation).field("head", &self.head).finish()
    }
}

impl TerminalLog {
    pub(crate) fn new(size: Size) -> Self {
        Self { generation: 1, head: 0, parsed: 0, tail: VecDeque::new(), screen: None, size }
    }

    /// Goes on where a planned stop left it: same generation and offsets, nothing repeated.
    pub(crate) fn restore(kept: &Kept) -> Self {
        let size = Size::clamped(kept.cols, kept.rows);
        let mut log = Self {
            generation: kept.generation,
            head: kept.offset,
            parsed: kept.offset,
            tail: VecDeque::new(),
            screen: None,
            size,
        };
        log.screen_mut().process(kept.screen.as_bytes());
        log
    }

    pub(crate) fn keep(&mut self) -> Kept {
        let (_, screen) = self.snapshot();
        Kept {
            generation: self.generation,
            // Nothing follows the last byte, so a cut sequence at the end does not matter here.
            offset: self.head,
            cols: self.size.cols,
            rows: self.size.rows,
            screen,
        }
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation
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
        let excess = self.tail.len().saturating_sub(TAIL_BYTES);
        if excess > 0 {
            self.tail.drain(..excess);
        }
    }

    /// A new size; the same one changes nothing and answers false.
    pub(crate) fn resize(&mut self, size: Size) -> bool {
        if size == self.size {
            return false;
        }
        // What was printed before was printed for the old size.
        self.catch_up(self.unparsed());
        self.size = size;
        if let Some(screen) = &mut self.screen {
            let (rows, cols) = size.non_zero();
            screen.resize(rows, cols);
        }
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
    pub(crate) fn snapshot(&mut self) -> (u64, String) {
        let safe = {
            let unparsed = self.unparsed();
            let slice = self.unparsed_bytes();
            safe_len(&slice[..unparsed.min(slice.len())])
        };
        self.catch_up(safe);
        let mut text = self.screen_mut().draw();
        text.truncate(text.floor_char_boundary(MAX_SNAPSHOT_BYTES));
        (self.parsed, text)
    }

    fn unparsed(&self) -> usize {
        usize::try_from(self.head - self.parsed).unwrap_or(usize::MAX).min(self.tail.len())
    }

    fn unparsed_bytes(&mut self) -> &[u8] {
        let skip = self.tail.len() - self.unparsed();
        &self.tail.make_contiguous()[skip..]
    }

    /// Shows the screen the next `count` unparsed bytes.
    fn catch_up(&mut self, count: usize) {
        if count == 0 {
            return;
        }
        let skip = self.tail.len() - self.unparsed();
        let (rows, cols) = self.size.non_zero();
        let screen = self.screen.get_or_insert_with(|| Screen::new(rows, cols));
        let (front, back) = self.tail.as_slices();
        let from_front = &front[skip.min(front.len())..(skip + count).min(front.len())];
        screen.process(from_front);
        let skip_back = skip.saturating_sub(front.len());
        screen.process(&back[skip_back..skip_back + (count - from_front.len())]);
        self.parsed += count as u64;
    }

    fn screen_mut(&mut self) -> &mut Screen {
        let (rows, cols) = self.size.non_zero();
        self.screen.get_or_insert_with(|| Screen::new(rows, cols))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn screen_of(bytes: &[u8], size: Size) -> String {
        let (rows, cols) = size.non_zero();
        let mut parser = vt100::Parser::new(rows, cols, 0);
        parser.process(bytes);
        parser.screen().contents()
    }

    #[test]
    fn a_reader_at_an_offset_gets_what_follows() {
        let mut log = TerminalLog::new(Size::DEFAULT);
        log.append(b"hello ");
        log.append(b"world");
        assert_eq!(log.read(6, 100), Tail::Bytes(b"world".to_vec()));
        assert_eq!(log.read(6, 2), Tail::Bytes(b"wo".to_vec()));
        assert_eq!(log.read(11, 100), Tail::AtHead);
    }

    #[test]
    fn the_tail_is_bounded_and_a_late_reader_is_told() {
        let mut log = TerminalLog::new(Size::DEFAULT);
        for _ in 0..100 {
            log.append(&[b'x'; 4096]);
        }
        assert_eq!(log.head() - log.tail(), TAIL_BYTES as u64);
        assert_eq!(log.read(0, 10), Tail::Behind { tail: log.tail() });
    }

    #[test]
    fn a_snapshot_never_cuts_a_sequence() {
        let mut log = TerminalLog::new(Size::DEFAULT);
        log.append(b"abc\x1b[3");
        let (offset, _) = log.snapshot();
        assert_eq!(offset, 3);
        log.append(b"1mred");
        let (offset, text) = log.snapshot();
        assert_eq!(offset, 11);
        assert!(text.contains("\x1b[31m"), "{text:?}");
    }

    #[test]
    fn an_alternate_screen_is_entered_before_it_is_drawn() {
        let mut log = TerminalLog::new(Size::DEFAULT);
        log.append(b"shell\x1b[?1049heditor");
        assert!(log.snapshot().1.starts_with("\x1b[?1049h"));
    }

    #[test]
    fn a_planned_stop_keeps_positions_and_screen() {
        let mut log = TerminalLog::new(Size::clamped(40, 10));
        log.append(b"one\r\ntwo");
        let kept = log.keep();
        let mut back = TerminalLog::restore(&kept);
        assert_eq!((back.generation(), back.head(), back.size()), (1, 8, log.size()));
        assert_eq!(back.snapshot(), log.snapshot());
    }

    proptest! {
        /// A snapshot, then the bytes after it, is the screen of all bytes; wherever it was taken.
        #[test]
        fn snapshot_plus_rest_is_the_whole(
            parts in prop::collection::vec(prop_oneof![
                "[a-z ]{0,30}", Just("\r\n".to_owned()), Just("\x1b[31m".to_owned()),
                Just("\x1b[2;3H".to_owned()), Just("é界".to_owned()), Just("\x1b[K".to_owned()),
            ], 1..60),
            cut in 0usize..600,
        ) {
            let all: Vec<u8> = parts.concat().into_bytes();
            let cut = cut.min(all.len());
            let mut log = TerminalLog::new(Size::DEFAULT);
            log.append(&all[..cut]);
            let (offset, text) = log.snapshot();
            let mut replay = text.into_bytes();
            log.append(&all[cut..]);
            if let Tail::Bytes(rest) = log.read(offset, usize::MAX) {
                replay.extend(rest);
            }
            prop_assert_eq!(screen_of(&replay, Size::DEFAULT), screen_of(&all, Size::DEFAULT));
        }
    }
}
