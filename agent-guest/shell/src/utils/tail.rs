//! `tail` and `tac`.

use std::collections::VecDeque;

use super::{
    HOLD_BYTES, LINE_COST_BYTES,
    head::{Count, Titles, open},
    options,
    streams::{self, Lines, Out, or_stdin, read_all, too_much},
};
use crate::{
    command::{Call, Failure},
    io::Reader,
};

pub(crate) async fn run(call: &Call) -> Result<u8, Failure> {
    let long = [
        ("lines=", 'n'),
        ("bytes=", 'c'),
        ("quiet", 'q'),
        ("silent", 'q'),
        ("verbose", 'v'),
        ("follow=?", 'f'),
    ];
    let options = options::parse(call, "#n:c:qvfF", &long)?;
    if options.last_of("fF").is_some() {
        return Err(Failure::Message(1, "following a file is not supported".to_owned()));
    }
    let count = Count::new(call, &options)?;
    let mut out = Out::new(call);
    let operands = or_stdin(&options.operands);
    let mut titles = Titles::new(&options, operands.len());
    for operand in operands {
        let Some(reader) = open(call, &mut out, operand).await? else { continue };
        titles.show(&mut out, operand).await?;
        match (count.sign, count.bytes) {
            ('+', true) => from_byte(&mut out, &reader, count.number.saturating_sub(1)).await?,
            ('+', false) => from_line(&mut out, reader, count.number.saturating_sub(1)).await?,
            (_, true) => last_bytes(&mut out, &reader, count.number).await?,
            (_, false) => last_lines(&mut out, reader, count.number).await?,
        }
    }
    out.finish().await
}

async fn from_byte(out: &mut Out<'_>, reader: &Reader, mut skip: u64) -> Result<(), Failure> {
    loop {
        out.before_read().await?;
        let bytes = reader.read().await?;
        if bytes.is_empty() {
            return Ok(());
        }
        let part = bytes.len().min(usize::try_from(skip).unwrap_or(usize::MAX));
        skip -= part as u64;
        out.put(&bytes[part..]).await?;
    }
}

async fn from_line(out: &mut Out<'_>, reader: Reader, skip: u64) -> Result<(), Failure> {
    let mut lines = Lines::new(reader);
    let mut line = Vec::new();
    let mut number = 0;
    while lines.next(out, &mut line).await? {
        number += 1;
        if number > skip {
            out.put(&line).await?;
        }
    }
    Ok(())
}

async fn last_bytes(out: &mut Out<'_>, reader: &Reader, count: u64) -> Result<(), Failure> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let mut held = VecDeque::new();
    loop {
        out.before_read().await?;
        let bytes = reader.read().await?;
        if bytes.is_empty() {
            break;
        }
        held.extend(bytes);
        held.drain(..held.len().saturating_sub(count));
        if held.len() > HOLD_BYTES {
            return Err(too_much(HOLD_BYTES));
        }
    }
    out.put(held.make_contiguous()).await
}

async fn last_lines(out: &mut Out<'_>, reader: Reader, count: u64) -> Result<(), Failure> {
    let mut lines = Lines::new(reader);
    let mut held: VecDeque<Vec<u8>> = VecDeque::new();
    let mut size = 0;
    let mut line = Vec::new();
    while lines.next(out, &mut line).await? {
        size += line.len() + LINE_COST_BYTES;
        held.push_back(std::mem::take(&mut line));
        if held.len() as u64 > count
            && let Some(oldest) = held.pop_front()
        {
            size -= oldest.len() + LINE_COST_BYTES;
        }
        if size > HOLD_BYTES {
            return Err(too_much(HOLD_BYTES));
        }
    }
    for line in held {
        out.put(line).await?;
    }
    Ok(())
}

/// `tac`: lines in reverse.
pub(crate) async fn tac(call: &Call) -> Result<u8, Failure> {
    let options = options::parse(call, "", &[])?;
    let mut out = Out::new(call);
    for operand in or_stdin(&options.operands) {
        let result = streams::open(call, operand);
        let said = format!("failed to open '{operand}' for reading");
        let Some(reader) = out.check(said, result).await? else { continue };
        let all = read_all(&mut out, &reader, HOLD_BYTES).await?;
        let mut end = all.len();
        while end > 0 {
            let start = all[..end - 1].iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
            out.put(&all[start..end]).await?;
            end = start;
        }
    }
    out.finish().await
}
