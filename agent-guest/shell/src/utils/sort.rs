//! `sort`: everything in memory, at most [`HOLD_BYTES`].

use std::{cmp::Ordering, fs::File};

use super::{
    HOLD_BYTES, LINE_COST_BYTES, describe, locate, misuse,
    options::{self, Options},
    pause,
    streams::{Lines, Out, open, or_stdin, too_much},
};
use crate::{
    command::{Call, Failure},
    io::Writer,
};

mod key;
use key::{Key, Order};

const LONG: &[(&str, char)] = &[
    ("ignore-leading-blanks", 'b'),
    ("dictionary-order", 'd'),
    ("ignore-case", 'f'),
    ("general-numeric-sort", 'g'),
    ("human-numeric-sort", 'h'),
    ("ignore-nonprinting", 'i'),
    ("month-sort", 'M'),
    ("numeric-sort", 'n'),
    ("reverse", 'r'),
    ("version-sort", 'V'),
    ("check=?", 'c'),
    ("key=", 'k'),
    ("merge", 'm'),
    ("output=", 'o'),
    ("stable", 's'),
    ("field-separator=", 't'),
    ("unique", 'u'),
    ("zero-terminated", 'z'),
];

/// Lines sorted at once before others have their turn.
const RUN_LINES: usize = 4096;

pub(crate) async fn run(call: &Call) -> Result<u8, Failure> {
    let options = options::parse(call, "bdfghiMnrVcCk:mo:st:uz", LONG)?;
    let sorter = Sorter::new(call, &options)?;
    let mut out = Out::new(call);
    if let Some(mode) = options.last_of("cC") {
        return check(&options, &sorter, mode == 'C', out).await;
    }
    let mut lines = Vec::new();
    let mut size = 0;
    for operand in or_stdin(&options.operands) {
        let result = open(call, operand);
        let Some(reader) = out.check(format_args!("cannot read: {operand}"), result).await? else {
            return Ok(2);
        };
        let mut input = Lines::split(reader, sorter.end);
        let mut line = Vec::new();
        while input.next(&mut out, &mut line).await? {
            if line.last() == Some(&sorter.end) {
                line.pop();
            }
            size += line.len() + LINE_COST_BYTES;
            if size > HOLD_BYTES {
                return Err(too_much(HOLD_BYTES));
            }
            lines.push(std::mem::take(&mut line));
        }
    }
    let lines = sorter.sort(lines).await;
    if let Some(path) = options.value('o') {
        let file = File::create(locate(call, path))
            .map_err(|error| Failure::Message(2, format!("open failed: {path}: {}", describe(&error))))?;
        out = Out::to(call, Writer::to_file(file));
    }
    let mut last: Option<Vec<u8>> = None;
    for mut line in lines {
        if sorter.unique && last.as_ref().is_some_and(|last| sorter.keys(last, &line).is_eq()) {
            continue;
        }
        line.push(sorter.end);
        out.put(&line).await?;
        if sorter.unique {
            line.pop();
            last = Some(line);
        }
    }
    out.finish().await
}

async fn check(options: &Options, sorter: &Sorter, quiet: bool, mut out: Out<'_>) -> Result<u8, Failure> {
    let operands = or_stdin(&options.operands);
    let [operand] = operands[..] else {
        return Err(Failure::Message(2, format!("extra operand '{}' not allowed with -c", operands[1])));
    };
    let Some(reader) = out.open(operand).await? else { return Ok(2) };
    let mut lines = Lines::split(reader, sorter.end);
    let (mut last, mut line) = (None::<Vec<u8>>, Vec::new());
    let mut number = 0_u64;
    while lines.next(&mut out, &mut line).await? {
        number += 1;
        if line.last() == Some(&sorter.end) {
            line.pop();
        }
        if let Some(last) = &last {
            let order = sorter.compare(last, &line);
            if order.is_gt() || sorter.unique && sorter.keys(last, &line).is_eq() {
                if !quiet {
                    let text = String::from_utf8_lossy(&line);
                    out.complain(format_args!("{operand}:{number}: disorder: {text}")).await?;
                }
                return Ok(1);
            }
        }
        last = Some(std::mem::take(&mut line));
    }
    out.finish().await
}

struct Sorter {
    keys: Vec<Key>,
    global: Order,
    separator: Option<u8>,
    unique: bool,
    stable: bool,
    end: u8,
}

impl Sorter {
    fn new(call: &Call, options: &Options) -> Result<Self, Failure> {
        let letters: String =
            options.found.iter().map(|(c, _)| *c).filter(|c| "bdfghiMnrV".contains(*c)).collect();
        let global = Order::new(&letters);
        let mut keys = Vec::new();
        for (_, text) in options.found.iter().filter(|(c, _)| *c == 'k') {
            let key = Key::new(text, global)
                .ok_or_else(|| misuse(call, format_args!("invalid field specification '{text}'")))?;
            keys.push(key);
        }
        let separator = match options.value('t') {
            None => None,
            Some("\\0") => Some(0),
            Some(text) if text.len() == 1 => Some(text.as_bytes()[0]),
            Some(text) => return Err(misuse(call, format_args!("multi-character tab '{text}'"))),
        };
        Ok(Self {
            keys,
            global,
            separator,
            unique: options.has('u'),
            stable: options.has('s') || options.has('u'),
            end: if options.has('z') { 0 } else { b'\n' },
        })
    }

    /// By the keys alone.
    fn keys(&self, a: &[u8], b: &[u8]) -> Ordering {
        if self.keys.is_empty() {
            return self.global.compare(a, b);
        }
        let compare = |key: &Key| key.order.compare(key.cut(a, self.separator), key.cut(b, self.separator));
        self.keys.iter().map(compare).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    }

    /// By the keys, and then, unless stable, by all of the line.
    fn compare(&self, a: &[u8], b: &[u8]) -> Ordering {
        self.keys(a, b).then_with(|| match (self.stable, self.global.reverse) {
            (true, _) => Ordering::Equal,
            (_, false) => a.cmp(b),
            (_, true) => b.cmp(a),
        })
    }

    /// A merge sort from short runs up, so that sorting yields.
    async fn sort(&self, mut lines: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        for run in lines.chunks_mut(RUN_LINES) {
            run.sort_by(|a, b| self.compare(a, b));
            pause().await;
        }
        let mut width = RUN_LINES;
        while width < lines.len() {
            let mut merged = Vec::with_capacity(lines.len());
            for pair in lines.chunks_mut(2 * width) {
                let (left, right) = pair.split_at_mut(width.min(pair.len()));
                let (mut left, mut right) = (left.iter_mut().peekable(), right.iter_mut().peekable());
                loop {
                    let take_left = match (left.peek(), right.peek()) {
                        (None, None) => break,
                        (Some(_), None) => true,
                        (None, Some(_)) => false,
                        (Some(a), Some(b)) => self.compare(a, b).is_le(),
                    };
                    let next = if take_left { left.next() } else { right.next() };
                    merged.extend(next.map(std::mem::take));
                    if merged.len() % RUN_LINES == 0 {
                        pause().await;
                    }
                }
            }
            lines = merged;
            width *= 2;
        }
        lines
    }
}
