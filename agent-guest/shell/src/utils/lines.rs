//! `fold`, `nl` and `rev`: one line at a time.

use std::io::Write as _;

use super::{
    misuse,
    options::{self, Options},
    regex::{Syntax, compile},
    streams::{Lines, Out, chomp, or_stdin},
};
use crate::command::{Call, Failure};

/// `rev`.
pub(crate) async fn rev(call: &Call) -> Result<u8, Failure> {
    let options = options::parse(call, "", &[])?;
    let mut out = Out::new(call);
    let mut line = Vec::new();
    for operand in or_stdin(&options.operands) {
        let Some(reader) = out.open(operand).await? else { continue };
        let mut lines = Lines::new(reader);
        while lines.next(&mut out, &mut line).await? {
            let reversed: String = String::from_utf8_lossy(chomp(&line)).chars().rev().collect();
            out.put(reversed).await?;
            out.put(if line.ends_with(b"\n") { "\n" } else { "" }).await?;
        }
    }
    out.finish().await
}

/// `fold`.
pub(crate) async fn fold(call: &Call) -> Result<u8, Failure> {
    let options = options::parse(call, "#bsw:", &[("bytes", 'b'), ("spaces", 's'), ("width=", 'w')])?;
    let text = options.last_of("w#").and_then(|flag| options.value(flag)).unwrap_or("80");
    let width = text.parse().ok().filter(|width| *width > 0_usize);
    let width = width.ok_or_else(|| Failure::Message(1, format!("invalid number of columns: '{text}'")))?;
    let mut out = Out::new(call);
    let mut line = Vec::new();
    for operand in or_stdin(&options.operands) {
        let Some(reader) = out.open(operand).await? else { continue };
        let mut lines = Lines::new(reader);
        while lines.next(&mut out, &mut line).await? {
            let mut rest = chomp(&line);
            loop {
                let fits = fitting(rest, width, options.has('b'));
                if fits == rest.len() {
                    break;
                }
                let space = rest[..fits].iter().rposition(|b| matches!(b, b' ' | b'\t'));
                let end = space.filter(|_| options.has('s')).map_or(fits, |at| at + 1);
                let _ = out.write(&rest[..end]);
                out.put("\n").await?;
                rest = &rest[end..];
            }
            let _ = out.write(rest);
            out.put(if line.ends_with(b"\n") { "\n" } else { "" }).await?;
        }
    }
    out.finish().await
}

/// How many bytes of the line fit; at least one character does.
fn fitting(line: &[u8], width: usize, bytes: bool) -> usize {
    let mut column = 0_usize;
    for (index, byte) in line.iter().enumerate() {
        column = match byte {
            _ if bytes => column + 1,
            b'\t' => column / 8 * 8 + 8,
            0x80..0xc0 => column,
            8 => column.saturating_sub(1),
            _ => column + 1,
        };
        if column > width && index > 0 {
            return index;
        }
    }
    line.len()
}

/// `nl`.
pub(crate) async fn nl(call: &Call) -> Result<u8, Failure> {
    let long = [
        ("body-numbering=", 'b'),
        ("line-increment=", 'i'),
        ("number-format=", 'n'),
        ("number-separator=", 's'),
        ("starting-line-number=", 'v'),
        ("number-width=", 'w'),
    ];
    let options = options::parse(call, "b:h:f:i:n:ps:v:w:d:l:", &long)?;
    let style = options.value('b').unwrap_or("t");
    let regex = match style.strip_prefix('p') {
        Some(pattern) => Some(compile(pattern, Syntax::default()).map_err(|text| Failure::Message(1, text))?),
        None if matches!(style, "a" | "t" | "n") => None,
        None => return Err(misuse(call, format_args!("invalid body numbering style: '{style}'"))),
    };
    let step = integer(call, &options, 'i', 1)?;
    let mut number = integer(call, &options, 'v', 1)?;
    let width = usize::try_from(integer(call, &options, 'w', 6)?).unwrap_or(6).clamp(1, 100);
    let separator = options.value('s').unwrap_or("\t");
    let format = options.value('n').unwrap_or("rn");
    let mut out = Out::new(call);
    let mut line = Vec::new();
    for operand in or_stdin(&options.operands) {
        let Some(reader) = out.open(operand).await? else { continue };
        let mut lines = Lines::new(reader);
        while lines.next(&mut out, &mut line).await? {
            let text = chomp(&line);
            let wanted = match &regex {
                Some(regex) => regex.is_match(text),
                None => style == "a" || style == "t" && !text.is_empty(),
            };
            if wanted {
                let _ = match format {
                    "ln" => write!(out, "{number:<width$}{separator}"),
                    "rz" => write!(out, "{number:0width$}{separator}"),
                    _ => write!(out, "{number:>width$}{separator}"),
                };
                number = number.saturating_add(step);
            } else {
                let _ = write!(out, "{}", " ".repeat(width + separator.len()));
            }
            let _ = out.write(text);
            out.put("\n").await?;
        }
    }
    out.finish().await
}

fn integer(call: &Call, options: &Options, flag: char, default: i64) -> Result<i64, Failure> {
    match options.value(flag) {
        None => Ok(default),
        Some(text) => text.parse().map_err(|_| misuse(call, format_args!("invalid number: '{text}'"))),
    }
}
