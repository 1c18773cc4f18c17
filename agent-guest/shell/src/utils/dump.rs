//! `hexdump` and `xxd`.

use std::io::Write as _;

use super::{
    misuse,
    options::{self, size},
    streams::{Out, or_stdin},
};
use crate::{
    command::{Call, Failure},
    io::Reader,
};

/// Most bytes on a line of `xxd`.
const MAX_COLUMNS: usize = 256;

/// Pieces of equal length of a stream, of which some is skipped and not all may be wanted.
struct Rows {
    readers: Vec<Reader>,
    held: Vec<u8>,
    skip: u64,
    left: u64,
}

impl Rows {
    async fn next(&mut self, out: &mut Out<'_>, length: usize) -> Result<Vec<u8>, Failure> {
        while self.held.len() < length && self.left > 0 {
            let Some(reader) = self.readers.last() else { break };
            out.before_read().await?;
            let mut bytes = reader.read().await?;
            if bytes.is_empty() {
                self.readers.pop();
                continue;
            }
            let skipped = bytes.len().min(usize::try_from(self.skip).unwrap_or(usize::MAX));
            self.skip -= skipped as u64;
            bytes.drain(..skipped);
            bytes.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
            self.left -= bytes.len() as u64;
            self.held.extend(bytes);
        }
        let taken = length.min(self.held.len());
        Ok(self.held.drain(..taken).collect())
    }
}

fn number(call: &Call, text: Option<&str>, default: u64) -> Result<u64, Failure> {
    let Some(text) = text else { return Ok(default) };
    let parsed = match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => size(text),
    };
    parsed.ok_or_else(|| misuse(call, format_args!("invalid number '{text}'")))
}

/// `hexdump`.
pub(crate) async fn run(call: &Call) -> Result<u8, Failure> {
    let options =
        options::parse(call, "Cbcdon:s:vx", &[("canonical", 'C'), ("length=", 'n'), ("skip=", 's')])?;
    let mut out = Out::new(call);
    let mut readers = Vec::new();
    for operand in or_stdin(&options.operands) {
        readers.extend(out.open(operand).await?);
    }
    readers.reverse();
    let skip = number(call, options.value('s'), 0)?;
    let left = number(call, options.value('n'), u64::MAX)?;
    let mut rows = Rows { readers, held: Vec::new(), skip, left };
    let canonical = options.has('C') || call.name == "hd";
    let digits = if canonical { 8 } else { 7 };
    let mut offset = skip;
    let mut last: Option<Vec<u8>> = None;
    let mut starred = false;
    loop {
        let row = rows.next(&mut out, 16).await?;
        if row.is_empty() {
            break;
        }
        let at = offset;
        offset += row.len() as u64;
        if last.as_ref() == Some(&row) && !options.has('v') {
            if !std::mem::replace(&mut starred, true) {
                let _ = writeln!(out, "*");
            }
            continue;
        }
        starred = false;
        let _ = write!(out, "{at:0digits$x}");
        if canonical {
            canonical_row(&row, &mut out);
        } else {
            plain_row(&row, options.last_of("bcdox"), &mut out);
        }
        out.step().await?;
        last = Some(row);
    }
    if offset > skip {
        let _ = writeln!(out, "{offset:0digits$x}");
    }
    out.finish().await
}

fn canonical_row(row: &[u8], out: &mut Out<'_>) {
    for index in 0..16 {
        let gap = if index % 8 == 0 { "  " } else { " " };
        let _ = match row.get(index) {
            Some(byte) => write!(out, "{gap}{byte:02x}"),
            None => write!(out, "{gap}  "),
        };
    }
    let _ = writeln!(out, "  |{}|", printable(row));
}

/// Words of two bytes, or single bytes for `-b` and `-c`.
fn plain_row(row: &[u8], style: Option<char>, out: &mut Out<'_>) {
    if let Some('b' | 'c') = style {
        for byte in row {
            let _ = match (style, byte) {
                (Some('b'), _) => write!(out, " {byte:03o}"),
                (_, 0) => write!(out, "  \\0"),
                (_, b'\n') => write!(out, "  \\n"),
                (_, b'\t') => write!(out, "  \\t"),
                (_, b'\r') => write!(out, "  \\r"),
                (_, 32..127) => write!(out, "   {}", char::from(*byte)),
                _ => write!(out, " {byte:03o}"),
            };
        }
        let _ = write!(out, "{}", " ".repeat((16 - row.len()) * 4));
    } else {
        for pair in row.chunks(2) {
            let word = u16::from_le_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]);
            let _ = match style {
                Some('d') => write!(out, "   {word:05}"),
                Some('o') => write!(out, "  {word:06o}"),
                Some('x') => write!(out, "    {word:04x}"),
                _ => write!(out, " {word:04x}"),
            };
        }
        // Short rows are as wide as long ones.
        let missing = 8 - row.len().div_ceil(2);
        let width = if style.is_some() { 8 } else { 5 };
        let _ = write!(out, "{}", " ".repeat(missing * width));
    }
    let _ = writeln!(out);
}

fn printable(row: &[u8]) -> String {
    row.iter().map(|byte| if (32..127).contains(byte) { char::from(*byte) } else { '.' }).collect()
}

/// `xxd`.
pub(crate) async fn xxd(call: &Call) -> Result<u8, Failure> {
    let options = options::parse(call, "c:g:l:prs:u", &[])?;
    if options.has('r') {
        return Err(Failure::Message(1, "-r is not supported".to_owned()));
    }
    let plain = options.has('p');
    let columns = number(call, options.value('c'), if plain { 30 } else { 16 })?;
    let columns = usize::try_from(columns).unwrap_or(0);
    if columns == 0 || columns > MAX_COLUMNS {
        return Err(misuse(call, format_args!("invalid number of columns (max. {MAX_COLUMNS})")));
    }
    let group = usize::try_from(number(call, options.value('g'), 2)?).unwrap_or(columns);
    let group = if group == 0 { columns } else { group };
    let mut out = Out::new(call);
    let operand = options.operands.first().map_or("-", String::as_str);
    let Some(reader) = out.open(operand).await? else { return Ok(2) };
    let skip = number(call, options.value('s'), 0)?;
    let left = number(call, options.value('l'), u64::MAX)?;
    let mut rows = Rows { readers: vec![reader], held: Vec::new(), skip, left };
    let width = columns * 2 + columns.div_ceil(group);
    let hex = |byte: &u8| if options.has('u') { format!("{byte:02X}") } else { format!("{byte:02x}") };
    let mut offset = skip;
    loop {
        let row = rows.next(&mut out, columns).await?;
        if row.is_empty() {
            return out.finish().await;
        }
        if plain {
            out.put(row.iter().map(hex).collect::<String>() + "\n").await?;
            continue;
        }
        let groups: String =
            row.chunks(group).map(|part| part.iter().map(hex).collect::<String>() + " ").collect();
        out.put(format!("{offset:08x}: {groups:<width$} {}\n", printable(&row))).await?;
        offset += row.len() as u64;
    }
}
