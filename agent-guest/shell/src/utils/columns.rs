//! `comm` and `paste`: several inputs side by side.

use std::{cmp::Ordering, io::Write as _};

use super::{
    Pace, misuse, options,
    streams::{Lines, Out, chomp, or_stdin},
};
use crate::command::{Call, Failure};

/// Files that `paste` reads at once.
const MAX_FILES: usize = 256;

/// `comm`.
pub(crate) async fn comm(call: &Call) -> Result<u8, Failure> {
    let long = [("output-delimiter=", '"'), ("nocheck-order", '~'), ("check-order", '!'), ("total", '+')];
    let options = options::parse(call, "123", &long)?;
    let [first, second] = &options.operands[..] else {
        let text = match options.operands.first() {
            None => "missing operand".to_owned(),
            Some(only) if options.operands.len() == 1 => format!("missing operand after '{only}'"),
            Some(_) => format!("extra operand '{}'", options.operands[2]),
        };
        return Err(misuse(call, text));
    };
    let mut out = Out::new(call);
    let Some(left) = out.open(first).await? else { return Ok(1) };
    let Some(right) = out.open(second).await? else { return Ok(1) };
    let (mut left, mut right) = (Lines::new(left), Lines::new(right));
    let (mut a, mut b) = (Vec::new(), Vec::new());
    let mut has_a = left.next(&mut out, &mut a).await?;
    let mut has_b = right.next(&mut out, &mut b).await?;
    let tab = options.value('"').unwrap_or("\t");
    let shown = ['1', '2', '3'].map(|column| !options.has(column));
    let mut totals = [0_u64; 3];
    while has_a || has_b {
        let order = match (has_a, has_b) {
            (true, true) => chomp(&a).cmp(chomp(&b)),
            (true, false) => Ordering::Less,
            _ => Ordering::Greater,
        };
        let (column, line) = match order {
            Ordering::Less => (0, &a),
            Ordering::Greater => (1, &b),
            Ordering::Equal => (2, &a),
        };
        totals[column] += 1;
        if shown[column] {
            let before = shown[..column].iter().filter(|shown| **shown).count();
            let _ = out.write(tab.repeat(before).as_bytes());
            let _ = out.write(chomp(line));
            out.put("\n").await?;
        }
        if order.is_le() {
            has_a = left.next(&mut out, &mut a).await?;
        }
        if order.is_ge() {
            has_b = right.next(&mut out, &mut b).await?;
        }
    }
    if options.has('+') {
        out.put(format!("{}{tab}{}{tab}{}{tab}total\n", totals[0], totals[1], totals[2])).await?;
    }
    out.finish().await
}

/// `paste`.
pub(crate) async fn paste(call: &Call) -> Result<u8, Failure> {
    let options = options::parse(call, "d:s", &[("delimiters=", 'd'), ("serial", 's')])?;
    let delimiters = delimiters(options.value('d').unwrap_or("\t"));
    let operands = or_stdin(&options.operands);
    if operands.len() > MAX_FILES {
        return Err(Failure::Message(1, format!("more than {MAX_FILES} files")));
    }
    let mut out = Out::new(call);
    let mut line = Vec::new();
    if options.has('s') {
        for operand in operands {
            let Some(reader) = out.open(operand).await? else { continue };
            let mut lines = Lines::new(reader);
            let mut count = 0;
            while lines.next(&mut out, &mut line).await? {
                if count > 0 {
                    let _ = out.write(&delimiters[(count - 1) % delimiters.len()]);
                }
                count += 1;
                out.put(chomp(&line)).await?;
            }
            out.put("\n").await?;
        }
        return out.finish().await;
    }
    // By line from the stream itself, as one of them may be read through several operands.
    let mut inputs = Vec::new();
    for operand in operands {
        match out.open(operand).await? {
            Some(reader) => inputs.push(Some(reader)),
            None => return Ok(1),
        }
    }
    let mut pace = Pace::default();
    loop {
        pace.step().await;
        if out.is_terminal() {
            out.flush().await?;
        }
        let mut row = Vec::new();
        let mut any = false;
        for (index, input) in inputs.iter_mut().enumerate() {
            if index > 0 {
                row.extend_from_slice(&delimiters[(index - 1) % delimiters.len()]);
            }
            if let Some(reader) = input {
                match reader.read_line().await? {
                    Some(line) => {
                        any = true;
                        row.extend_from_slice(chomp(&line));
                    }
                    None => *input = None,
                }
            }
        }
        if !any {
            return out.finish().await;
        }
        row.push(b'\n');
        out.put(row).await?;
    }
}

/// The characters of `-d`, with its escapes; `\0` is nothing.
fn delimiters(text: &str) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let c = match c {
            '\\' => match chars.next() {
                Some('n') => '\n',
                Some('t') => '\t',
                Some('0') => {
                    found.push(Vec::new());
                    continue;
                }
                Some(other) => other,
                None => '\\',
            },
            _ => c,
        };
        found.push(c.to_string().into_bytes());
    }
    if found.is_empty() { vec![Vec::new()] } else { found }
}
