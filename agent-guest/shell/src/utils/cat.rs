//! `cat`.

use std::io::Write as _;

use super::{
    options::{self, Options},
    streams::{Lines, Out, or_stdin},
};
use crate::command::{Call, Failure};

pub(crate) async fn run(call: &Call) -> Result<u8, Failure> {
    let long = [
        ("show-all", 'A'),
        ("number-nonblank", 'b'),
        ("show-ends", 'E'),
        ("number", 'n'),
        ("squeeze-blank", 's'),
        ("show-tabs", 'T'),
        ("show-nonprinting", 'v'),
    ];
    let options = options::parse(call, "AbeEnstTuv", &long)?;
    let style = Style::new(&options);
    let mut out = Out::new(call);
    let mut state = State::default();
    for operand in or_stdin(&options.operands) {
        let Some(reader) = out.open(operand).await? else { continue };
        if style == Style::default() {
            out.copy(&reader).await?;
            continue;
        }
        let mut lines = Lines::new(reader);
        let mut line = Vec::new();
        while lines.next(&mut out, &mut line).await? {
            state.show(&style, &line, &mut out);
            out.step().await?;
        }
    }
    out.finish().await
}

#[derive(Default, PartialEq)]
struct Style {
    number: bool,
    nonblank: bool,
    ends: bool,
    squeeze: bool,
    tabs: bool,
    nonprinting: bool,
}

impl Style {
    fn new(options: &Options) -> Self {
        let any = |flags: &str| options.last_of(flags).is_some();
        Self {
            number: any("nb"),
            nonblank: any("b"),
            ends: any("AEe"),
            squeeze: any("s"),
            tabs: any("ATt"),
            nonprinting: any("Avet"),
        }
    }
}

#[derive(Default)]
struct State {
    lines: u64,
    blanks: u32,
    /// The last file did not end in a newline: what comes next continues its line.
    inside: bool,
}

impl State {
    fn show(&mut self, style: &Style, line: &[u8], out: &mut Out<'_>) {
        let text = line.strip_suffix(b"\n");
        let blank = line == b"\n" && !self.inside;
        self.blanks = if blank { self.blanks + 1 } else { 0 };
        if style.squeeze && self.blanks > 1 {
            return;
        }
        if style.number && !self.inside && !(style.nonblank && blank) {
            self.lines += 1;
            let _ = write!(out, "{:6}\t", self.lines);
        }
        self.inside = text.is_none();
        let mut shown = Vec::with_capacity(line.len() + 2);
        for byte in text.unwrap_or(line) {
            match byte {
                b'\t' if style.tabs => shown.extend_from_slice(b"^I"),
                b'\t' => shown.push(b'\t'),
                _ if style.nonprinting => nonprinting(*byte, &mut shown),
                _ => shown.push(*byte),
            }
        }
        if text.is_some() {
            shown.extend_from_slice(if style.ends { b"$\n" } else { b"\n" });
        }
        let _ = out.write(&shown);
    }
}

/// `^X` for control characters, `M-` before what has the high bit.
fn nonprinting(byte: u8, shown: &mut Vec<u8>) {
    if byte >= 128 {
        shown.extend_from_slice(b"M-");
    }
    match byte & 127 {
        low @ 0..32 => shown.extend_from_slice(&[b'^', low + 64]),
        127 => shown.extend_from_slice(b"^?"),
        low => shown.push(low),
    }
}
