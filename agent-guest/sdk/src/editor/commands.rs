//! What each key does.

use super::completion::{common_prefix, list};
use super::{Action, Browsing, Completer, Editor, Key, Last};

impl Editor {
    /// Does what a key means; an [`Action`] ends the line.
    pub(super) fn press(&mut self, key: Key, completer: &dyn Completer, out: &mut String) -> Option<Action> {
        if self.search.is_some() {
            match key {
                Key::Char(char) | Key::Pasted(char) => self.search_type(char),
                Key::Ctrl('r') => self.search_older(),
                Key::Backspace => self.search_backspace(),
                Key::Ctrl('g') => self.search_cancel(),
                _ => {
                    self.search_accept();
                    return self.press(key, completer, out);
                }
            }
            return None;
        }
        let last = std::mem::take(&mut self.last);
        match key {
            Key::Enter => return self.enter(completer, out),
            Key::Ctrl('c') => {
                let end = self.buffer.text().len();
                self.buffer.move_to(end);
                self.draw(out);
                out.push_str("^C");
                self.finish(out);
                self.buffer.take();
                return Some(Action::Interrupt);
            }
            Key::Ctrl('d') if self.buffer.text().is_empty() => {
                self.finish(out);
                return Some(Action::Eof);
            }
            Key::Tab => self.complete(completer, last == Last::Tab, out),
            Key::Ctrl('l') => {
                out.push_str("\x1b[H\x1b[2J");
                self.screen.forget();
            }
            Key::Up | Key::Ctrl('p') => {
                if !self.buffer.up() && !self.older() {
                    out.push('\x07');
                }
            }
            Key::Down | Key::Ctrl('n') => {
                if !self.buffer.down() && !self.newer() {
                    out.push('\x07');
                }
            }
            Key::Ctrl('r') => self.search_begin(),
            key => self.edit(key, last == Last::Kill, out),
        }
        None
    }

    /// Keys that only move and change text; `again` says that the key before was a kill.
    fn edit(&mut self, key: Key, again: bool, out: &mut String) {
        let buffer = &mut self.buffer;
        let mut done = true;
        match key {
            Key::Left | Key::Ctrl('b') => buffer.left(),
            Key::Right | Key::Ctrl('f') => buffer.right(),
            Key::Home | Key::Ctrl('a') => buffer.home(),
            Key::End | Key::Ctrl('e') => buffer.end(),
            Key::WordLeft | Key::Alt('b') => buffer.move_to(buffer.word_before()),
            Key::WordRight | Key::Alt('f') => buffer.move_to(buffer.word_after()),
            Key::Backspace => done = buffer.backspace(),
            Key::Delete | Key::Ctrl('d') => done = buffer.delete(),
            Key::Ctrl('t') => done = buffer.transpose(),
            Key::Ctrl('y') => done = buffer.yank(),
            Key::Ctrl('k') => buffer.kill_to_end(again),
            Key::Ctrl('u') => buffer.kill_to_start(again),
            Key::Ctrl('w') => buffer.kill_to(buffer.argument_before(), again),
            Key::AltBackspace => buffer.kill_to(buffer.word_before(), again),
            Key::Alt('d') => buffer.kill_to(buffer.word_after(), again),
            _ => {}
        }
        if matches!(key, Key::Ctrl('k' | 'u' | 'w') | Key::AltBackspace | Key::Alt('d')) {
            self.last = Last::Kill;
        }
        if !done {
            out.push('\x07');
        }
    }

    fn enter(&mut self, completer: &dyn Completer, out: &mut String) -> Option<Action> {
        if completer.incomplete(self.buffer.text()) {
            let end = self.buffer.text().len();
            self.buffer.move_to(end);
            if !self.buffer.insert("\n") {
                out.push('\x07');
            }
            return None;
        }
        self.finish(out);
        Some(Action::Line(self.buffer.take()))
    }

    /// Shows the line before in the history; whether there is one.
    fn older(&mut self) -> bool {
        let index = self.browsing.as_ref().map_or(self.history.len(), |browsing| browsing.index);
        let Some(index) = index.checked_sub(1) else { return false };
        let Some(line) = self.history.get(index) else { return false };
        match &mut self.browsing {
            Some(browsing) => browsing.index = index,
            None => self.browsing = Some(Browsing { index, draft: self.buffer.text().to_owned() }),
        }
        self.buffer.set(line);
        true
    }

    /// Shows the line after in the history, at last the one that was being written.
    fn newer(&mut self) -> bool {
        let Some(browsing) = &mut self.browsing else { return false };
        browsing.index += 1;
        if let Some(line) = self.history.get(browsing.index) {
            self.buffer.set(line);
        } else if let Some(browsing) = self.browsing.take() {
            self.buffer.set(&browsing.draft);
        }
        true
    }

    fn complete(&mut self, completer: &dyn Completer, again: bool, out: &mut String) {
        let cursor = self.buffer.cursor();
        let completion = completer.complete(self.buffer.text(), cursor);
        let start = self.buffer.text().floor_char_boundary(completion.start.min(cursor));
        let word = &self.buffer.text()[start..cursor];
        let candidates = &completion.candidates;
        let prefix = common_prefix(candidates);
        match candidates.as_slice() {
            [] => out.push('\x07'),
            [only] => {
                let space = if only.open { "" } else { " " };
                if !self.buffer.replace_before(start, &format!("{}{space}", only.text)) {
                    out.push('\x07');
                }
            }
            _ if prefix.len() > word.len() => {
                self.buffer.replace_before(start, prefix);
                self.last = Last::Tab;
            }
            several if again => {
                self.draw(out);
                self.screen.leave(out);
                out.push_str(&list(several, self.screen.cols()));
            }
            _ => {
                out.push('\x07');
                self.last = Last::Tab;
            }
        }
    }
}
