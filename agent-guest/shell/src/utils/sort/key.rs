//! Sort keys: which part of a line, and in what order.

use std::cmp::Ordering;

/// The letters of an order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Order {
    blanks: bool,
    dictionary: bool,
    fold: bool,
    printable: bool,
    kind: Kind,
    pub(super) reverse: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Text,
    Numeric,
    General,
    Human,
    Month,
    Version,
}

impl Order {
    pub(super) fn new(letters: &str) -> Self {
        let mut order = Self::default();
        for letter in letters.chars() {
            match letter {
                'b' => order.blanks = true,
                'd' => order.dictionary = true,
                'f' => order.fold = true,
                'i' => order.printable = true,
                'r' => order.reverse = true,
                'n' => order.kind = Kind::Numeric,
                'g' => order.kind = Kind::General,
                'h' => order.kind = Kind::Human,
                'M' => order.kind = Kind::Month,
                'V' => order.kind = Kind::Version,
                _ => {}
            }
        }
        order
    }

    pub(super) fn compare(&self, a: &[u8], b: &[u8]) -> Ordering {
        let order = match self.kind {
            Kind::Text => self.text(a, b),
            Kind::Numeric => numeric(a.trim_ascii_start(), b.trim_ascii_start()),
            Kind::General => general(a).total_cmp(&general(b)),
            Kind::Human => human(a).total_cmp(&human(b)),
            Kind::Month => month(a).cmp(&month(b)),
            Kind::Version => version(a, b),
        };
        if self.reverse { order.reverse() } else { order }
    }

    fn text(&self, a: &[u8], b: &[u8]) -> Ordering {
        if !self.fold && !self.dictionary && !self.printable && !self.blanks {
            return a.cmp(b);
        }
        let prepare = |text: &[u8]| -> Vec<u8> {
            let text = if self.blanks { text.trim_ascii_start() } else { text };
            text.iter()
                .filter(|b| !self.dictionary || b.is_ascii_alphanumeric() || b.is_ascii_whitespace())
                .filter(|b| !self.printable || (32..127).contains(*b))
                .map(|b| if self.fold { b.to_ascii_uppercase() } else { *b })
                .collect()
        };
        prepare(a).cmp(&prepare(b))
    }
}

/// `F[.C][letters][,F[.C][letters]]`.
#[derive(Debug)]
pub(super) struct Key {
    /// Field and character, from 0.
    from: (usize, usize),
    /// Field from 0 and number of characters, 0 for all of the field.
    to: Option<(usize, usize)>,
    skip_from: bool,
    skip_to: bool,
    pub(super) order: Order,
}

impl Key {
    /// A key without letters has the `global` order.
    pub(super) fn new(text: &str, global: Order) -> Option<Self> {
        let (start, end) = text.split_once(',').map_or((text, None), |(a, b)| (a, Some(b)));
        let (field, character, letters) = position(start)?;
        let (mut all, skip_from) = (letters.to_owned(), letters.contains('b'));
        let from = (field.checked_sub(1)?, character.unwrap_or(1).checked_sub(1)?);
        let (mut to, mut skip_to) = (None, false);
        if let Some(end) = end {
            let (field, character, letters) = position(end)?;
            skip_to = letters.contains('b');
            all.push_str(letters);
            to = Some((field.checked_sub(1)?, character.unwrap_or(0)));
        }
        if !all.chars().all(|c| "bdfghiMnrV".contains(c)) {
            return None;
        }
        let own = !all.is_empty();
        let mut order = if own { Order::new(&all) } else { global };
        let blanks = std::mem::replace(&mut order.blanks, false);
        let inherited = !own && blanks;
        Some(Self { from, to, skip_from: skip_from || inherited, skip_to: skip_to || inherited, order })
    }

    /// The part of the line that is the key.
    pub(super) fn cut<'a>(&self, line: &'a [u8], separator: Option<u8>) -> &'a [u8] {
        let mut start = field(line, self.from.0, separator).0;
        if self.skip_from {
            start += blanks(&line[start..]);
        }
        start = (start + self.from.1).min(line.len());
        let end = match self.to {
            None => line.len(),
            Some((number, 0)) => field(line, number, separator).1,
            Some((number, characters)) => {
                let mut at = field(line, number, separator).0;
                if self.skip_to {
                    at += blanks(&line[at..]);
                }
                (at + characters).min(line.len())
            }
        };
        &line[start..end.max(start)]
    }
}

fn position(text: &str) -> Option<(usize, Option<usize>, &str)> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = text.split_at(digits(text));
    let field = number.parse().ok()?;
    match rest.strip_prefix('.') {
        Some(rest) => {
            let (number, rest) = rest.split_at(digits(rest));
            Some((field, Some(number.parse().ok()?), rest))
        }
        None => Some((field, None, rest)),
    }
}

fn blanks(text: &[u8]) -> usize {
    text.iter().take_while(|b| matches!(b, b' ' | b'\t')).count()
}

/// Where a field begins and ends. Without a separator a field has the blanks before it.
fn field(line: &[u8], number: usize, separator: Option<u8>) -> (usize, usize) {
    let end_of = |start: usize| {
        let rest = &line[start..];
        let length = match separator {
            Some(separator) => rest.iter().position(|b| *b == separator),
            None => {
                let skip = blanks(rest);
                rest[skip..].iter().position(|b| matches!(b, b' ' | b'\t')).map(|n| n + skip)
            }
        };
        start + length.unwrap_or(rest.len())
    };
    let mut start = 0;
    for _ in 0..number {
        let end = end_of(start);
        if end >= line.len() {
            return (line.len(), line.len());
        }
        start = end + usize::from(separator.is_some());
    }
    (start, end_of(start))
}

/// A decimal number of any length: its sign, and its digits before and after the point.
fn number(text: &[u8]) -> (bool, &[u8], &[u8]) {
    let (negative, text) = text.strip_prefix(b"-").map_or((false, text), |rest| (true, rest));
    let digits = |text: &[u8]| text.iter().take_while(|b| b.is_ascii_digit()).count();
    let (whole, rest) = text.split_at(digits(text));
    let fraction = rest.strip_prefix(b".").map_or(&[][..], |rest| &rest[..digits(rest)]);
    let zeros = whole.iter().take_while(|b| **b == b'0').count();
    let used = fraction.iter().rposition(|b| *b != b'0').map_or(0, |at| at + 1);
    let (whole, fraction) = (&whole[zeros..], &fraction[..used]);
    (negative && !(whole.is_empty() && fraction.is_empty()), whole, fraction)
}

fn numeric(a: &[u8], b: &[u8]) -> Ordering {
    let (a, b) = (number(a), number(b));
    let size = a.1.len().cmp(&b.1.len()).then_with(|| a.1.cmp(b.1)).then_with(|| a.2.cmp(b.2));
    match (a.0, b.0) {
        (false, false) => size,
        (true, true) => size.reverse(),
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
    }
}

/// The longest prefix that is a floating-point number; what is none sorts first.
fn general(text: &[u8]) -> f64 {
    let text = String::from_utf8_lossy(text.trim_ascii_start());
    let word = text.split_ascii_whitespace().next().unwrap_or_default();
    let ends = word.char_indices().map(|(at, c)| at + c.len_utf8());
    let longest = ends.rev().take(64).find_map(|end| word[..end].parse().ok());
    longest.unwrap_or(f64::NEG_INFINITY)
}

/// `2K`, `1.5M`: by unit first, as GNU does it, then by number.
fn human(text: &[u8]) -> f64 {
    let text = String::from_utf8_lossy(text.trim_ascii_start());
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '-').unwrap_or(text.len());
    let value: f64 = text[..end].parse().unwrap_or(0.0);
    let unit = text[end..].chars().next().and_then(|c| "KMGTPEZY".find(c.to_ascii_uppercase()));
    value * unit.map_or(1.0, |power| (0..=power).fold(1.0, |size, _| size * 1024.0))
}

fn month(text: &[u8]) -> usize {
    const NAMES: &str = "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC";
    let text = String::from_utf8_lossy(text.trim_ascii_start()).to_ascii_uppercase();
    let name = text.get(..3).unwrap_or("-");
    NAMES.match_indices(name).map(|(at, _)| at).find(|at| at % 3 == 0).map_or(0, |at| at / 3 + 1)
}

/// Text and numbers in turn, numbers by value: `v9` before `v10`.
fn version(mut a: &[u8], mut b: &[u8]) -> Ordering {
    while !a.is_empty() && !b.is_empty() {
        let text = |text: &[u8]| text.iter().take_while(|b| !b.is_ascii_digit()).count();
        let digits = |text: &[u8]| text.iter().take_while(|b| b.is_ascii_digit()).count();
        let ((text_a, rest_a), (text_b, rest_b)) = (a.split_at(text(a)), b.split_at(text(b)));
        let ((number_a, next_a), (number_b, next_b)) =
            (rest_a.split_at(digits(rest_a)), rest_b.split_at(digits(rest_b)));
        let order = text_a.cmp(text_b).then_with(|| numeric(number_a, number_b));
        if order.is_ne() {
            return order;
        }
        (a, b) = (next_a, next_b);
    }
    a.len().cmp(&b.len())
}
