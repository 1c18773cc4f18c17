//! `diff`, in the normal and the unified format, and `cmp`.

use std::{collections::HashMap, fs, io::Write as _};

use super::{
    HOLD_BYTES, date, describe, locate, misuse, name_of,
    options::{self, Options},
    streams::{Out, open, read_all},
    time,
};
use crate::command::{Call, Failure};

mod hunks;
mod myers;

const LONG: &[(&str, char)] = &[
    ("brief", 'q'),
    ("report-identical-files", 's'),
    ("unified=?", 'u'),
    ("ignore-case", 'i'),
    ("ignore-all-space", 'w'),
    ("ignore-space-change", 'b'),
    ("new-file", 'N'),
    ("text", 'a'),
    ("label=", 'L'),
    ("color=?", '*'),
];

/// Lines of context in the unified format.
const CONTEXT: usize = 3;

pub(crate) async fn run(call: &Call) -> Result<u8, Failure> {
    let options = options::parse(call, "qsuU:iwbNaL:", LONG)?;
    let [first, second] = &options.operands[..] else {
        let text = match options.operands.last() {
            None => "missing operand".to_owned(),
            Some(last) if options.operands.len() == 1 => format!("missing operand after '{last}'"),
            Some(_) => format!("extra operand '{}'", options.operands[2]),
        };
        return Err(misuse(call, text));
    };
    // A file beside a directory means the file of that name in it.
    let within = |operand: &str, other: &str| {
        let joins = operand != "-" && locate(call, operand).is_dir() && !locate(call, other).is_dir();
        let name = name_of(&locate(call, other));
        if joins { format!("{}/{name}", operand.trim_end_matches('/')) } else { operand.to_owned() }
    };
    let names = [within(first, second), within(second, first)];
    let mut out = Out::new(call);
    let mut texts = Vec::new();
    for name in &names {
        match open(call, name) {
            Ok(reader) => texts.push(read_all(&mut out, &reader, HOLD_BYTES / 2).await?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && options.has('N') => {
                texts.push(Vec::new());
            }
            Err(error) => out.complain_with(2, format_args!("{name}: {}", describe(&error))).await?,
        }
    }
    let [left, right] = &texts[..] else { return Ok(2) };
    let (left, right) = (split(left), split(right));
    let mut ids = Ids { options: &options, known: HashMap::new() };
    let (a, b) = (ids.of(&left), ids.of(&right));
    if a == b {
        if options.has('s') {
            out.put(format!("Files {} and {} are identical\n", names[0], names[1])).await?;
        }
        return out.finish().await;
    }
    out.status = 1;
    let binary = |lines: &[&[u8]]| !options.has('a') && lines.iter().any(|line| line.contains(&0));
    if options.has('q') || binary(&left) || binary(&right) {
        let kind = if options.has('q') { "Files" } else { "Binary files" };
        out.put(format!("{kind} {} and {} differ\n", names[0], names[1])).await?;
        return out.finish().await;
    }
    let changes = hunks::changes(&a, &b).await;
    let colour = match options.value('*') {
        Some("always") => true,
        Some("auto" | "") => out.is_terminal(),
        _ => false,
    };
    let context = match (options.value('U'), options.value('u')) {
        (Some(text), _) | (None, Some(text)) if !text.is_empty() => {
            Some(text.parse().map_err(|_| misuse(call, format_args!("invalid context length '{text}'")))?)
        }
        (None, None) => None,
        _ => Some(CONTEXT),
    };
    let mut printer = hunks::Printer { left: &left, right: &right, colour, out: &mut out };
    match context {
        None => printer.normal(&changes).await?,
        Some(context) => {
            let mut labels = options.found.iter().filter(|(c, _)| *c == 'L').map(|(_, label)| label.clone());
            let headers = [("---", &names[0]), ("+++", &names[1])].map(|(mark, name)| {
                let label = labels.next().unwrap_or_else(|| format!("{name}\t{}", stamp(call, name)));
                format!("{mark} {label}\n")
            });
            printer.unified(&headers, &changes, context).await?;
        }
    }
    out.finish().await
}

fn stamp(call: &Call, name: &str) -> String {
    let modified = match name {
        "-" => Ok(std::time::SystemTime::now()),
        _ => fs::metadata(locate(call, name)).and_then(|metadata| metadata.modified()),
    };
    let (seconds, nanos) = modified.map_or((0, 0), time::since_epoch);
    date::format("%Y-%m-%d %H:%M:%S.%N %z", seconds, nanos)
}

/// Lines with their newlines.
fn split(text: &[u8]) -> Vec<&[u8]> {
    text.split_inclusive(|b| *b == b'\n').collect()
}

/// Numbers for lines: the same for those that count as the same.
struct Ids<'a> {
    options: &'a Options,
    known: HashMap<Vec<u8>, u32>,
}

impl Ids<'_> {
    fn of(&mut self, lines: &[&[u8]]) -> Vec<u32> {
        let mut ids = Vec::with_capacity(lines.len());
        for line in lines {
            let next = u32::try_from(self.known.len()).unwrap_or(u32::MAX);
            ids.push(*self.known.entry(self.key(line)).or_insert(next));
        }
        ids
    }

    fn key(&self, line: &[u8]) -> Vec<u8> {
        let mut key = line.to_vec();
        if self.options.has('w') {
            key.retain(|b| !b.is_ascii_whitespace());
        } else if self.options.has('b') {
            key = key.trim_ascii_end().to_vec();
            for byte in &mut key {
                *byte = if byte.is_ascii_whitespace() { b' ' } else { *byte };
            }
            key.dedup_by(|b, a| *a == b' ' && *b == b' ');
        }
        if self.options.has('i') {
            key.make_ascii_lowercase();
        }
        key
    }
}

/// `cmp`.
pub(crate) async fn cmp(call: &Call) -> Result<u8, Failure> {
    let options = options::parse(call, "bls", &[("verbose", 'l'), ("quiet", 's'), ("silent", 's')])?;
    let (first, second) = match &options.operands[..] {
        [first] => (first.as_str(), "-"),
        [first, second] => (first.as_str(), second.as_str()),
        _ => return Err(misuse(call, "two files are to be compared")),
    };
    let mut out = Out::new(call);
    let (left, right) = (out.open(first).await?, out.open(second).await?);
    let (Some(left), Some(right)) = (left, right) else { return Ok(2) };
    let (mut a, mut b) = (Vec::new(), Vec::new());
    let (mut at, mut line, mut ended) = (0_u64, 1_u64, false);
    loop {
        out.before_read().await?;
        if a.is_empty() {
            a = left.read().await?;
        }
        if b.is_empty() {
            b = right.read().await?;
        }
        let shared = a.len().min(b.len());
        if shared == 0 {
            break;
        }
        for (x, y) in a.drain(..shared).zip(b.drain(..shared)) {
            at += 1;
            if x != y {
                out.status = 1;
                if options.has('l') {
                    let _ = writeln!(out, "{at} {x:3o} {y:3o}");
                } else if options.has('s') {
                    return Ok(1);
                } else {
                    out.put(format!("{first} {second} differ: byte {at}, line {line}\n")).await?;
                    return out.finish().await;
                }
            }
            ended = x == b'\n';
            line += u64::from(ended);
        }
        out.step().await?;
    }
    if a.is_empty() != b.is_empty() {
        let shorter = if a.is_empty() { first } else { second };
        out.status = 1;
        if !options.has('s') {
            // The line that the shorter one ended with, or within.
            let place = if ended { format!("line {}", line - 1) } else { format!("in line {line}") };
            let end = match at {
                0 => "which is empty".to_owned(),
                _ if options.has('l') => format!("after byte {at}"),
                _ => format!("after byte {at}, {place}"),
            };
            out.flush().await?;
            let _ = call.stderr.write_all(format!("cmp: EOF on {shorter} {end}\n")).await;
        }
    }
    out.finish().await
}
