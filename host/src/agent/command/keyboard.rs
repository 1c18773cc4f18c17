//! A command's standard input: typed bytes in a terminal's usual mode, a line at a time.
//!
//! Typed characters are echoed, return ends a line, backspace takes the last character back, Ctrl-D hands over what
//! was typed (nothing: the end of the input), and Ctrl-C interrupts.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use tokio::{io::AsyncRead, sync::Notify};
use wasmtime_wasi::{
    cli::{IsTerminal, StdinStream},
    p2::{InputStream, Pollable, StreamError, StreamResult},
};

/// Bytes that wait to be read; what is typed beyond it stays in the mailbox.
const MAX_READY_BYTES: usize = 64 * 1024;
/// Longest line being typed; further characters are not taken, as on other terminals.
const MAX_LINE_BYTES: usize = 4096;
/// Most bytes of one read.
const MAX_READ_BYTES: usize = 64 * 1024;

const CTRL_C: u8 = 3;
const CTRL_D: u8 = 4;
const BACKSPACE: u8 = 8;
const DELETE: u8 = 127;

#[derive(Debug, Default)]
struct State {
    ready: VecDeque<u8>,
    line: Vec<u8>,
    ended: bool,
}

/// What typing came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Typed {
    /// To be shown.
    pub(super) echo: Vec<u8>,
    /// Ctrl-C was typed; what follows it was dropped.
    pub(super) interrupt: bool,
}

/// See the module. Clones are the same keyboard.
#[derive(Debug, Clone, Default)]
pub(super) struct Keyboard {
    state: Arc<Mutex<State>>,
    /// Something may be read.
    filled: Arc<Notify>,
    /// Something was read.
    emptied: Arc<Notify>,
}

impl Keyboard {
    fn state(&self) -> MutexGuard<'_, State> {
        // Only bytes are moved while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes typed bytes.
    pub(super) fn typed(&self, bytes: &[u8]) -> Typed {
        let mut typed = Typed::default();
        let mut state = self.state();
        for &byte in bytes {
            match byte {
                CTRL_C => {
                    typed.echo.extend_from_slice(b"^C\r\n");
                    typed.interrupt = true;
                    break;
                }
                CTRL_D if state.line.is_empty() => state.ended = true,
                CTRL_D => state.hand_over(),
                b'\r' | b'\n' => {
                    state.line.push(b'\n');
                    state.hand_over();
                    typed.echo.extend_from_slice(b"\r\n");
                }
                BACKSPACE | DELETE => {
                    if state.erase() {
                        typed.echo.extend_from_slice(b"\x08 \x08");
                    }
                }
                _ if state.line.len() >= MAX_LINE_BYTES => {}
                b'\t' | b' '.. => {
                    state.line.push(byte);
                    typed.echo.push(byte);
                }
                _ => {
                    state.line.push(byte);
                    typed.echo.extend_from_slice(&[b'^', byte ^ 0x40]);
                }
            }
        }
        drop(state);
        self.filled.notify_waiters();
        typed
    }

    /// Nothing more will be typed.
    pub(super) fn end(&self) {
        let mut state = self.state();
        state.hand_over();
        state.ended = true;
        drop(state);
        self.filled.notify_waiters();
    }

    /// Resolves when more may be typed.
    pub(super) async fn has_room(&self) {
        wait(&self.emptied, || self.state().ready.len() < MAX_READY_BYTES).await;
    }
}

impl State {
    fn hand_over(&mut self) {
        self.ready.extend(self.line.drain(..));
    }

    /// Takes the last character back, all of its bytes; whether there was one.
    fn erase(&mut self) -> bool {
        while let Some(byte) = self.line.pop() {
            // The bytes of a character after its first are 10xxxxxx.
            if byte & 0xc0 != 0x80 {
                return true;
            }
        }
        false
    }
}

async fn wait(changed: &Notify, is_so: impl Fn() -> bool) {
    loop {
        let notified = changed.notified();
        if is_so() {
            return;
        }
        notified.await;
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Keyboard {
    async fn ready(&mut self) {
        wait(&self.filled, || {
            let state = self.state();
            !state.ready.is_empty() || state.ended
        })
        .await;
    }
}

impl InputStream for Keyboard {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        let mut state = self.state();
        if state.ready.is_empty() {
            return if state.ended { Err(StreamError::Closed) } else { Ok(Bytes::new()) };
        }
        let count = size.min(MAX_READ_BYTES).min(state.ready.len());
        let bytes = state.ready.drain(..count).collect();
        drop(state);
        self.emptied.notify_waiters();
        Ok(bytes)
    }
}

impl IsTerminal for Keyboard {
    fn is_terminal(&self) -> bool {
        true
    }
}

impl StdinStream for Keyboard {
    fn async_stream(&self) -> Box<dyn AsyncRead + Send + Sync> {
        // Only WASI 0.3 asks for it, which is not linked.
        Box::new(tokio::io::empty())
    }

    fn p2_stream(&self) -> Box<dyn InputStream> {
        Box::new(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_edited_before_it_is_read() {
        let mut keyboard = Keyboard::default();
        assert_eq!(keyboard.typed("aé\x7fb".as_bytes()).echo, "aé\x08 \x08b".as_bytes());
        assert!(keyboard.read(10).unwrap().is_empty(), "the line is not over");
        keyboard.typed(b"\rnext");
        assert_eq!(keyboard.read(10).unwrap(), "ab\n");
        assert_eq!(keyboard.typed(b"\x04").echo, b"");
        assert_eq!(keyboard.read(10).unwrap(), "next");
        keyboard.typed(b"\x04");
        assert!(matches!(keyboard.read(10), Err(StreamError::Closed)));
    }

    #[test]
    fn ctrl_c_interrupts() {
        let typed = Keyboard::default().typed(b"x\x03y");
        assert_eq!(typed, Typed { echo: b"x^C\r\n".to_vec(), interrupt: true });
    }
}
