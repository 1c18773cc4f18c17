//! Lines entered before.

use std::collections::VecDeque;

/// The most lines kept; the oldest go first.
pub const MAX_HISTORY: usize = 1_000;

/// The most bytes of lines kept, all together.
pub const MAX_HISTORY_BYTES: usize = 256 * 1024;

/// Lines entered before, oldest first, each once.
#[derive(Clone, Debug, Default)]
pub struct History {
    lines: VecDeque<String>,
    bytes: usize,
}

impl History {
    /// Adds a line as the newest. Blank lines are not kept, and an older equal one goes.
    pub fn push(&mut self, line: &str) {
        if line.trim().is_empty() || line.len() > MAX_HISTORY_BYTES {
            return;
        }
        if let Some(index) = self.lines.iter().position(|old| old == line) {
            self.lines.remove(index);
            self.bytes -= line.len();
        }
        self.lines.push_back(line.to_owned());
        self.bytes += line.len();
        while self.lines.len() > MAX_HISTORY || self.bytes > MAX_HISTORY_BYTES {
            let Some(oldest) = self.lines.pop_front() else { break };
            self.bytes -= oldest.len();
        }
    }

    /// The lines, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &str> + ExactSizeIterator {
        self.lines.iter().map(String::as_str)
    }

    /// How many lines there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The line at an index of [`History::iter`].
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&str> {
        self.lines.get(index).map(String::as_str)
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// The newest line before `end` that contains `query`.
    pub(super) fn search(&self, query: &str, end: usize) -> Option<usize> {
        (0..end.min(self.lines.len())).rev().find(|index| self.lines[*index].contains(query))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_once_and_the_newest_last() {
        let mut history = History::default();
        for line in ["a", "b", " ", "", "a"] {
            history.push(line);
        }
        assert_eq!(history.iter().collect::<Vec<_>>(), ["b", "a"]);
    }

    #[test]
    fn bounded_in_lines_and_bytes() {
        let mut history = History::default();
        for number in 0..MAX_HISTORY + 5 {
            history.push(&number.to_string());
        }
        assert_eq!((history.len(), history.get(0)), (MAX_HISTORY, Some("5")));
        history.push(&"x".repeat(MAX_HISTORY_BYTES - 4));
        assert_eq!(history.len(), 2);
        assert_eq!(history.get(0), Some("1004"));
        history.push(&"y".repeat(MAX_HISTORY_BYTES + 1));
        assert_eq!(history.len(), 2);
    }
}
