//! From bytes to keys; sequences may be split anywhere.

/// The longest escape sequence worth keeping, in bytes; longer ones are swallowed.
const MAX_SEQUENCE: usize = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// Something to insert.
    Char(char),
    /// Something to insert that came by bracketed paste, line ends included.
    Pasted(char),
    /// Ctrl and a letter, in lower case.
    Ctrl(char),
    /// Alt (or Escape, then) a character.
    Alt(char),
    Enter,
    Tab,
    Backspace,
    Delete,
    Left,
    Right,
    Up,
    Down,
    Home,
    End,
    WordLeft,
    WordRight,
    AltBackspace,
    /// A sequence that means nothing here.
    Unknown,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Ground,
    /// Inside a UTF-8 character: the bytes so far and how many there will be.
    Utf8(Vec<u8>, usize),
    Escape,
    /// After `ESC [`: parameters so far.
    Csi(Vec<u8>),
    /// After `ESC O`.
    Ss3,
}

#[derive(Debug, Default)]
pub(super) struct Decoder {
    state: State,
    pasting: bool,
    /// The last pasted character was a carriage return: a line feed after it is the same line end.
    pasted_return: bool,
}

impl Decoder {
    /// Takes one byte. Two keys come of a byte that ends a broken character and is itself one.
    pub(super) fn feed(&mut self, byte: u8) -> [Option<Key>; 2] {
        match std::mem::take(&mut self.state) {
            State::Ground => [self.ground(byte), None],
            State::Utf8(bytes, length) => self.utf8(bytes, length, byte),
            State::Escape => [self.escape(byte), None],
            State::Csi(parameters) => [self.csi(parameters, byte), None],
            State::Ss3 => [Some(letter(byte, false)), None],
        }
    }

    /// Takes what follows as typed again.
    pub(super) fn end_paste(&mut self) {
        self.pasting = false;
    }

    fn ground(&mut self, byte: u8) -> Option<Key> {
        match byte {
            0x1b => {
                self.state = State::Escape;
                None
            }
            0x80.. => {
                let length = match byte {
                    0xc2..=0xdf => 2,
                    0xe0..=0xef => 3,
                    0xf0..=0xf4 => 4,
                    _ => return self.char(char::REPLACEMENT_CHARACTER),
                };
                self.state = State::Utf8(vec![byte], length);
                None
            }
            _ if self.pasting => self.char(char::from(byte)),
            b'\r' | b'\n' => Some(Key::Enter),
            b'\t' => Some(Key::Tab),
            0x08 | 0x7f => Some(Key::Backspace),
            0x01..=0x1a => Some(Key::Ctrl(char::from(byte - 1 + b'a'))),
            0x20..=0x7e => Some(Key::Char(char::from(byte))),
            _ => Some(Key::Unknown),
        }
    }

    /// A character as typed, or as pasted: then control characters other than
    /// tabs and line ends are dropped, so that a paste cannot press keys.
    fn char(&mut self, char: char) -> Option<Key> {
        if !self.pasting {
            return Some(Key::Char(char));
        }
        let after_return = std::mem::replace(&mut self.pasted_return, char == '\r');
        match char {
            '\n' if after_return => None,
            '\r' | '\n' => Some(Key::Pasted('\n')),
            '\t' => Some(Key::Pasted('\t')),
            char if char.is_control() => None,
            char => Some(Key::Pasted(char)),
        }
    }

    fn utf8(&mut self, mut bytes: Vec<u8>, length: usize, byte: u8) -> [Option<Key>; 2] {
        if byte & 0xc0 != 0x80 {
            return [self.char(char::REPLACEMENT_CHARACTER), self.ground(byte)];
        }
        bytes.push(byte);
        if bytes.len() < length {
            self.state = State::Utf8(bytes, length);
            return [None, None];
        }
        let char = std::str::from_utf8(&bytes).ok().and_then(|text| text.chars().next());
        [self.char(char.unwrap_or(char::REPLACEMENT_CHARACTER)), None]
    }

    fn escape(&mut self, byte: u8) -> Option<Key> {
        match byte {
            b'[' => self.state = State::Csi(Vec::new()),
            b'O' => self.state = State::Ss3,
            0x1b => self.state = State::Escape,
            _ if self.pasting => return None,
            0x08 | 0x7f => return Some(Key::AltBackspace),
            b'\r' | b'\n' => return Some(Key::Enter),
            0x20..=0x7e => return Some(Key::Alt(char::from(byte).to_ascii_lowercase())),
            // Escape before a control key or a letter that is not ASCII: just that key.
            _ => return self.ground(byte),
        }
        None
    }

    fn csi(&mut self, mut parameters: Vec<u8>, byte: u8) -> Option<Key> {
        match byte {
            0x20..=0x3f => {
                if parameters.len() < MAX_SEQUENCE {
                    parameters.push(byte);
                }
                self.state = State::Csi(parameters);
                None
            }
            b'~' => self.tilde(&parameters),
            0x40..=0x7e if self.pasting => None,
            // Modifier 5 is Ctrl, 3 is Alt: both move by words.
            b'A'..=b'H' => Some(letter(byte, parameters.ends_with(b";5") || parameters.ends_with(b";3"))),
            0x40..=0x7e => Some(Key::Unknown),
            // Not part of any sequence: a broken one ends here.
            _ => self.ground(byte),
        }
    }

    fn tilde(&mut self, parameters: &[u8]) -> Option<Key> {
        match parameters {
            b"200" => {
                self.pasting = true;
                self.pasted_return = false;
                None
            }
            b"201" => {
                self.pasting = false;
                None
            }
            _ if self.pasting => None,
            b"1" | b"7" => Some(Key::Home),
            b"4" | b"8" => Some(Key::End),
            b"3" => Some(Key::Delete),
            _ => Some(Key::Unknown),
        }
    }
}

fn letter(byte: u8, word: bool) -> Key {
    match byte {
        b'A' => Key::Up,
        b'B' => Key::Down,
        b'C' if word => Key::WordRight,
        b'C' => Key::Right,
        b'D' if word => Key::WordLeft,
        b'D' => Key::Left,
        b'F' => Key::End,
        b'H' => Key::Home,
        _ => Key::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(bytes: &[u8]) -> Vec<Key> {
        let mut decoder = Decoder::default();
        bytes.iter().flat_map(|byte| decoder.feed(*byte)).flatten().collect()
    }

    #[test]
    fn characters_and_their_broken_forms() {
        use Key::Char;
        assert_eq!(keys("aé漢🙂".as_bytes()), [Char('a'), Char('é'), Char('漢'), Char('🙂')]);
        assert_eq!(keys(b"\xffa"), [Char('\u{fffd}'), Char('a')]);
        assert_eq!(keys(b"\xc3a"), [Char('\u{fffd}'), Char('a')]);
        assert_eq!(keys(b"\xe6\xbc\r"), [Char('\u{fffd}'), Key::Enter]);
        assert_eq!(keys(b"\xed\xa0\x80"), [Char('\u{fffd}')], "a surrogate");
        assert_eq!(keys(b"\xc3\x1b[A"), [Char('\u{fffd}'), Key::Up]);
    }

    #[test]
    fn control_keys_and_sequences() {
        use Key::*;
        assert_eq!(
            keys(b"\x01\x1a\r\n\t\x7f\x08"),
            [Ctrl('a'), Ctrl('z'), Enter, Enter, Tab, Backspace, Backspace]
        );
        assert_eq!(keys(b"\x1b[A\x1bOB\x1b[C\x1bOD"), [Up, Down, Right, Left]);
        assert_eq!(keys(b"\x1b[H\x1b[4~\x1b[3~\x1b[1~\x1bOF"), [Home, End, Delete, Home, End]);
        assert_eq!(
            keys(b"\x1b[1;5C\x1b[1;3D\x1bb\x1bF\x1b\x7f"),
            [WordRight, WordLeft, Alt('b'), Alt('f'), AltBackspace]
        );
        assert_eq!(keys(b"\x1b[5~\x1b[12;34Rx"), [Unknown, Unknown, Char('x')]);
        assert_eq!(keys(b"\x1b[12\rx"), [Enter, Char('x')], "a broken sequence");
        assert_eq!(keys(&[b"\x1b[", [b'9'; 1000].as_slice(), b"~a"].concat()), [Unknown, Char('a')]);
    }

    #[test]
    fn a_paste_inserts_and_presses_nothing() {
        use Key::{Enter, Pasted};
        let expected =
            [Pasted('a'), Pasted('\n'), Pasted('b'), Pasted('\t'), Pasted('\n'), Pasted('é'), Enter];
        assert_eq!(keys("\x1b[200~a\r\nb\t\n\x03\x1b[A\x1bxé\x1b[201~\r".as_bytes()), expected);
    }
}
