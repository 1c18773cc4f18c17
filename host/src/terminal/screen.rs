//! The parsed screen of a terminal: vt100's, behind what keeps a hostile program from making it costly
//! or making it panic.
//!
//! A sequence of a few bytes can ask for a lot of work (`CSI 65535 b` repeats a character that often, also
//! on a narrow screen), so repeat counts are cut to a line and overlong sequences are dropped before the
//! parser sees them. A panic in the parser loses the screen and nothing else.

use std::{
    num::NonZeroU16,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// Longest control sequence (ECMA-48, CSI) that is passed on; programs use some tens of bytes.
const MAX_CSI_BYTES: usize = 256;
const ESC: u8 = 0x1b;

/// See the module.
pub(crate) struct Screen {
    parser: Box<vt100::Parser>,
    rows: NonZeroU16,
    cols: NonZeroU16,
    /// A sequence that is not complete yet, from its escape on.
    held: Vec<u8>,
}

impl Screen {
    pub(crate) fn new(rows: NonZeroU16, cols: NonZeroU16) -> Self {
        Self { parser: Box::new(vt100::Parser::new(rows, cols, 0)), rows, cols, held: Vec::new() }
    }

    pub(crate) fn resize(&mut self, rows: NonZeroU16, cols: NonZeroU16) {
        (self.rows, self.cols) = (rows, cols);
        self.guarded(|parser| parser.set_size(rows, cols));
    }

    /// Shows bytes that follow what it has seen.
    pub(crate) fn process(&mut self, bytes: &[u8]) {
        let mut passed = Vec::with_capacity(bytes.len() + self.held.len());
        for &byte in bytes {
            self.filter(byte, &mut passed);
        }
        self.guarded(|parser| parser.process(&passed));
    }

    /// Bytes that draw it on a fresh terminal.
    pub(crate) fn draw(&mut self) -> String {
        let mut text = String::new();
        self.guarded(|parser| {
            let screen = parser.screen();
            if screen.alternate_screen() {
                text.push_str("\x1b[?1049h");
            }
            text.push_str(&screen.state_formatted());
        });
        text
    }

    fn guarded(&mut self, work: impl FnOnce(&mut vt100::Parser)) {
        if catch_unwind(AssertUnwindSafe(|| work(&mut self.parser))).is_err() {
            tracing::warn!("the screen's parser panicked; the screen begins anew");
            *self.parser = vt100::Parser::new(self.rows, self.cols, 0);
        }
    }

    fn filter(&mut self, byte: u8, passed: &mut Vec<u8>) {
        match (self.held.len(), byte) {
            (_, ESC) => {
                // A new sequence; one that was begun is cancelled by it.
                self.held.clear();
                self.held.push(ESC);
            }
            (0, _) => passed.push(byte),
            (1, b'[') => self.held.push(byte),
            // Not a control sequence: nothing in it has a count.
            (1, _) => {
                passed.append(&mut self.held);
                passed.push(byte);
            }
            // Cancels the sequence (CAN, SUB).
            (_, 0x18 | 0x1a) => self.held.clear(),
            // Other controls act at once, inside the sequence.
            (_, 0x00..=0x1f) => passed.push(byte),
            (_, 0x40..=0x7e) => self.finish(byte, passed),
            _ if self.held.len() <= MAX_CSI_BYTES => self.held.push(byte),
            // Over the bound: swallowed up to its end.
            _ => {}
        }
    }

    fn finish(&mut self, last: u8, passed: &mut Vec<u8>) {
        let mut held = std::mem::take(&mut self.held);
        if held.len() > MAX_CSI_BYTES {
            return;
        }
        if last == b'b' {
            // REP: more than a line of the same character is not meant.
            let digits = std::str::from_utf8(&held[2..]).unwrap_or_default();
            let digits = digits.split([';', ':']).next().unwrap_or_default();
            let count = digits.parse::<u64>().unwrap_or(1).min(u64::from(self.cols.get()));
            passed.extend_from_slice(format!("\x1b[{count}b").as_bytes());
            return;
        }
        held.push(last);
        passed.append(&mut held);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn screen(cols: u16) -> Screen {
        Screen::new(NonZeroU16::new(5).unwrap(), NonZeroU16::new(cols).unwrap())
    }

    fn shown(screen: &Screen) -> String {
        screen.parser.screen().contents()
    }

    #[test]
    fn a_repeat_is_cut_to_a_line_however_it_is_split() {
        let mut whole = screen(10);
        whole.process(b"x\x1b[65535b");
        let mut split = screen(10);
        for byte in b"x\x1b[65535b" {
            split.process(&[*byte]);
        }
        assert_eq!(shown(&whole), shown(&split));
        assert_eq!(shown(&whole).matches('x').count(), 11);
    }

    #[test]
    fn an_overlong_sequence_is_dropped_and_what_follows_is_shown() {
        let mut screen = screen(10);
        screen.process(b"a\x1b[");
        screen.process(&[b'0'; 100_000]);
        screen.process(b"9b!");
        assert_eq!(shown(&screen), "a!");
    }

    #[test]
    fn ordinary_sequences_pass() {
        let mut screen = screen(10);
        screen.process(b"\x1b[31mred\x1b[0m\x1b]0;title\x07\x1b[2;1Htwo\x1b7");
        assert_eq!(shown(&screen), "red\ntwo");
        assert!(screen.draw().contains("\x1b[31m"));
    }

    #[test]
    fn a_panic_of_the_parser_costs_the_screen_only() {
        let mut screen = screen(10);
        screen.process(b"before");
        screen.guarded(|_| panic!("on purpose"));
        screen.process(b"after");
        assert_eq!(shown(&screen), "after");
    }
}
