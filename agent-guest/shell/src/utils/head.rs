//! `head`, and what it shares with `tail`: counts and titles.

use std::collections::VecDeque;

use super::{
    HOLD_BYTES, misuse,
    options::{self, Options},
    pause,
    streams::{self, Lines, Out, or_stdin, too_much},
};
use crate::{
    command::{Call, Failure},
    io::Reader,
};

pub(crate) async fn run(call: &Call) -> Result<u8, Failure> {
    let long = [("lines=", 'n'), ("bytes=", 'c'), ("quiet", 'q'), ("silent", 'q'), ("verbose", 'v')];
    let options = options::parse(call, "#n:c:qv", &long)?;
    let count = Count::new(call, &options)?;
    let mut out = Out::new(call);
    let operands = or_stdin(&options.operands);
    let mut titles = Titles::new(&options, operands.len());
    for operand in operands {
        let Some(reader) = open(call, &mut out, operand).await? else { continue };
        titles.show(&mut out, operand).await?;
        match (count.sign, count.bytes) {
            ('-', true) => all_but_bytes(&mut out, &reader, count.number).await?,
            ('-', false) => all_but_lines(&mut out, reader, count.number).await?,
            (_, true) => first_bytes(&mut out, &reader, count.number).await?,
            (_, false) => first_lines(&mut out, &reader, count.number).await?,
        }
    }
    out.finish().await
}

/// [`Out::open`] with the words of `head` and `tail`.
pub(super) async fn open(call: &Call, out: &mut Out<'_>, operand: &str) -> Result<Option<Reader>, Failure> {
    let result = streams::open(call, operand);
    out.check(format_args!("cannot open '{operand}' for reading"), result).await
}

/// How much of a file is wanted: `-n 5`, `-c -5`, `-n +5`, `-5`.
pub(super) struct Count {
    pub(super) bytes: bool,
    /// `+`, `-` or a space where there was none.
    pub(super) sign: char,
    pub(super) number: u64,
}

impl Count {
    pub(super) fn new(call: &Call, options: &Options) -> Result<Self, Failure> {
        let Some(letter) = options.last_of("nc#") else {
            return Ok(Self { bytes: false, sign: ' ', number: 10 });
        };
        let bytes = letter == 'c';
        let text = options.value(letter).unwrap_or_default();
        let (sign, digits) = match text.as_bytes() {
            [b'+', ..] => ('+', &text[1..]),
            [b'-', ..] => ('-', &text[1..]),
            _ => (' ', text),
        };
        let number = options::size(digits).ok_or_else(|| {
            let what = if bytes { "bytes" } else { "lines" };
            misuse(call, format_args!("invalid number of {what}: '{text}'"))
        })?;
        Ok(Self { bytes, sign, number })
    }
}

/// `==> name <==` before each of several files.
pub(super) struct Titles {
    on: bool,
    first: bool,
}

impl Titles {
    pub(super) fn new(options: &Options, files: usize) -> Self {
        let on = match options.last_of("qv") {
            Some('q') => false,
            Some(_) => true,
            None => files > 1,
        };
        Self { on, first: true }
    }

    pub(super) async fn show(&mut self, out: &mut Out<'_>, operand: &str) -> Result<(), Failure> {
        if self.on {
            let gap = if self.first { "" } else { "\n" };
            let name = if operand == "-" { "standard input" } else { operand };
            out.put(format!("{gap}==> {name} <==\n")).await?;
        }
        self.first = false;
        Ok(())
    }
}

/// By line, so that whoever reads the same stream next begins where this stopped.
async fn first_lines(out: &mut Out<'_>, reader: &Reader, count: u64) -> Result<(), Failure> {
    for n in 0..count {
        if out.is_terminal() || n % 1000 == 999 {
            out.before_read().await?;
        }
        let Some(line) = reader.read_line().await? else { break };
        out.put(line).await?;
    }
    Ok(())
}

async fn first_bytes(out: &mut Out<'_>, reader: &Reader, mut count: u64) -> Result<(), Failure> {
    while count > 0 {
        out.before_read().await?;
        let bytes = reader.read().await?;
        if bytes.is_empty() {
            break;
        }
        let part = bytes.len().min(usize::try_from(count).unwrap_or(usize::MAX));
        out.put(&bytes[..part]).await?;
        count -= part as u64;
    }
    Ok(())
}

async fn all_but_lines(out: &mut Out<'_>, reader: Reader, count: u64) -> Result<(), Failure> {
    let mut lines = Lines::new(reader);
    let mut held = VecDeque::new();
    let mut size = 0;
    let mut line = Vec::new();
    while lines.next(out, &mut line).await? {
        size += line.len();
        held.push_back(std::mem::take(&mut line));
        if held.len() as u64 > count
            && let Some(oldest) = held.pop_front()
        {
            size -= oldest.len();
            out.put(oldest).await?;
        }
        if size > HOLD_BYTES {
            return Err(too_much(HOLD_BYTES));
        }
    }
    Ok(())
}

async fn all_but_bytes(out: &mut Out<'_>, reader: &Reader, count: u64) -> Result<(), Failure> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let mut held = VecDeque::new();
    loop {
        pause().await;
        let bytes = reader.read().await?;
        if bytes.is_empty() {
            return Ok(());
        }
        held.extend(bytes);
        let ready = held.len().saturating_sub(count);
        if ready > 0 {
            out.put(held.drain(..ready).collect::<Vec<_>>()).await?;
        }
        if held.len() > HOLD_BYTES {
            return Err(too_much(HOLD_BYTES));
        }
    }
}
