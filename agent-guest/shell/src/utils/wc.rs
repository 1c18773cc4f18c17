//! `wc`.

use super::{
    options,
    streams::{Out, or_stdin},
};
use crate::{
    command::{Call, Failure},
    io::Reader,
};

pub(crate) async fn run(call: &Call) -> Result<u8, Failure> {
    let long = [("bytes", 'c'), ("chars", 'm'), ("lines", 'l'), ("words", 'w'), ("max-line-length", 'L')];
    let options = options::parse(call, "clmwL", &long)?;
    let mut wanted: Vec<char> = "lwmcL".chars().filter(|flag| options.has(*flag)).collect();
    if wanted.is_empty() {
        wanted = vec!['l', 'w', 'c'];
    }
    let mut out = Out::new(call);
    let mut rows = Vec::new();
    let mut total = Counts::default();
    for operand in or_stdin(&options.operands) {
        let Some(reader) = out.open(operand).await? else { continue };
        let counts = count(&mut out, &reader).await?;
        total.add(&counts);
        let name = if options.operands.is_empty() { "" } else { operand };
        rows.push((counts, name));
    }
    if options.operands.len() > 1 {
        rows.push((total, "total"));
    }
    let largest = rows.iter().flat_map(|(c, _)| wanted.iter().map(|w| c.get(*w))).max().unwrap_or(0);
    // One number of one input is bare; a pipe's size is unknown beforehand, so GNU takes seven columns.
    let width = match (rows.len(), wanted.len(), options.operands.iter().any(|o| o == "-")) {
        (_, 1, _) if options.operands.len() < 2 => 1,
        (_, _, true) => 7,
        _ if options.operands.is_empty() => 7,
        _ => rows.last().map_or(1, |(c, _)| c.bytes.max(largest)).to_string().len(),
    };
    for (counts, name) in rows {
        let numbers: Vec<String> =
            wanted.iter().map(|flag| format!("{:>width$}", counts.get(*flag))).collect();
        let gap = if name.is_empty() { "" } else { " " };
        out.put(format!("{}{gap}{name}\n", numbers.join(" "))).await?;
    }
    out.finish().await
}

#[derive(Default)]
struct Counts {
    lines: u64,
    words: u64,
    chars: u64,
    bytes: u64,
    longest: u64,
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.lines += other.lines;
        self.words += other.words;
        self.chars += other.chars;
        self.bytes += other.bytes;
        self.longest = self.longest.max(other.longest);
    }

    fn get(&self, flag: char) -> u64 {
        match flag {
            'l' => self.lines,
            'w' => self.words,
            'm' => self.chars,
            'c' => self.bytes,
            _ => self.longest,
        }
    }
}

async fn count(out: &mut Out<'_>, reader: &Reader) -> Result<Counts, Failure> {
    let mut counts = Counts::default();
    let mut in_word = false;
    let mut column = 0;
    loop {
        out.before_read().await?;
        let bytes = reader.read().await?;
        if bytes.is_empty() {
            counts.longest = counts.longest.max(column);
            return Ok(counts);
        }
        counts.bytes += bytes.len() as u64;
        for byte in bytes {
            // Every byte that does not continue a UTF-8 sequence begins a character.
            counts.chars += u64::from(byte & 0xc0 != 0x80);
            match byte {
                b'\n' | b'\r' | b'\x0c' => {
                    counts.longest = counts.longest.max(column);
                    column = 0;
                }
                b'\t' => column = column / 8 * 8 + 8,
                b' '..=0x7e => column += 1,
                0xc0.. => column += 1,
                _ => {}
            }
            counts.lines += u64::from(byte == b'\n');
            let space = byte == b' ' || (b'\t'..=b'\r').contains(&byte);
            counts.words += u64::from(!space && !in_word);
            in_word = !space;
        }
    }
}
