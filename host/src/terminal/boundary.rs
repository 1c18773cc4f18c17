//! Where a byte stream may be cut without cutting a control sequence or a character in two.
//!
//! A snapshot is valid at an offset; were that in the middle of a sequence, the rest of it would
//! be shown as text by every client that continues from there.

/// Longest unfinished sequence that is waited for; a longer one is cut all the same.
pub(crate) const MAX_SEQUENCE_BYTES: usize = 4096;
const ESC: u8 = 0x1b;
const BEL: u8 = 0x07;

/// Length of the longest prefix of `bytes` that ends outside any control sequence (ECMA-48) and any
/// UTF-8 character, given that `bytes` starts outside one.
pub(crate) fn safe_len(bytes: &[u8]) -> usize {
    let window = bytes.len().saturating_sub(MAX_SEQUENCE_BYTES);
    if let Some(at) = bytes[window..].iter().rposition(|b| *b == ESC) {
        let start = window + at;
        if !is_complete(&bytes[start..]) {
            return string_start(&bytes[window..start]).map_or(start, |s| window + s);
        }
    }
    string_start(&bytes[window..]).map_or_else(|| utf8_len(bytes), |s| window + s)
}

/// Start of a string sequence (OSC, DCS, APC, PM, SOS) that is not terminated in `bytes`.
fn string_start(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(esc) = bytes[at..].iter().position(|b| *b == ESC).map(|p| at + p) {
        let introducer = bytes.get(esc + 1)?;
        if !matches!(introducer, b']' | b'P' | b'_' | b'^' | b'X') {
            at = esc + 2;
            continue;
        }
        let body = &bytes[esc + 2..];
        let bel = (*introducer == b']').then(|| body.iter().position(|b| *b == BEL)).flatten();
        let st = body.windows(2).position(|pair| pair == [ESC, b'\\']);
        match (bel, st) {
            (Some(bel), Some(st)) if bel < st => at = esc + 2 + bel + 1,
            (_, Some(st)) => at = esc + 2 + st + 2,
            (Some(bel), None) => at = esc + 2 + bel + 1,
            (None, None) => return Some(esc),
        }
    }
    None
}

/// Whether the sequence that `bytes` starts with (an escape) ends within it.
fn is_complete(bytes: &[u8]) -> bool {
    match bytes.get(1) {
        None => false,
        Some(b'[') => bytes[2..].iter().any(|b| (0x40..=0x7e).contains(b)),
        Some(b']' | b'P' | b'_' | b'^' | b'X') => {
            bytes[2..].contains(&BEL) || bytes[2..].windows(2).any(|pair| pair == [ESC, b'\\'])
        }
        Some(0x20..=0x2f) => bytes[2..].iter().any(|b| (0x30..=0x7e).contains(b)),
        Some(_) => true,
    }
}

/// Length without a character that is cut short at the end; malformed bytes are not waited for.
fn utf8_len(bytes: &[u8]) -> usize {
    let len = bytes.len();
    for back in 1..=3.min(len) {
        let byte = bytes[len - back];
        let wanted = match byte {
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            0x80..=0xbf => continue,
            _ => return len,
        };
        return if wanted > back { len - back } else { len };
    }
    len
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_sequences_and_text_are_not_held() {
        for whole in
            ["", "abc", "a\x1b[31mred", "\x1b]0;title\x07x", "\x1b]0;t\x1b\\", "\x1b(B", "\x1b7", "é"]
        {
            assert_eq!(safe_len(whole.as_bytes()), whole.len(), "{whole:?}");
        }
    }

    #[test]
    fn an_unfinished_tail_is_held() {
        for (bytes, safe) in [
            (&b"ab\x1b"[..], 2),
            (b"ab\x1b[3", 2),
            (b"ab\x1b]0;tit", 2),
            (b"ab\x1b]0;tit\x1b", 2),
            (b"ab\x1bPq#", 2),
            (b"ab\xe2\x82", 2),
            (b"ab\xf0\x9f\x98", 2),
            (b"ab\xc3", 2),
        ] {
            assert_eq!(safe_len(bytes), safe, "{bytes:?}");
        }
    }

    #[test]
    fn an_endless_sequence_is_not_waited_for() {
        let mut bytes = b"\x1b]0;".to_vec();
        bytes.resize(3 * MAX_SEQUENCE_BYTES, b'x');
        assert_eq!(safe_len(&bytes), bytes.len());
        assert_eq!(safe_len(b"ab\xff\xbf"), 4);
    }
}
