//! The line being edited: text, cursor and what was killed.

use unicode_width::UnicodeWidthChar;

use super::MAX_LINE;

/// In which direction text was killed, so that kills in a row add up in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kill {
    Forward,
    Backward,
}

#[derive(Debug, Default)]
pub(super) struct Buffer {
    text: String,
    /// Byte offset; always between characters as a reader sees them.
    cursor: usize,
    killed: String,
}

impl Buffer {
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn cursor(&self) -> usize {
        self.cursor
    }

    pub(super) fn set(&mut self, text: &str) {
        self.set_at(text, text.len());
    }

    pub(super) fn set_at(&mut self, text: &str, cursor: usize) {
        self.text.clear();
        self.text.push_str(text);
        self.cursor = cursor.min(text.len());
    }

    pub(super) fn take(&mut self) -> String {
        self.cursor = 0;
        std::mem::take(&mut self.text)
    }

    /// Inserts at the cursor as much as fits; whether that was all.
    pub(super) fn insert(&mut self, text: &str) -> bool {
        let mut length = text.len().min(MAX_LINE.saturating_sub(self.text.len()));
        while !text.is_char_boundary(length) {
            length -= 1;
        }
        self.text.insert_str(self.cursor, &text[..length]);
        self.cursor += length;
        length == text.len()
    }

    /// Replaces from `start` to the cursor.
    pub(super) fn replace_before(&mut self, start: usize, text: &str) -> bool {
        self.text.replace_range(start..self.cursor, "");
        self.cursor = start;
        self.insert(text)
    }

    /// The start of the character before `at`, with its combining marks.
    fn before(&self, at: usize) -> usize {
        let mut chars = self.text[..at].char_indices().rev();
        chars.find(|(_, char)| char.width() != Some(0)).map_or(0, |(index, _)| index)
    }

    /// The end of the character after `at`, with its combining marks.
    fn after(&self, at: usize) -> usize {
        let mut chars = self.text[at..].char_indices().skip(1);
        chars.find(|(_, char)| char.width() != Some(0)).map_or(self.text.len(), |(index, _)| at + index)
    }

    /// Where the cursor's row of a text of several rows begins.
    fn row_start(&self) -> usize {
        self.text[..self.cursor].rfind('\n').map_or(0, |newline| newline + 1)
    }

    fn row_end(&self) -> usize {
        self.text[self.cursor..].find('\n').map_or(self.text.len(), |newline| self.cursor + newline)
    }

    pub(super) fn left(&mut self) {
        self.cursor = self.before(self.cursor);
    }

    pub(super) fn right(&mut self) {
        self.cursor = self.after(self.cursor);
    }

    pub(super) fn home(&mut self) {
        self.cursor = self.row_start();
    }

    pub(super) fn end(&mut self) {
        self.cursor = self.row_end();
    }

    /// Moves to the row above; whether there is one.
    pub(super) fn up(&mut self) -> bool {
        let start = self.row_start();
        if start == 0 {
            return false;
        }
        let column = self.text[start..self.cursor].chars().count();
        self.cursor = start - 1;
        self.cursor = self.at_column(self.row_start(), column);
        true
    }

    /// Moves to the row below; whether there is one.
    pub(super) fn down(&mut self) -> bool {
        let end = self.row_end();
        if end == self.text.len() {
            return false;
        }
        let column = self.text[self.row_start()..self.cursor].chars().count();
        self.cursor = self.at_column(end + 1, column);
        true
    }

    /// The place `column` characters into the row that begins at `start`, or its end.
    fn at_column(&self, start: usize, column: usize) -> usize {
        let row = self.text[start..].split('\n').next().unwrap_or_default();
        row.char_indices().nth(column).map_or(start + row.len(), |(index, _)| start + index)
    }

    /// The start of the word before the cursor.
    pub(super) fn word_before(&self) -> usize {
        self.skip_back(char::is_alphanumeric)
    }

    /// The same with words as whitespace separates them.
    pub(super) fn argument_before(&self) -> usize {
        self.skip_back(|char| !char.is_whitespace())
    }

    fn skip_back(&self, inside: fn(char) -> bool) -> usize {
        let before = &self.text[..self.cursor];
        let before = before.trim_end_matches(|char| !inside(char));
        before.trim_end_matches(inside).len()
    }

    /// The end of the word after the cursor.
    pub(super) fn word_after(&self) -> usize {
        let after = &self.text[self.cursor..];
        let after = after.trim_start_matches(|char: char| !char.is_alphanumeric());
        self.text.len() - after.trim_start_matches(char::is_alphanumeric).len()
    }

    pub(super) fn move_to(&mut self, at: usize) {
        self.cursor = at.min(self.text.len());
    }

    /// Deletes the character before the cursor; whether there was one.
    pub(super) fn backspace(&mut self) -> bool {
        let start = self.before(self.cursor);
        let any = start < self.cursor;
        self.text.replace_range(start..self.cursor, "");
        self.cursor = start;
        any
    }

    /// Deletes the character after the cursor; whether there was one.
    pub(super) fn delete(&mut self) -> bool {
        let end = self.after(self.cursor);
        let any = end > self.cursor;
        self.text.replace_range(self.cursor..end, "");
        any
    }

    /// Kills between the cursor and `to`; `again` adds to the last kill.
    pub(super) fn kill_to(&mut self, to: usize, again: bool) {
        let (range, kill) = if to < self.cursor {
            (to..self.cursor, Kill::Backward)
        } else {
            (self.cursor..to, Kill::Forward)
        };
        let start = range.start;
        let text: String = self.text.drain(range).collect();
        self.cursor = start;
        match kill {
            _ if !again => self.killed = text,
            Kill::Forward => self.killed.push_str(&text),
            Kill::Backward => self.killed.insert_str(0, &text),
        }
        self.killed.truncate(self.killed.floor_char_boundary(MAX_LINE));
    }

    pub(super) fn kill_to_start(&mut self, again: bool) {
        self.kill_to(self.row_start(), again);
    }

    pub(super) fn kill_to_end(&mut self, again: bool) {
        let end = self.row_end();
        // At the end of a row the line end itself goes, which joins the rows.
        let end = if end == self.cursor { self.after(end) } else { end };
        self.kill_to(end, again);
    }

    pub(super) fn yank(&mut self) -> bool {
        let killed = std::mem::take(&mut self.killed);
        let all = self.insert(&killed);
        self.killed = killed;
        all
    }

    /// Swaps the characters around the cursor (at the end: the last two) and moves on.
    pub(super) fn transpose(&mut self) -> bool {
        let middle = if self.cursor == self.text.len() { self.before(self.cursor) } else { self.cursor };
        let (start, end) = (self.before(middle), self.after(middle));
        if start == middle || middle == end {
            return false;
        }
        let swapped = format!("{}{}", &self.text[middle..end], &self.text[start..middle]);
        self.text.replace_range(start..end, &swapped);
        self.cursor = end;
        true
    }
}
