//! The agent's terminal: raw, as a VT100 is. Whoever looks sees what the agent writes,
//! and nothing is echoed by itself.

use std::fmt;

use crate::host;
pub use crate::types::{Refusal, Size};

/// The most bytes the host takes in one call; [`write()`] splits what is longer.
pub const MAX_WRITE: usize = 64 * 1024;

/// Writes bytes as they are. A line ends with `\r\n`.
///
/// # Errors
/// The host's refusal, with everything before the refused part written.
pub fn write(bytes: impl AsRef<[u8]>) -> Result<(), Refusal> {
    bytes.as_ref().chunks(MAX_WRITE).try_for_each(host::write)
}

/// The size in character cells.
#[must_use]
pub fn size() -> Size {
    host::size()
}

/// Whether Ctrl-C was typed since the current event began.
///
/// For long loops that do not await: the byte itself comes as
/// [`Event::Input`](crate::Event::Input) once the agent gives way. A call into the host, so ask every
/// few thousand turns of a fast loop.
#[must_use]
pub fn interrupted() -> bool {
    host::interrupted()
}

/// Rings; nobody can act on a bell that was refused.
pub(crate) fn bell() {
    let _ = host::write(b"\x07");
}

/// Writes formatted text with `\n` as `\r\n`. What [`print!`](crate::print) expands to.
#[doc(hidden)]
pub fn print(text: fmt::Arguments<'_>, newline: bool) {
    let mut out = String::new();
    let mut text = text.as_str().map_or_else(|| text.to_string(), str::to_owned);
    if newline {
        text.push('\n');
    }
    for piece in text.split_inclusive('\n') {
        match piece.strip_suffix('\n') {
            Some(line) => {
                out.push_str(line.strip_suffix('\r').unwrap_or(line));
                out.push_str("\r\n");
            }
            None => out.push_str(piece),
        }
    }
    // As `std::print!`, but a full terminal is no reason to end an agent.
    let _ = write(out);
}

/// Prints formatted text on the agent's terminal; `\n` becomes `\r\n`.
#[macro_export]
macro_rules! print {
    ($($arg:tt)+) => { $crate::terminal::print(::core::format_args!($($arg)+), false) };
}

/// Prints formatted text and a line end on the agent's terminal; `\n` becomes `\r\n`.
#[macro_export]
macro_rules! println {
    () => { $crate::terminal::print(::core::format_args!(""), true) };
    ($($arg:tt)+) => { $crate::terminal::print(::core::format_args!($($arg)+), true) };
}

pub use crate::{print, println};
