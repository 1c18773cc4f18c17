//! Changes components at random; the same seed makes the same change.

use wasmparser::{Parser, Payload};

/// A generator of numbers, xorshift64*.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// The sequence of a seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// The next number.
    pub(crate) fn draw(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below a bound; 0 when there is none.
    fn below(&mut self, bound: usize) -> usize {
        let bound = bound.max(1) as u64;
        usize::try_from(self.draw() % bound).unwrap_or(0)
    }
}

/// An input made of a corpus.
pub(crate) fn input(corpus: &[Vec<u8>], seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut bytes = corpus[random.below(corpus.len())].clone();
    for _ in 0..=random.below(3) {
        change(&mut bytes, corpus, &mut random);
    }
    bytes
}

fn change(bytes: &mut Vec<u8>, corpus: &[Vec<u8>], random: &mut Random) {
    if bytes.is_empty() {
        return;
    }
    let at = random.below(bytes.len());
    match random.below(8) {
        0 => bytes.truncate(at),
        1 | 2 => bytes[at] ^= 1 << random.below(8),
        3 => bytes[at] = u8::try_from(random.below(256)).unwrap_or(0),
        4 => {
            let end = (at + random.below(16)).min(bytes.len());
            bytes.drain(at..end);
        }
        5 => bytes.insert(at, u8::try_from(random.below(256)).unwrap_or(0)),
        6 => swap_sections(bytes, random),
        _ => {
            let other = &corpus[random.below(corpus.len())];
            let sections = sections(other);
            if let Some(section) = sections.get(random.below(sections.len())) {
                bytes.extend_from_slice(&other[section.clone()]);
            }
        }
    }
}

/// Swaps two sections of the outermost component.
fn swap_sections(bytes: &mut Vec<u8>, random: &mut Random) {
    let sections = sections(bytes);
    let (a, b) = (random.below(sections.len()), random.below(sections.len()));
    let (Some(first), Some(second)) = (sections.get(a.min(b)), sections.get(a.max(b))) else { return };
    if first == second {
        return;
    }
    let mut swapped = bytes[..first.start].to_vec();
    swapped.extend_from_slice(&bytes[second.clone()]);
    swapped.extend_from_slice(&bytes[first.end..second.start]);
    swapped.extend_from_slice(&bytes[first.clone()]);
    swapped.extend_from_slice(&bytes[second.end..]);
    *bytes = swapped;
}

/// Where the sections of the outermost component are.
fn sections(bytes: &[u8]) -> Vec<std::ops::Range<usize>> {
    let (mut sections, mut start, mut depth) = (Vec::new(), 8, 0);
    for payload in Parser::new(0).parse_all(bytes) {
        let Ok(payload) = payload else { break };
        match &payload {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            other => {
                if let (1, Some((_, range))) = (depth, other.as_section()) {
                    if range.end > bytes.len() {
                        break;
                    }
                    sections.push(start..range.end);
                    start = range.end;
                }
            }
        }
    }
    sections
}
