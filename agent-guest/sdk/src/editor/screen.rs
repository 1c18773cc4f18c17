//! Draws the edited line with few bytes: only what differs from what is there.

use std::fmt::Write as _;

use unicode_width::UnicodeWidthChar;

use super::layout::{Cell, Walk};

/// Clears from the cursor to the end of the screen.
const CLEAR_BELOW: &str = "\x1b[J";

/// Takes a terminal that has filled a row, and waits for the next character to
/// wrap, to the start of the next row.
const WRAP: &str = " \r";

#[derive(Debug)]
pub(super) struct Screen {
    cols: usize,
    /// Rows a text may take; of a longer one a window is shown.
    height: usize,
    drawn: String,
    /// First row of the window into the text.
    top: usize,
    /// Where the terminal's cursor is, counted from the window's first cell.
    cursor: Cell,
}

impl Screen {
    pub(super) fn new(cols: u16, rows: u16) -> Self {
        let mut screen = Self { cols: 1, height: 1, drawn: String::new(), top: 0, cursor: Cell::default() };
        screen.set_size(cols, rows);
        screen
    }

    pub(super) fn set_size(&mut self, cols: u16, rows: u16) {
        self.cols = usize::from(cols.max(1));
        // One row stays free for the cursor after a full last row.
        self.height = usize::from(rows.max(2)) - 1;
    }

    pub(super) fn cols(&self) -> usize {
        self.cols
    }

    /// Forgets what was drawn: the cursor is at the start of an empty row.
    pub(super) fn forget(&mut self) {
        self.drawn.clear();
        self.cursor = Cell::default();
    }

    /// Begins a new text at the start of an empty row.
    pub(super) fn begin(&mut self) {
        self.forget();
        self.top = 0;
    }

    /// Shows `text` with the cursor before its byte `cursor`. The first `fixed`
    /// bytes (the prompt, which may be coloured) are drawn whole or not at all.
    pub(super) fn draw(&mut self, out: &mut String, text: &str, fixed: usize, cursor: usize) {
        let (mut place, mut end) = (None, Cell::default());
        for piece in Walk::new(text, 0, Cell::default(), self.cols) {
            if piece.start == cursor {
                place = Some(piece.at);
            }
            end = piece.after;
        }
        let mut place = place.unwrap_or(end);

        let top = self.window(place.row, end.row + 1);
        let (mut window, mut fixed) = (text, fixed);
        if end.row >= self.height {
            window = self.cut(text, top);
            place.row -= top;
        }
        if top > 0 {
            fixed = 0;
        }
        if top != self.top {
            self.top = top;
            self.move_to(out, Cell::default());
            if !self.drawn.is_empty() {
                out.push_str(CLEAR_BELOW);
            }
            self.drawn.clear();
        }
        if self.drawn != window {
            self.update(out, window, fixed);
        }
        self.move_to(out, place);
    }

    /// The window's first row, moved as little as the cursor needs.
    fn window(&self, cursor: usize, rows: usize) -> usize {
        let lowest = rows.saturating_sub(self.height);
        self.top.min(cursor).max((cursor + 1).saturating_sub(self.height)).min(lowest)
    }

    /// The rows of `text` in the window that begins at `top`.
    fn cut<'a>(&self, text: &'a str, top: usize) -> &'a str {
        let (mut start, mut end) = (text.len(), text.len());
        let bottom = top + self.height;
        for piece in Walk::new(text, 0, Cell::default(), self.cols) {
            if piece.at.row >= top && start == text.len() {
                start = piece.start;
            }
            // The last row's own line end would open one more row.
            if piece.at.row >= bottom || (piece.text == "\n" && piece.after.row >= bottom) {
                end = piece.start;
                break;
            }
        }
        &text[start.min(end)..end]
    }

    fn update(&mut self, out: &mut String, text: &str, fixed: usize) {
        let same = self.unchanged(text, fixed);
        // The last place up to there where drawing can begin, and its cell.
        let (mut begin, mut cell, mut before) = (0, Cell::default(), Cell::default());
        for piece in Walk::new(text, 0, Cell::default(), self.cols).take_while(|piece| piece.start <= same) {
            if !is_mark(piece.text) {
                (begin, cell) = (piece.start, before);
            }
            before = piece.after;
        }
        if same == text.len() {
            (begin, cell) = (same, before);
        }
        self.move_to(out, cell);
        if self.drawn.len() > begin {
            out.push_str(CLEAR_BELOW);
        }
        self.cursor = self.write(out, text, begin, cell);
        self.drawn.clear();
        self.drawn.push_str(text);
    }

    /// How many bytes at the start need no drawing.
    fn unchanged(&self, text: &str, fixed: usize) -> usize {
        let pairs = self.drawn.bytes().zip(text.bytes());
        let mut same = text.floor_char_boundary(pairs.take_while(|(old, new)| old == new).count());
        if same < fixed {
            return 0;
        }
        // A mark on the last unchanged character changes that character.
        if self.drawn.get(same..).is_some_and(is_mark) {
            same = text[..same].char_indices().next_back().map_or(0, |(index, _)| index);
        }
        same
    }

    /// Writes `text` from byte `begin`, which is at `cell`; returns where the cursor is then.
    fn write(&self, out: &mut String, text: &str, begin: usize, mut cell: Cell) -> Cell {
        let mut waiting = false;
        for piece in Walk::new(text, begin, cell, self.cols) {
            if piece.text == "\n" {
                out.push_str(if waiting { " \r\r\n" } else { "\r\n" });
                waiting = false;
            } else {
                if piece.at.row > cell.row {
                    // Too wide for what is left of the row: blank that, so that nothing old shows.
                    out.extend(std::iter::repeat_n(' ', self.cols - cell.col));
                }
                out.push_str(piece.text);
                if piece.width > 0 {
                    waiting = piece.after.col == 0;
                }
            }
            cell = piece.after;
        }
        if waiting {
            out.push_str(WRAP);
        }
        cell
    }

    fn move_to(&mut self, out: &mut String, to: Cell) {
        let from = std::mem::replace(&mut self.cursor, to);
        match to.row.abs_diff(from.row) {
            0 => {}
            1 if to.row < from.row => out.push_str("\x1b[A"),
            1 => out.push_str("\x1b[B"),
            rows => _ = write!(out, "\x1b[{rows}{}", if to.row < from.row { 'A' } else { 'B' }),
        }
        match to.col.abs_diff(from.col) {
            0 => {}
            _ if to.col == 0 => out.push('\r'),
            cols @ 1..=3 if to.col < from.col => out.extend(std::iter::repeat_n('\x08', cols)),
            1 => out.push_str("\x1b[C"),
            cols => _ = write!(out, "\x1b[{cols}{}", if to.col < from.col { 'D' } else { 'C' }),
        }
    }

    /// Moves to the row below everything drawn.
    pub(super) fn leave(&mut self, out: &mut String) {
        let end = Walk::new(&self.drawn, 0, Cell::default(), self.cols).last();
        self.move_to(out, end.map(|piece| piece.after).unwrap_or_default());
        out.push_str("\r\n");
        self.forget();
    }

    /// Takes everything drawn away.
    pub(super) fn erase(&mut self, out: &mut String) {
        self.move_to(out, Cell::default());
        if !self.drawn.is_empty() {
            out.push_str(CLEAR_BELOW);
        }
        self.forget();
    }
}

/// Whether a text begins with something drawn onto the character before it.
fn is_mark(text: &str) -> bool {
    text.chars().next().is_some_and(|char| char.width() == Some(0))
}
