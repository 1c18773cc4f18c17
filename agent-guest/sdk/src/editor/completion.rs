//! Completing words: the trait an agent implements, and how candidates are listed.

use std::fmt::Write as _;

use super::layout::width;

/// The most candidates listed; the rest is counted.
pub const MAX_LISTED: usize = 200;

/// One way a word may go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// What replaces the word, quoted as the line needs it.
    pub text: String,
    /// What the list shows.
    pub display: String,
    /// Whether more of the same word follows, as after a directory: no space is added.
    pub open: bool,
}

impl Candidate {
    /// A candidate that is listed as it is inserted, with a space after it.
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { display: text.clone(), text, open: false }
    }

    /// Lists it as something shorter.
    #[must_use]
    pub fn shown_as(mut self, display: impl Into<String>) -> Self {
        self.display = display.into();
        self
    }

    /// Adds no space after it.
    #[must_use]
    pub fn open(mut self) -> Self {
        self.open = true;
        self
    }
}

/// What a [`Completer`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completion {
    /// Byte offset in the line where the word to be replaced begins; it ends at the cursor.
    pub start: usize,
    /// In the order they are listed.
    pub candidates: Vec<Candidate>,
}

/// What an editor asks the agent while a line is edited.
pub trait Completer {
    /// How the word before byte `cursor` of `line` may go on.
    fn complete(&self, line: &str, cursor: usize) -> Completion {
        let _ = (line, cursor);
        Completion::default()
    }

    /// Whether Enter should begin another row, because the line is not finished yet.
    fn incomplete(&self, line: &str) -> bool {
        let _ = line;
        false
    }
}

/// Completes nothing and takes every line.
impl Completer for () {}

/// What all candidates begin with.
pub(super) fn common_prefix(candidates: &[Candidate]) -> &str {
    let Some((first, rest)) = candidates.split_first() else { return "" };
    let length = rest.iter().fold(first.text.len(), |length, other| {
        let pairs = first.text.bytes().zip(other.text.bytes());
        pairs.take(length).take_while(|(a, b)| a == b).count()
    });
    &first.text[..first.text.floor_char_boundary(length)]
}

/// Candidates in columns, filled downwards, every row ended.
pub(super) fn list(candidates: &[Candidate], cols: usize) -> String {
    let shown = &candidates[..candidates.len().min(MAX_LISTED)];
    let widest = shown.iter().map(|candidate| width(&candidate.display)).max().unwrap_or(0);
    let columns = (cols / (widest + 2)).max(1);
    let rows = shown.len().div_ceil(columns);
    let mut out = String::new();
    for row in 0..rows {
        let mut padding = 0;
        for candidate in shown.iter().skip(row).step_by(rows) {
            out.extend(std::iter::repeat_n(' ', padding));
            out.extend(candidate.display.chars().filter(|char| !char.is_control()));
            padding = (widest + 2).saturating_sub(width(&candidate.display));
        }
        out.push_str("\r\n");
    }
    if candidates.len() > shown.len() {
        let _ = write!(out, "... and {} more\r\n", candidates.len() - shown.len());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(names: &[&str]) -> Vec<Candidate> {
        names.iter().copied().map(Candidate::new).collect()
    }

    #[test]
    fn prefixes_end_between_characters() {
        assert_eq!(common_prefix(&candidates(&[])), "");
        assert_eq!(common_prefix(&candidates(&["main.rs"])), "main.rs");
        assert_eq!(common_prefix(&candidates(&["main.rs", "make", "mad"])), "ma");
        assert_eq!(common_prefix(&candidates(&["é", "è"])), "", "they share a byte");
    }

    #[test]
    fn columns_fill_downwards() {
        assert_eq!(list(&candidates(&["a", "bb", "c", "d", "e"]), 13), "a   c   e\r\nbb  d\r\n");
        assert_eq!(list(&candidates(&["long-name", "x"]), 4), "long-name\r\nx\r\n");
    }

    #[test]
    fn long_lists_are_counted() {
        let many: Vec<_> = (0..MAX_LISTED + 3).map(|number| Candidate::new(number.to_string())).collect();
        assert!(list(&many, 80).ends_with("... and 3 more\r\n"));
    }
}
