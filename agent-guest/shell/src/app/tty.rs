//! The terminal, shared by the prompt and by whatever runs.

use std::{
    cell::RefCell,
    collections::VecDeque,
    io,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use agent::{
    Size,
    editor::{Action, Completer, Editor},
};

use super::cooked::{Cooked, Discipline};
use crate::io::{CHUNK_BYTES, Reader, Sink, Source, Writer};

/// Most typed bytes kept until somebody reads; more ring.
const MAX_TYPED_BYTES: usize = 64 * 1024;
/// A writer gives way after this many bytes, so that a flood can be interrupted.
const BURST_BYTES: usize = 64 * 1024;

const INTERRUPT: u8 = 0x03;

struct State {
    editor: Editor,
    /// A prompt is being edited: output goes above it.
    prompting: bool,
    /// The cursor is at the start of a row.
    clean: bool,
    /// Bytes nobody has looked at.
    typed: VecDeque<u8>,
    discipline: Discipline,
    /// Cooked, for the next read.
    ready: VecDeque<u8>,
    /// Ctrl-D was typed for the next read.
    ended: bool,
    reader: Option<Waker>,
    burst: usize,
}

/// The agent's terminal; clones are the same one.
#[derive(Clone)]
pub(super) struct Tty(Rc<RefCell<State>>);

impl Tty {
    pub(super) fn new(size: Size) -> Self {
        Self(Rc::new(RefCell::new(State {
            editor: Editor::new(size),
            prompting: false,
            clean: true,
            typed: VecDeque::new(),
            discipline: Discipline::default(),
            ready: VecDeque::new(),
            ended: false,
            reader: None,
            burst: 0,
        })))
    }

    /// Standard input of a job in front.
    pub(super) fn reader(&self) -> Reader {
        Reader::new(Input(self.clone()))
    }

    /// Standard output.
    pub(super) fn writer(&self) -> Writer {
        Writer::new(Output(self.clone()))
    }

    /// Adds lines to what the editor remembers.
    pub(super) fn remember(&self, lines: &[impl AsRef<str>]) {
        let mut state = self.0.borrow_mut();
        lines.iter().for_each(|line| state.editor.history_mut().push(line.as_ref()));
    }

    /// Prints text; above the prompt, if there is one.
    pub(super) fn print(&self, text: &str) {
        // A terminal that refuses has nowhere to say so.
        let _ = self.0.borrow_mut().print(text.as_bytes());
    }

    /// A dim line of the shell's own.
    pub(super) fn note(&self, text: &str) {
        let mut state = self.0.borrow_mut();
        let fresh = if state.clean || state.prompting { "" } else { "\n" };
        let _ = state.print(format!("{fresh}\x1b[2m{text}\x1b[0m\n").as_bytes());
    }

    /// Begins a prompt, on a row of its own.
    pub(super) fn begin(&self, prompt: &str) {
        let mut state = self.0.borrow_mut();
        // What a job did not read is the beginning of the next line.
        let mut ahead: VecDeque<u8> = std::mem::take(&mut state.ready);
        ahead.extend(state.discipline.take());
        ahead.append(&mut state.typed);
        state.typed = ahead;
        state.ended = false;
        state.reader = None;
        let mut out = Vec::new();
        if !state.clean {
            out.extend("\x1b[2m\u{23ce}\x1b[0m\r\n".bytes());
        }
        out.extend(state.editor.begin(prompt));
        state.prompting = true;
        let _ = agent::terminal::write(out);
    }

    /// Gives the editor what was typed; how its line ended, if it did.
    pub(super) fn feed(&self, completer: &dyn Completer) -> Option<Action> {
        let bytes: Vec<u8> = self.0.borrow_mut().typed.drain(..).collect();
        if bytes.is_empty() {
            return None;
        }
        // Out of the cell while the completer looks around.
        let size = agent::terminal::size();
        let mut editor = std::mem::replace(&mut self.0.borrow_mut().editor, Editor::new(size));
        let step = editor.feed(&bytes, completer);
        let mut state = self.0.borrow_mut();
        state.editor = editor;
        state.typed.extend(&bytes[step.consumed..]);
        let _ = agent::terminal::write(step.output);
        if step.action.is_some() {
            state.prompting = false;
            state.clean = true;
        }
        step.action
    }

    /// Typed at the prompt.
    pub(super) fn typed(&self, bytes: &[u8]) {
        self.0.borrow_mut().keep(bytes);
    }

    /// Typed beside a job, or before it began; whether Ctrl-C was.
    pub(super) fn typed_beside(&self, bytes: &[u8]) -> bool {
        let mut state = self.0.borrow_mut();
        state.keep(bytes);
        match state.typed.iter().rposition(|byte| *byte == INTERRUPT) {
            Some(at) => {
                // As a terminal does: what was typed before is gone with the job.
                state.typed.drain(..=at);
                state.ready.clear();
                state.discipline.take();
                true
            }
            None => {
                state.cook();
                false
            }
        }
    }

    /// Shows that Ctrl-C was taken.
    pub(super) fn interrupted(&self) {
        let _ = self.0.borrow_mut().print(b"^C\n");
    }

    pub(super) fn resize(&self, size: Size) {
        let out = self.0.borrow_mut().editor.resize(size);
        let _ = agent::terminal::write(out);
    }
}

impl State {
    fn keep(&mut self, bytes: &[u8]) {
        let room = MAX_TYPED_BYTES.saturating_sub(self.typed.len());
        if bytes.len() > room && bytes.contains(&INTERRUPT) {
            // However much was typed, a way out is left.
            self.typed.clear();
            self.typed.push_back(INTERRUPT);
            return;
        }
        if bytes.len() > room {
            let _ = agent::terminal::write(b"\x07");
        }
        self.typed.extend(&bytes[..bytes.len().min(room)]);
    }

    fn print(&mut self, bytes: &[u8]) -> Result<(), agent::terminal::Refusal> {
        let mut out = if self.prompting { self.editor.erase() } else { Vec::new() };
        out.reserve(bytes.len() + 16);
        for byte in bytes {
            if *byte == b'\n' {
                out.push(b'\r');
            }
            out.push(*byte);
        }
        if let Some(last) = bytes.last() {
            self.clean = *last == b'\n';
        }
        if self.prompting {
            if !self.clean {
                out.extend(b"\r\n");
            }
            out.extend(self.editor.redraw());
        }
        agent::terminal::write(out)
    }

    /// While somebody reads, turns what was typed into lines.
    fn cook(&mut self) {
        if self.reader.is_none() {
            return;
        }
        let mut echo = Vec::new();
        let mut done = false;
        while !done && let Some(byte) = self.typed.pop_front() {
            match self.discipline.feed(byte, &mut echo) {
                Some(Cooked::Line(line)) => {
                    self.ready.extend(line);
                    done = true;
                }
                Some(Cooked::End) => {
                    self.ended = true;
                    done = true;
                }
                None => {}
            }
        }
        if let Some(last) = echo.last() {
            self.clean = *last == b'\n';
            let _ = agent::terminal::write(echo);
        }
        if done && let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

struct Input(Tty);

impl Source for Input {
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Vec<u8>>> {
        let mut state = self.0.0.borrow_mut();
        if state.ready.is_empty() && !state.ended {
            state.reader = Some(cx.waker().clone());
            // There may be lines typed ahead.
            state.cook();
        }
        if !state.ready.is_empty() {
            state.reader = None;
            return Poll::Ready(Ok(state.ready.drain(..).collect()));
        }
        if std::mem::take(&mut state.ended) {
            state.reader = None;
            return Poll::Ready(Ok(Vec::new()));
        }
        Poll::Pending
    }
}

struct Output(Tty);

impl Sink for Output {
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut state = self.0.0.borrow_mut();
        if state.burst >= BURST_BYTES {
            state.burst = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let n = bytes.len().min(CHUNK_BYTES);
        state.burst += n;
        Poll::Ready(match state.print(&bytes[..n]) {
            Ok(()) => Ok(n),
            Err(refusal) => Err(io::Error::other(refusal.reason)),
        })
    }

    fn is_terminal(&self) -> bool {
        true
    }
}
