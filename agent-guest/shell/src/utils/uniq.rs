//! `uniq`.

use std::{fs::File, io::Write as _};

use super::{
    describe, locate, misuse,
    options::{self, Options},
    streams::{Lines, Out, chomp},
};
use crate::{
    command::{Call, Failure},
    io::Writer,
};

pub(crate) async fn run(call: &Call) -> Result<u8, Failure> {
    let long = [
        ("count", 'c'),
        ("repeated", 'd'),
        ("all-repeated", 'D'),
        ("skip-fields=", 'f'),
        ("ignore-case", 'i'),
        ("skip-chars=", 's'),
        ("unique", 'u'),
        ("check-chars=", 'w'),
    ];
    let options = options::parse(call, "cdDf:is:uw:", &long)?;
    let uniq = Uniq::new(call, &options)?;
    let mut out = Out::new(call);
    let operand = options.operands.first().map_or("-", String::as_str);
    let Some(reader) = out.open(operand).await? else { return Ok(1) };
    match &options.operands[..] {
        [] | [_] => {}
        [_, output] => {
            let file = File::create(locate(call, output))
                .map_err(|error| Failure::Message(1, format!("{output}: {}", describe(&error))))?;
            out = Out::to(call, Writer::to_file(file));
        }
        [_, _, extra, ..] => return Err(misuse(call, format_args!("extra operand '{extra}'"))),
    }
    let mut lines = Lines::new(reader);
    let mut line = Vec::new();
    let mut group: Option<(Vec<u8>, u64)> = None;
    while lines.next(&mut out, &mut line).await? {
        if line.last() != Some(&b'\n') {
            line.push(b'\n');
        }
        match &mut group {
            Some((first, count)) if uniq.same(chomp(first), chomp(&line)) => {
                *count += 1;
                if uniq.every {
                    // The first of a group is known to repeat only now.
                    if *count == 2 {
                        out.put(&*first).await?;
                    }
                    out.put(&line).await?;
                }
            }
            _ => {
                uniq.show(group.take(), &mut out);
                out.step().await?;
                group = Some((std::mem::take(&mut line), 1));
            }
        }
    }
    uniq.show(group, &mut out);
    out.finish().await
}

struct Uniq {
    count: bool,
    repeated: bool,
    unique: bool,
    every: bool,
    ignore_case: bool,
    fields: usize,
    skip: usize,
    width: usize,
}

impl Uniq {
    fn new(call: &Call, options: &Options) -> Result<Self, Failure> {
        let number = |flag: char, default: usize| match options.value(flag) {
            None => Ok(default),
            Some(text) => text
                .parse()
                .map_err(|_| misuse(call, format_args!("invalid number of bytes to skip: '{text}'"))),
        };
        Ok(Self {
            count: options.has('c'),
            repeated: options.has('d'),
            unique: options.has('u'),
            every: options.has('D'),
            ignore_case: options.has('i'),
            fields: number('f', 0)?,
            skip: number('s', 0)?,
            width: number('w', usize::MAX)?,
        })
    }

    fn key<'a>(&self, line: &'a [u8]) -> &'a [u8] {
        let blank = |b: &u8| matches!(b, b' ' | b'\t');
        let mut rest = line;
        for _ in 0..self.fields {
            let start = rest.iter().position(|b| !blank(b)).unwrap_or(rest.len());
            rest = &rest[start..];
            let end = rest.iter().position(blank).unwrap_or(rest.len());
            rest = &rest[end..];
        }
        rest = &rest[self.skip.min(rest.len())..];
        &rest[..self.width.min(rest.len())]
    }

    fn same(&self, a: &[u8], b: &[u8]) -> bool {
        let (a, b) = (self.key(a), self.key(b));
        if self.ignore_case { a.eq_ignore_ascii_case(b) } else { a == b }
    }

    fn show(&self, group: Option<(Vec<u8>, u64)>, out: &mut Out<'_>) {
        let Some((line, count)) = group else { return };
        let (once, often) = (count == 1, count > 1);
        if self.every || self.repeated && once || self.unique && often {
            return;
        }
        if self.count {
            let _ = write!(out, "{count:7} ");
        }
        let _ = out.write(&line);
    }
}
