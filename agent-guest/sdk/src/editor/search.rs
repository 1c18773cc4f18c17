//! Ctrl-R: looking for a line in the history as its part is typed.

use super::Editor;

/// The most bytes looked for.
const MAX_QUERY: usize = 256;

#[derive(Debug)]
pub(super) struct Search {
    query: String,
    /// The line that matches, by index in the history.
    found: Option<usize>,
    /// The last step found nothing.
    failed: bool,
    /// The line and cursor from before.
    draft: (String, usize),
}

impl Search {
    pub(super) fn prompt(&self) -> String {
        let failed = if self.failed { "failed " } else { "" };
        format!("({failed}reverse-i-search)`{}': ", self.query)
    }
}

impl Editor {
    pub(super) fn search_begin(&mut self) {
        let draft = (self.buffer.text().to_owned(), self.buffer.cursor());
        self.search = Some(Search { query: String::new(), found: None, failed: false, draft });
    }

    /// Goes to the next older match.
    pub(super) fn search_older(&mut self) {
        let end = self.search.as_ref().and_then(|search| search.found).unwrap_or(usize::MAX);
        self.search_from(end);
    }

    pub(super) fn search_type(&mut self, char: char) {
        let Some(search) = &mut self.search else { return };
        if search.query.len() + char.len_utf8() > MAX_QUERY || char.is_control() {
            return;
        }
        search.query.push(char);
        // The line found so far still counts, if it has the longer part too.
        let end = search.found.map_or(usize::MAX, |found| found + 1);
        self.search_from(end);
    }

    pub(super) fn search_backspace(&mut self) {
        let Some(search) = &mut self.search else { return };
        search.query.pop();
        self.search_from(usize::MAX);
    }

    fn search_from(&mut self, end: usize) {
        let Some(search) = &mut self.search else { return };
        if search.query.is_empty() {
            (search.found, search.failed) = (None, false);
            return;
        }
        let found = self.history.search(&search.query, end);
        search.failed = found.is_none();
        if let Some(line) = found.and_then(|index| self.history.get(index)) {
            search.found = found;
            self.buffer.set_at(line, line.find(&search.query).unwrap_or(0));
        }
    }

    /// Leaves the search with the line found.
    pub(super) fn search_accept(&mut self) {
        self.search = None;
    }

    /// Leaves the search with the line from before it.
    pub(super) fn search_cancel(&mut self) {
        if let Some(search) = self.search.take() {
            self.buffer.set_at(&search.draft.0, search.draft.1);
        }
    }
}
