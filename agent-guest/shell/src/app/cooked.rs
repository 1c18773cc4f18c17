//! What a terminal's line discipline does for a program that reads lines: echo, rubbing out, end of file.

use unicode_width::UnicodeWidthChar as _;

/// Longest line; more rings.
const MAX_LINE_BYTES: usize = 4096;

const INTERRUPT: u8 = 0x03;

/// What a typed byte completed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Cooked {
    /// Bytes for the reader: a line, or what there was at Ctrl-D.
    Line(Vec<u8>),
    /// Ctrl-D at the start of a line.
    End,
}

/// The line being typed.
#[derive(Debug, Default)]
pub(super) struct Discipline {
    line: Vec<u8>,
    returned: bool,
}

impl Discipline {
    /// Takes one byte; what to echo is added to `echo`.
    pub(super) fn feed(&mut self, byte: u8, echo: &mut Vec<u8>) -> Option<Cooked> {
        let returned = std::mem::replace(&mut self.returned, byte == b'\r');
        match byte {
            // One key on some terminals.
            b'\n' if returned => None,
            b'\r' | b'\n' => {
                echo.extend(b"\r\n");
                self.line.push(b'\n');
                Some(Cooked::Line(std::mem::take(&mut self.line)))
            }
            0x04 if self.line.is_empty() => Some(Cooked::End),
            0x04 => Some(Cooked::Line(std::mem::take(&mut self.line))),
            0x08 | 0x7f => {
                self.rub_out(echo);
                None
            }
            // Ctrl-U and Ctrl-W.
            0x15 => {
                while !self.line.is_empty() {
                    self.rub_out(echo);
                }
                None
            }
            0x17 => {
                while self.line.last() == Some(&b' ') {
                    self.rub_out(echo);
                }
                while self.line.last().is_some_and(|last| *last != b' ') {
                    self.rub_out(echo);
                }
                None
            }
            INTERRUPT => None,
            _ if self.line.len() >= MAX_LINE_BYTES => {
                echo.push(0x07);
                None
            }
            byte => {
                self.line.push(byte);
                match byte {
                    b'\t' => echo.push(b'\t'),
                    0..0x20 => echo.extend([b'^', byte + 0x40]),
                    byte => echo.push(byte),
                }
                None
            }
        }
    }

    fn rub_out(&mut self, echo: &mut Vec<u8>) {
        let start = self.line.iter().rposition(|byte| byte & 0xc0 != 0x80).unwrap_or(0);
        let last = self.line.split_off(start);
        let width = match std::str::from_utf8(&last).ok().and_then(|text| text.chars().next()) {
            // A tab is as wide as it was; one cell is better than a wrong guess.
            Some('\t') => 1,
            Some(c) if c.is_control() => 2,
            Some(c) => c.width().unwrap_or(0),
            None => usize::from(!last.is_empty()),
        };
        for _ in 0..width {
            echo.extend(b"\x08 \x08");
        }
    }

    /// What was typed and not yet read.
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.line)
    }
}
