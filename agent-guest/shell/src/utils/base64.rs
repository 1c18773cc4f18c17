//! `base64`.

use super::{misuse, options, streams::Out};
use crate::command::{Call, Failure};

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub(crate) async fn run(call: &Call) -> Result<u8, Failure> {
    let long = [("decode", 'd'), ("ignore-garbage", 'i'), ("wrap=", 'w')];
    let options = options::parse(call, "dDiw:", &long)?;
    let wrap = match options.value('w') {
        None => 76,
        Some(text) => {
            text.parse::<usize>().map_err(|_| misuse(call, format_args!("invalid wrap size: '{text}'")))?
        }
    };
    if let Some(extra) = options.operands.get(1) {
        return Err(misuse(call, format_args!("extra operand '{extra}'")));
    }
    let mut out = Out::new(call);
    let operand = options.operands.first().map_or("-", String::as_str);
    let Some(reader) = out.open(operand).await? else { return Ok(1) };
    let decoding = options.last_of("dD").is_some();
    let mut decoder = Decoder { ignore: options.has('i'), ..Decoder::default() };
    let mut held: Vec<u8> = Vec::new();
    let mut column = 0;
    loop {
        out.before_read().await?;
        let bytes = reader.read().await?;
        if decoding {
            let (decoded, valid) = if bytes.is_empty() { decoder.finish() } else { decoder.feed(&bytes) };
            out.put(decoded).await?;
            if !valid {
                out.flush().await?;
                return Err(Failure::Message(1, "invalid input".to_owned()));
            }
        } else {
            held.extend_from_slice(&bytes);
            // Whole groups of three, and at the end whatever is left.
            let ready = if bytes.is_empty() { held.len() } else { held.len() / 3 * 3 };
            let text: Vec<u8> = held.drain(..ready).collect::<Vec<_>>().chunks(3).flat_map(encode).collect();
            out.put(wrapped(&text, wrap, &mut column)).await?;
        }
        if bytes.is_empty() {
            if column > 0 && wrap > 0 {
                out.put("\n").await?;
            }
            return out.finish().await;
        }
    }
}

fn encode(part: &[u8]) -> [u8; 4] {
    let byte = |index: usize| usize::from(part.get(index).copied().unwrap_or(0));
    let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
    let letter = |index: usize| ALPHABET[bits >> (18 - 6 * index) & 63];
    let third = if part.len() > 1 { letter(2) } else { b'=' };
    let fourth = if part.len() > 2 { letter(3) } else { b'=' };
    [letter(0), letter(1), third, fourth]
}

fn wrapped(text: &[u8], wrap: usize, column: &mut usize) -> Vec<u8> {
    if wrap == 0 {
        return text.to_vec();
    }
    let mut lines = Vec::with_capacity(text.len() + text.len() / wrap + 1);
    for byte in text {
        lines.push(*byte);
        *column += 1;
        if *column == wrap {
            lines.push(b'\n');
            *column = 0;
        }
    }
    lines
}

#[derive(Default)]
struct Decoder {
    ignore: bool,
    bits: u32,
    count: u32,
    padding: u32,
}

impl Decoder {
    /// What the bytes decode to, and whether they are valid so far.
    fn feed(&mut self, bytes: &[u8]) -> (Vec<u8>, bool) {
        let mut decoded = Vec::with_capacity(bytes.len() / 4 * 3);
        for byte in bytes {
            let value = ALPHABET.iter().position(|letter| letter == byte);
            match (value, byte) {
                (Some(value), _) if self.padding == 0 => {
                    self.bits = self.bits << 6 | u32::try_from(value).unwrap_or(0);
                    self.count += 1;
                }
                (_, b'\n') => continue,
                (_, b'=') if self.count >= 2 && self.count + self.padding < 4 => self.padding += 1,
                (None, _) if self.ignore => continue,
                _ => return (decoded, false),
            }
            if self.count + self.padding == 4 {
                self.take(&mut decoded);
            }
        }
        (decoded, true)
    }

    fn take(&mut self, decoded: &mut Vec<u8>) {
        let [_, whole @ ..] = (self.bits << (6 * (4 - self.count))).to_be_bytes();
        let bytes = usize::try_from(self.count.saturating_sub(1)).unwrap_or(0);
        decoded.extend_from_slice(&whole[..bytes]);
        (self.bits, self.count, self.padding) = (0, 0, 0);
    }

    fn finish(&mut self) -> (Vec<u8>, bool) {
        let valid = self.count == 0;
        let mut decoded = Vec::new();
        if self.count >= 2 {
            self.take(&mut decoded);
        }
        (decoded, valid)
    }
}
