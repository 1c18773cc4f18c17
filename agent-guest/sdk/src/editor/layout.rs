//! Where text lands on a terminal of some width.

use unicode_width::UnicodeWidthChar;

/// A character cell, counted from where the prompt begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) row: usize,
    pub(super) col: usize,
}

/// One step through a text: a character, or an escape sequence (which takes no cell).
pub(super) struct Piece<'a> {
    /// Byte offset of the text in the whole.
    pub(super) start: usize,
    pub(super) text: &'a str,
    /// Cells it takes.
    pub(super) width: usize,
    /// Where it is drawn: on the next row already, when it does not fit on this one.
    pub(super) at: Cell,
    /// Where the next one would be.
    pub(super) after: Cell,
}

/// Walks a text from `cell`. A full row wraps at once, before the next
/// character: [`Screen`](super::screen::Screen) makes terminals, which wait for it, do the same.
pub(super) struct Walk<'a> {
    text: &'a str,
    next: usize,
    cell: Cell,
    cols: usize,
}

impl<'a> Walk<'a> {
    pub(super) fn new(text: &'a str, start: usize, cell: Cell, cols: usize) -> Self {
        Self { text, next: start, cell, cols }
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        let start = self.next;
        let rest = &self.text[start..];
        let char = rest.chars().next()?;
        let (length, width) = match char {
            '\x1b' => (escape_length(rest), 0),
            char => (char.len_utf8(), char.width().unwrap_or(0).min(self.cols)),
        };
        let mut at = self.cell;
        if at.col + width > self.cols {
            at = Cell { row: at.row + 1, col: 0 };
        }
        let mut after = match char {
            '\n' => Cell { row: at.row + 1, col: 0 },
            _ => Cell { row: at.row, col: at.col + width },
        };
        if after.col == self.cols {
            after = Cell { row: after.row + 1, col: 0 };
        }
        self.next = start + length;
        self.cell = after;
        Some(Piece { start, text: &rest[..length], width, at, after })
    }
}

/// The length of the escape sequence that `text` begins with: `ESC [ .. letter`,
/// `ESC ] .. BEL` (or `ESC \`), or a few characters.
fn escape_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let end = match bytes.get(1) {
        Some(b'[') => bytes.iter().skip(2).position(|byte| (0x40..=0x7e).contains(byte)).map(|at| at + 3),
        Some(b']') => text.find('\x07').map(|at| at + 1).or_else(|| text.find("\x1b\\").map(|at| at + 2)),
        _ => text
            .char_indices()
            .skip(1)
            .find(|(_, char)| !(' '..='/').contains(char))
            .map(|(at, char)| at + char.len_utf8()),
    };
    end.unwrap_or(text.len())
}

/// Appends `text` as it is shown: control characters as `^X`, tabs as spaces, and
/// `continuation` at the start of every row but the first. Returns where
/// the byte `cursor` of `text` is in the result.
pub(super) fn push_visible(out: &mut String, text: &str, cursor: usize, continuation: &str) -> usize {
    let mut place = None;
    for (index, char) in text.char_indices() {
        if index == cursor {
            place = Some(out.len());
        }
        match char {
            '\n' => {
                out.push('\n');
                out.push_str(continuation);
            }
            '\t' => out.push_str("    "),
            '\0'..='\x1f' => {
                out.push('^');
                out.push(char::from(char as u8 + b'@'));
            }
            char if char.is_control() => out.push(char::REPLACEMENT_CHARACTER),
            char => out.push(char),
        }
    }
    place.unwrap_or(out.len())
}

/// Cells a text takes on one row.
pub(super) fn width(text: &str) -> usize {
    Walk::new(text, 0, Cell::default(), usize::MAX).map(|piece| piece.width).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(text: &str, cols: usize) -> (usize, usize) {
        let end =
            Walk::new(text, 0, Cell::default(), cols).last().map(|piece| piece.after).unwrap_or_default();
        (end.row, end.col)
    }

    #[test]
    fn rows_wrap_when_they_are_full() {
        assert_eq!(ends("", 10), (0, 0));
        assert_eq!(ends("123456789", 10), (0, 9));
        assert_eq!(ends("1234567890", 10), (1, 0));
        assert_eq!(ends("1234567890\n", 10), (2, 0));
        assert_eq!(ends("12\n3", 10), (1, 1));
        assert_eq!(ends("123456789漢", 10), (1, 2), "a wide character is not split");
        assert_eq!(ends("漢", 1), (1, 0), "wider than the terminal");
        assert_eq!(ends("e\u{301}", 10), (0, 1), "a combining mark takes no cell");
    }

    #[test]
    fn escape_sequences_take_no_cell() {
        assert_eq!(width("\x1b[1;32mok\x1b[0m"), 2);
        assert_eq!(width("\x1b]0;title\x07$ "), 2);
        assert_eq!(width("\x1b]0;title\x1b\\$ "), 2);
        assert_eq!(width("\x1b(Bx"), 1);
        assert_eq!(width("x\x1b[12"), 1);
    }

    #[test]
    fn control_characters_are_shown() {
        let mut out = String::from("$ ");
        let cursor = push_visible(&mut out, "a\x01\nb\tc", 3, "> ");
        assert_eq!((out.as_str(), cursor), ("$ a^A\n> b    c", 8));
    }
}
