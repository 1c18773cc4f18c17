//! This terminal: raw while attached, as it was afterwards, whatever happens in between.

use std::{
    io::{self, IsTerminal as _, Read as _, Write as _},
    os::fd::AsFd as _,
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
};
use wire::terminal::{COLS, ROWS};

/// Bytes of one read; a paste comes in several.
const READ_BYTES: usize = 4096;
/// Reads that wait to be taken.
const READS: usize = 16;
/// Undoes what an agent may have switched on: the other screen (not by 1049, which would move the cursor), colours, a hidden cursor, mouse reports,
/// bracketed paste, application keys.
const RESET: &[u8] =
    b"\x1b[?47l\x1b[0m\x1b[?25h\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?2004l\x1b[?1l\x1b>";

/// The modes to go back to; shared with the panic hook.
type Saved = Arc<Mutex<Option<Termios>>>;

/// What comes from the person.
#[derive(Debug)]
pub(super) enum Input {
    /// Typed, or piped.
    Bytes(Vec<u8>),
    /// Standard input is at its end.
    End,
    /// The window has a new size.
    Resized,
    /// The process is asked to end.
    Hangup,
}

/// See the module. Dropped, it restores the terminal.
#[derive(Debug)]
pub(super) struct Tty {
    saved: Saved,
    interactive: bool,
    bytes: mpsc::Receiver<Vec<u8>>,
    resized: Signal,
    hangups: [Signal; 3],
}

impl Tty {
    /// Makes the terminal raw, if standard input is one, and begins to read.
    pub(super) fn open() -> io::Result<Self> {
        let stdin = io::stdin();
        let interactive = stdin.is_terminal();
        let saved: Saved = Arc::default();
        if interactive {
            let before = tcgetattr(stdin.as_fd())?;
            let mut raw = before.clone();
            raw.make_raw();
            *saved.lock().unwrap_or_else(PoisonError::into_inner) = Some(before);
            restore_on_panic(saved.clone());
            tcsetattr(stdin.as_fd(), OptionalActions::Flush, &raw)?;
        }
        let hangups = [
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
            signal(SignalKind::interrupt())?,
        ];
        let resized = signal(SignalKind::window_change())?;
        Ok(Self { saved, interactive, bytes: read(), resized, hangups })
    }

    /// Whether a person types.
    pub(super) fn is_interactive(&self) -> bool {
        self.interactive
    }

    /// What comes next; safe to drop half-way.
    pub(super) async fn next(&mut self) -> Input {
        let [terminate, hangup, interrupt] = &mut self.hangups;
        tokio::select! {
            bytes = self.bytes.recv() => bytes.map_or(Input::End, Input::Bytes),
            _ = self.resized.recv() => Input::Resized,
            _ = terminate.recv() => Input::Hangup,
            _ = hangup.recv() => Input::Hangup,
            _ = interrupt.recv() => Input::Hangup,
        }
    }

    /// Columns and rows, when output is a terminal.
    pub(super) fn size(&self) -> Option<(u16, u16)> {
        let size = tcgetwinsize(io::stdout().as_fd()).ok()?;
        let cols = size.ws_col.clamp(*COLS.start(), *COLS.end());
        let rows = size.ws_row.clamp(*ROWS.start(), *ROWS.end());
        (size.ws_col > 0 && size.ws_row > 0).then_some((cols, rows))
    }

    /// Shows bytes.
    pub(super) fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes)?;
        stdout.flush()
    }

    /// Makes the terminal what it was.
    pub(super) fn restore(&self) {
        restore(&self.saved);
    }
}

impl Drop for Tty {
    fn drop(&mut self) {
        self.restore();
    }
}

fn restore(saved: &Saved) {
    // Taken, so that it happens once.
    let before = saved.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(before) = before {
        let mut stdout = io::stdout().lock();
        let _ =
            stdout.write_all(RESET).and_then(|()| stdout.write_all(b"\r\n")).and_then(|()| stdout.flush());
        let _ = tcsetattr(io::stdin().as_fd(), OptionalActions::Flush, &before);
    }
}

/// The message of a panic is for a terminal in its normal modes.
fn restore_on_panic(saved: Saved) {
    let previous = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        restore(&saved);
        previous(panic);
    }));
}

/// Reads standard input on a thread of its own: a read there cannot be given up.
fn read() -> mpsc::Receiver<Vec<u8>> {
    let (send, receive) = mpsc::channel(READS);
    thread::spawn(move || {
        let mut stdin = io::stdin().lock();
        let mut buffer = [0; READ_BYTES];
        loop {
            match stdin.read(&mut buffer) {
                Ok(0) => return,
                Ok(read) => {
                    if send.blocking_send(buffer[..read].to_vec()).is_err() {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    });
    receive
}
