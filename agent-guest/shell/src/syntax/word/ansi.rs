//! `$'..'`, and the escapes it shares with `echo -e` and `printf`.

/// One escape, after its backslash.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Escape {
    Byte(u8),
    Char(char),
    /// `\c`: nothing after it is printed.
    Stop,
}

/// Reads the escape at the start of `text`; how long it is. `None`: no escape, the backslash stands for itself.
///
/// `leading_zero`: `\0101` as `echo` and `%b` have it, and not only `\101`.
pub(crate) fn escape(text: &str, leading_zero: bool) -> Option<(Escape, usize)> {
    let c = text.chars().next()?;
    let byte = |b| Some((Escape::Byte(b), 1));
    match c {
        'a' => byte(7),
        'b' => byte(8),
        'e' | 'E' => byte(27),
        'f' => byte(12),
        'n' => byte(b'\n'),
        'r' => byte(b'\r'),
        't' => byte(b'\t'),
        'v' => byte(11),
        '\\' => byte(b'\\'),
        'c' => Some((Escape::Stop, 1)),
        '0'..='7' => {
            let skip = usize::from(leading_zero && c == '0');
            let (value, length) = digits(&text[skip..], 8, 3);
            Some((Escape::Byte(value.to_le_bytes()[0]), skip + length))
        }
        'x' => match digits(&text[1..], 16, 2) {
            (_, 0) => None,
            (value, length) => Some((Escape::Byte(value.to_le_bytes()[0]), 1 + length)),
        },
        'u' | 'U' => match digits(&text[1..], 16, if c == 'u' { 4 } else { 8 }) {
            (_, 0) => None,
            (value, length) => {
                Some((Escape::Char(char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER)), 1 + length))
            }
        },
        _ => None,
    }
}

fn digits(text: &str, radix: u32, most: usize) -> (u32, usize) {
    let mut value = 0_u32;
    let mut length = 0;
    for digit in text.chars().take(most).map_while(|c| c.to_digit(radix)) {
        value = value.wrapping_mul(radix).wrapping_add(digit);
        length += 1;
    }
    (value, length)
}

/// The text up to the closing quote, and the length with it.
pub(super) fn unquote(text: &str) -> Option<(String, usize)> {
    let mut bytes = Vec::new();
    let mut at = 0;
    loop {
        let c = text[at..].chars().next()?;
        at += c.len_utf8();
        match c {
            '\'' => return Some((String::from_utf8_lossy(&bytes).into_owned(), at)),
            '\\' => match (escape(&text[at..], false), text[at..].chars().next()?) {
                (_, quote @ ('\'' | '"' | '?')) => {
                    bytes.extend(quote.encode_utf8(&mut [0; 4]).bytes());
                    at += 1;
                }
                (Some((Escape::Stop, _)), _) => {
                    // Here `\cx` is Control-x.
                    let control = text[at + 1..].chars().next()?;
                    bytes.push(control.to_ascii_uppercase() as u8 & 0x1f);
                    at += 1 + control.len_utf8();
                }
                (Some((Escape::Byte(byte), length)), _) => {
                    bytes.push(byte);
                    at += length;
                }
                (Some((Escape::Char(c), length)), _) => {
                    bytes.extend(c.encode_utf8(&mut [0; 4]).bytes());
                    at += length;
                }
                (None, _) => bytes.push(b'\\'),
            },
            c => bytes.extend(c.encode_utf8(&mut [0; 4]).bytes()),
        }
    }
}
