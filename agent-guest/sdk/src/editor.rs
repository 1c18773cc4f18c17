//! A line editor: bytes typed in, bytes to draw out, lines when they are entered.
//!
//! [`Editor`] is a pure state machine and reads and writes nothing;
//! [`Editor::read_line`] connects it to the agent's terminal.
//!
//! Keys: arrows, Home, End, Ctrl-A/E/B/F; Alt-B/F and Ctrl-arrows by words; Backspace, Delete, Ctrl-D/H;
//! Ctrl-K/U/W, Alt-D, Alt-Backspace kill and Ctrl-Y yanks; Ctrl-T swaps; Up, Down, Ctrl-P/N and Ctrl-R
//! are the history; Tab completes and, pressed again, lists; Ctrl-L clears the screen; Alt-Enter or an
//! [incomplete](Completer::incomplete) line begins another row. Pastes are inserted and press nothing.
//!
//! ```
//! use agent::editor::{Action, Editor};
//!
//! let mut editor = Editor::new(agent::Size { cols: 80, rows: 24 });
//! let mut screen = editor.begin("$ ");
//! let step = editor.feed(b"ecko\x08\x08ho\x1b[D\x0bo\r", &());
//! screen.extend(step.output);
//! assert_eq!(step.action, Some(Action::Line("echo".to_owned())));
//! ```

use crate::types::Size;

mod buffer;
mod commands;
mod completion;
mod history;
mod keys;
mod layout;
mod read;
mod screen;
mod search;

use buffer::Buffer;
pub use completion::{Candidate, Completer, Completion, MAX_LISTED};
pub use history::{History, MAX_HISTORY, MAX_HISTORY_BYTES};
use keys::{Decoder, Key};
use screen::Screen;
use search::Search;

/// The most bytes of one line; what is typed beyond it rings.
pub const MAX_LINE: usize = 64 * 1024;

/// Asks the terminal to mark pastes, while a line is edited.
const PASTE_ON: &str = "\x1b[?2004h";
const PASTE_OFF: &str = "\x1b[?2004l";

/// What Ctrl-C sends.
const INTERRUPT: u8 = 0x03;

/// How an edited line ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Enter: the line, without its end; rows in it are separated by `\n`.
    Line(String),
    /// Ctrl-C: the line was abandoned.
    Interrupt,
    /// Ctrl-D on an empty line: the end of input.
    Eof,
}

/// What came of some bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// To be written to the terminal.
    pub output: Vec<u8>,
    /// How many of the bytes were used: fewer than all only when `action` is
    /// there. The rest is type-ahead, for whatever reads next.
    pub consumed: usize,
    /// Set when the line has ended; call [`Editor::begin`] for the next.
    pub action: Option<Action>,
}

/// What the key before was, where it matters to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Last {
    #[default]
    Other,
    Kill,
    Tab,
}

/// A place in the history, and the line that was being written before.
#[derive(Debug)]
struct Browsing {
    index: usize,
    draft: String,
}

/// A line editor for one terminal.
#[derive(Debug)]
pub struct Editor {
    prompt: String,
    continuation: String,
    decoder: Decoder,
    buffer: Buffer,
    history: History,
    browsing: Option<Browsing>,
    search: Option<Search>,
    screen: Screen,
    last: Last,
    /// Enter came as a carriage return: a line feed right after it is the same key.
    after_return: bool,
    editing: bool,
}

impl Editor {
    /// An editor for a terminal of this size.
    #[must_use]
    pub fn new(size: Size) -> Self {
        Self {
            prompt: String::new(),
            continuation: "> ".to_owned(),
            decoder: Decoder::default(),
            buffer: Buffer::default(),
            history: History::default(),
            browsing: None,
            search: None,
            screen: Screen::new(size.cols, size.rows),
            last: Last::Other,
            after_return: false,
            editing: false,
        }
    }

    /// Sets what begins every row of a line after its first. `> ` at first.
    pub fn set_continuation(&mut self, continuation: &str) {
        continuation.clone_into(&mut self.continuation);
    }

    /// The lines entered before. The editor only reads it: push the lines worth keeping.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.history
    }

    /// The history, to add to it.
    pub fn history_mut(&mut self) -> &mut History {
        &mut self.history
    }

    /// The line as it is now.
    #[must_use]
    pub fn line(&self) -> &str {
        self.buffer.text()
    }

    /// Begins an empty line and returns what draws it. The terminal's cursor
    /// must be at the start of a row. The prompt may have colours and rows.
    pub fn begin(&mut self, prompt: &str) -> Vec<u8> {
        prompt.clone_into(&mut self.prompt);
        self.buffer.take();
        self.browsing = None;
        self.search = None;
        self.last = Last::Other;
        self.editing = true;
        self.screen.begin();
        let mut out = PASTE_ON.to_owned();
        self.draw(&mut out);
        out.into_bytes()
    }

    /// Takes typed bytes, up to the end of the line.
    pub fn feed(&mut self, bytes: &[u8], completer: &dyn Completer) -> Step {
        let mut out = String::new();
        let mut typed = String::new();
        let mut action = None;
        let mut consumed = 0;
        if !self.editing {
            return Step::default();
        }
        if bytes == [INTERRUPT] {
            // By itself it was typed: the way out of a paste whose end got lost.
            self.decoder.end_paste();
        }
        for byte in bytes {
            consumed += 1;
            if std::mem::take(&mut self.after_return) && *byte == b'\n' {
                continue;
            }
            for key in self.decoder.feed(*byte).into_iter().flatten() {
                // Runs of characters go in at once: a paste costs one move of the text.
                if let Key::Char(char) | Key::Pasted(char) = key
                    && self.search.is_none()
                {
                    typed.push(char);
                    continue;
                }
                self.insert(&mut typed, &mut out);
                action = self.press(key, completer, &mut out);
            }
            if action.is_some() {
                // A line feed after the return is the same key, now or in the next event.
                self.after_return = *byte == b'\r';
                if self.after_return && bytes.get(consumed) == Some(&b'\n') {
                    self.after_return = false;
                    consumed += 1;
                }
                break;
            }
        }
        self.insert(&mut typed, &mut out);
        if action.is_none() {
            self.draw(&mut out);
        }
        Step { output: out.into_bytes(), consumed, action }
    }

    fn insert(&mut self, typed: &mut String, out: &mut String) {
        if !typed.is_empty() {
            self.last = Last::Other;
            if !self.buffer.insert(typed) {
                out.push('\x07');
            }
            typed.clear();
        }
    }

    /// Draws for a new size. (Terminals leave the rows around the cursor to whoever edits there.)
    pub fn resize(&mut self, size: Size) -> Vec<u8> {
        let mut out = String::new();
        if self.editing {
            self.screen.erase(&mut out);
        }
        self.screen.set_size(size.cols, size.rows);
        if self.editing {
            self.draw(&mut out);
        }
        out.into_bytes()
    }

    /// Takes the line off the screen, so that something else can be printed above it.
    pub fn erase(&mut self) -> Vec<u8> {
        let mut out = String::new();
        self.screen.erase(&mut out);
        out.into_bytes()
    }

    /// Draws the line again, after [`Editor::erase`] and from the start of a row.
    pub fn redraw(&mut self) -> Vec<u8> {
        let mut out = String::new();
        if self.editing {
            self.draw(&mut out);
        }
        out.into_bytes()
    }

    fn draw(&mut self, out: &mut String) {
        let prompt = match &self.search {
            Some(search) => &search.prompt(),
            None => &self.prompt,
        };
        let mut text = prompt.clone();
        let cursor =
            layout::push_visible(&mut text, self.buffer.text(), self.buffer.cursor(), &self.continuation);
        self.screen.draw(out, &text, prompt.len(), cursor);
    }

    /// Ends the line: the cursor goes to the row below it.
    fn finish(&mut self, out: &mut String) {
        self.search = None;
        self.draw(out);
        self.screen.leave(out);
        out.push_str(PASTE_OFF);
        self.editing = false;
    }
}
