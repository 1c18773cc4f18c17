//! `tr`, over bytes.

use std::iter::Peekable;

use super::{misuse, options, streams::Out};
use crate::command::{Call, Failure};

pub(crate) async fn run(call: &Call) -> Result<u8, Failure> {
    let long = [("complement", 'c'), ("delete", 'd'), ("squeeze-repeats", 's'), ("truncate-set1", 't')];
    let options = options::parse(call, "+cCdst", &long)?;
    let table = Table::new(call, &options)?;
    let mut out = Out::new(call);
    let mut last = None;
    loop {
        out.before_read().await?;
        let bytes = call.stdin.read().await?;
        if bytes.is_empty() {
            return out.finish().await;
        }
        out.put(table.apply(&bytes, &mut last)).await?;
    }
}

/// What happens to each byte.
struct Table {
    map: [u8; 256],
    delete: [bool; 256],
    squeeze: [bool; 256],
}

impl Table {
    fn new(call: &Call, options: &options::Options) -> Result<Self, Failure> {
        let delete = options.has('d');
        let squeeze = options.has('s');
        let complement = options.last_of("cC").is_some();
        let (first, second) = match &options.operands[..] {
            [] => return Err(misuse(call, "missing operand")),
            [first] if !delete && !squeeze => {
                return Err(misuse(call, format_args!("missing operand after '{first}'")));
            }
            [first] => (first, None),
            [first, second] if !delete || squeeze => (first, Some(second)),
            [_, extra] | [_, _, extra, ..] => {
                return Err(misuse(call, format_args!("extra operand '{extra}'")));
            }
        };
        let fail = |text: String| Failure::Message(1, text);
        let mut from = set(first, None).map_err(fail)?;
        if complement {
            from = (0..=255).filter(|byte| !from.contains(byte)).collect();
        }
        let to = second.map(|text| set(text, Some(from.len()))).transpose().map_err(fail)?;
        let mut table =
            Self { map: std::array::from_fn(identity), delete: [false; 256], squeeze: [false; 256] };
        let squeezed = to.as_ref().unwrap_or(&from);
        if squeeze {
            squeezed.iter().for_each(|byte| table.squeeze[usize::from(*byte)] = true);
        }
        if delete {
            from.iter().for_each(|byte| table.delete[usize::from(*byte)] = true);
        } else if let Some(to) = to {
            let Some(last) = to.last() else {
                return Err(fail("when not truncating set1, string2 must be non-empty".to_owned()));
            };
            if options.has('t') {
                from.truncate(to.len());
            }
            for (index, byte) in from.iter().enumerate() {
                table.map[usize::from(*byte)] = *to.get(index).unwrap_or(last);
            }
        }
        Ok(table)
    }

    fn apply(&self, bytes: &[u8], last: &mut Option<u8>) -> Vec<u8> {
        let mut result = Vec::with_capacity(bytes.len());
        for byte in bytes {
            if self.delete[usize::from(*byte)] {
                continue;
            }
            let byte = self.map[usize::from(*byte)];
            if *last == Some(byte) && self.squeeze[usize::from(byte)] {
                continue;
            }
            *last = Some(byte);
            result.push(byte);
        }
        result
    }
}

fn identity(index: usize) -> u8 {
    u8::try_from(index).unwrap_or_default()
}

/// The bytes of a set: ranges, classes, escapes and, in the second set, `[x*n]` repetitions that fill up
/// to the length of the first.
fn set(text: &str, fill: Option<usize>) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    let mut filler = None;
    while let Some(first) = rest.first() {
        if *first == b'[' {
            if let Some((name, after)) = delimited(rest, b':') {
                bytes.extend(class(name)?);
                rest = after;
                continue;
            }
            if let Some((name, after)) = delimited(rest, b'=') {
                bytes.extend_from_slice(name);
                rest = after;
                continue;
            }
            if fill.is_some()
                && let Some((byte, count, after)) = repetition(rest)
            {
                match count {
                    Some(count) => bytes.extend(std::iter::repeat_n(byte, count)),
                    None => filler = Some((bytes.len(), byte)),
                }
                rest = after;
                continue;
            }
        }
        let from = unit(&mut rest);
        if let [b'-', _, ..] = rest {
            rest = &rest[1..];
            let to = unit(&mut rest);
            if to < from {
                let show = |byte: u8| char::from(byte).escape_default().to_string();
                return Err(format!(
                    "range-endpoints of '{}-{}' are in reverse collating sequence order",
                    show(from),
                    show(to)
                ));
            }
            bytes.extend(from..=to);
        } else {
            bytes.push(from);
        }
    }
    if let (Some((at, byte)), Some(want)) = (filler, fill) {
        let missing = want.saturating_sub(bytes.len());
        bytes.splice(at..at, std::iter::repeat_n(byte, missing));
    }
    Ok(bytes)
}

/// `[:name:]rest` as `(name, rest)`, for either mark.
fn delimited(text: &[u8], mark: u8) -> Option<(&[u8], &[u8])> {
    let body = text.strip_prefix(&[b'[', mark])?;
    let end = body.windows(2).position(|pair| pair == [mark, b']'])?;
    Some((&body[..end], &body[end + 2..]))
}

/// `[x*5]rest` as `(x, 5, rest)`; without a number, as often as needed.
fn repetition(text: &[u8]) -> Option<(u8, Option<usize>, &[u8])> {
    /// Repetitions beyond the 256 bytes there are change nothing.
    const MOST: usize = 256;
    let mut rest = &text[1..];
    let byte = unit(&mut rest);
    let rest = rest.strip_prefix(b"*")?;
    let end = rest.iter().position(|b| *b == b']')?;
    let digits = std::str::from_utf8(&rest[..end]).ok()?;
    let count = match digits {
        "" => None,
        _ => Some(usize::from_str_radix(digits, if digits.starts_with('0') { 8 } else { 10 }).ok()?),
    };
    Some((byte, count.filter(|n| *n > 0).map(|n| n.min(MOST)), &rest[end + 1..]))
}

/// Takes one byte or escape off a non-empty slice.
fn unit(rest: &mut &[u8]) -> u8 {
    let mut bytes = rest.iter().copied().peekable();
    let byte = match (bytes.next(), bytes.peek().copied()) {
        (Some(b'\\'), Some(b'0'..=b'7')) => octal(&mut bytes),
        (Some(b'\\'), Some(next)) => {
            bytes.next();
            match next {
                b'a' => 7,
                b'b' => 8,
                b'f' => 12,
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'v' => 11,
                other => other,
            }
        }
        (Some(byte), _) => byte,
        (None, _) => 0,
    };
    let left = bytes.len();
    *rest = &rest[rest.len() - left..];
    byte
}

fn octal(bytes: &mut Peekable<impl Iterator<Item = u8>>) -> u8 {
    let mut value: u8 = 0;
    for _ in 0..3 {
        let digit = bytes.peek().filter(|b| (b'0'..=b'7').contains(b)).map(|b| b - b'0');
        let Some(next) = digit.and_then(|d| value.checked_mul(8)?.checked_add(d)) else { break };
        value = next;
        bytes.next();
    }
    value
}

fn class(name: &[u8]) -> Result<Vec<u8>, String> {
    let test: fn(&u8) -> bool = match name {
        b"alpha" => u8::is_ascii_alphabetic,
        b"digit" => u8::is_ascii_digit,
        b"alnum" => u8::is_ascii_alphanumeric,
        b"upper" => u8::is_ascii_uppercase,
        b"lower" => u8::is_ascii_lowercase,
        b"punct" => u8::is_ascii_punctuation,
        b"xdigit" => u8::is_ascii_hexdigit,
        b"cntrl" => u8::is_ascii_control,
        b"graph" => u8::is_ascii_graphic,
        b"print" => |b| (32..127).contains(b),
        b"space" => |b| *b == b' ' || (9..=13).contains(b),
        b"blank" => |b| matches!(b, b' ' | b'\t'),
        _ => return Err(format!("invalid character class '{}'", String::from_utf8_lossy(name))),
    };
    Ok((0..=255).filter(test).collect())
}
