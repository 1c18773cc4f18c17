//! `cut`.

use std::io::Write as _;

use super::{
    misuse,
    options::{self, Options},
    streams::{Lines, Out, chomp, or_stdin},
};
use crate::command::{Call, Failure};

pub(crate) async fn run(call: &Call) -> Result<u8, Failure> {
    let long = [
        ("bytes=", 'b'),
        ("characters=", 'c'),
        ("fields=", 'f'),
        ("delimiter=", 'd'),
        ("only-delimited", 's'),
        ("complement", '!'),
        ("output-delimiter=", '"'),
    ];
    let options = options::parse(call, "b:c:f:d:ns", &long)?;
    let cut = Cut::new(call, &options)?;
    let mut out = Out::new(call);
    let mut line = Vec::new();
    for operand in or_stdin(&options.operands) {
        let Some(reader) = out.open(operand).await? else { continue };
        let mut lines = Lines::new(reader);
        while lines.next(&mut out, &mut line).await? {
            if cut.show(chomp(&line), &mut out) {
                out.put("\n").await?;
            }
        }
    }
    out.finish().await
}

struct Cut {
    by: char,
    ranges: Vec<(usize, usize)>,
    complement: bool,
    delimiter: Vec<u8>,
    join: Option<Vec<u8>>,
    only_delimited: bool,
}

impl Cut {
    fn new(call: &Call, options: &Options) -> Result<Self, Failure> {
        let mut modes = options.found.iter().filter(|(c, _)| "bcf".contains(*c));
        let Some((by, list)) = modes.next() else {
            return Err(misuse(call, "you must specify a list of bytes, characters, or fields"));
        };
        if modes.next().is_some() {
            return Err(misuse(call, "only one list may be specified"));
        }
        let delimiter = options.value('d').unwrap_or("\t");
        if delimiter.chars().count() > 1 {
            return Err(misuse(call, "the delimiter must be a single character"));
        }
        if *by != 'f' && (options.has('d') || options.has('s')) {
            return Err(misuse(call, "a delimiter may be specified only when operating on fields"));
        }
        Ok(Self {
            by: *by,
            ranges: ranges(list).map_err(|text| misuse(call, text))?,
            complement: options.has('!'),
            delimiter: if delimiter.is_empty() { vec![0] } else { delimiter.as_bytes().to_vec() },
            join: options.value('"').map(|text| text.as_bytes().to_vec()),
            only_delimited: options.has('s'),
        })
    }

    fn wants(&self, number: usize) -> bool {
        self.ranges.iter().any(|(from, to)| (*from..=*to).contains(&number)) != self.complement
    }

    /// Whether this part begins a range of its own, so that `--output-delimiter` goes before it.
    fn begins(&self, number: usize) -> bool {
        !self.wants(number - 1) || self.ranges.iter().any(|(from, _)| *from == number)
    }

    /// Writes the wanted parts; false if the line is left out.
    fn show(&self, line: &[u8], out: &mut Out<'_>) -> bool {
        match self.by {
            'b' => self.show_units(line.chunks(1), out),
            'c' => self.show_units(characters(line), out),
            _ => return self.show_fields(line, out),
        }
        true
    }

    fn show_units<'a>(&self, units: impl Iterator<Item = &'a [u8]>, out: &mut Out<'_>) {
        let mut first = true;
        for (index, unit) in units.enumerate() {
            if !self.wants(index + 1) {
                continue;
            }
            if let Some(join) = &self.join
                && !first
                && self.begins(index + 1)
            {
                let _ = out.write(join);
            }
            first = false;
            let _ = out.write(unit);
        }
    }

    fn show_fields(&self, line: &[u8], out: &mut Out<'_>) -> bool {
        let fields = split(line, &self.delimiter);
        if fields.len() == 1 {
            let _ = if self.only_delimited { Ok(0) } else { out.write(line) };
            return !self.only_delimited;
        }
        let mut first = true;
        for (index, field) in fields.into_iter().enumerate() {
            if self.wants(index + 1) {
                if !first {
                    let _ = out.write(self.join.as_ref().unwrap_or(&self.delimiter));
                }
                first = false;
                let _ = out.write(field);
            }
        }
        true
    }
}

/// Parts of `line` between occurrences of `delimiter`.
fn split<'a>(line: &'a [u8], delimiter: &[u8]) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    let mut rest = line;
    while let Some(at) = rest.windows(delimiter.len()).position(|window| window == delimiter) {
        parts.push(&rest[..at]);
        rest = &rest[at + delimiter.len()..];
    }
    parts.push(rest);
    parts
}

/// UTF-8 characters; bytes that are none stand alone.
fn characters(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = line;
    std::iter::from_fn(move || {
        let first = rest.first()?;
        let want = match first {
            0xf0.. => 4,
            0xe0.. => 3,
            0xc0.. => 2,
            _ => 1,
        };
        let part = rest.get(..want).filter(|part| std::str::from_utf8(part).is_ok());
        let part = part.unwrap_or(&rest[..1]);
        rest = &rest[part.len()..];
        Some(part)
    })
}

/// `1,3-5,7-,-2` as inclusive ranges.
fn ranges(list: &str) -> Result<Vec<(usize, usize)>, String> {
    let mut ranges = Vec::new();
    for item in list.split([',', ' ']) {
        let number = |text: &str, default: usize| match text {
            "" => Ok(default),
            _ => text.parse().map_err(|_| format!("invalid field value '{text}'")),
        };
        let (from, to) = match item.split_once('-') {
            Some(("", "")) => return Err("invalid range with no endpoint: -".to_owned()),
            Some((from, to)) => (number(from, 1)?, number(to, usize::MAX)?),
            None => (number(item, 0)?, number(item, 0)?),
        };
        if from == 0 {
            return Err("fields are numbered from 1".to_owned());
        }
        if to < from {
            return Err("invalid decreasing range".to_owned());
        }
        ranges.push((from, to));
    }
    Ok(ranges)
}
