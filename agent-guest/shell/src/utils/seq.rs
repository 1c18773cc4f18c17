//! `seq` and `yes`.

use super::{misuse, streams::Out};
use crate::command::{Call, Failure};

/// Digits behind the point that a number may have.
const MAX_DIGITS: usize = 17;

pub(crate) async fn run(call: &Call) -> Result<u8, Failure> {
    let (mut separator, mut same_width, mut format) = ("\n", false, None);
    let mut words = call.args.iter().map(String::as_str).peekable();
    // Options by hand: a negative number is none.
    let option = |word: &&str| {
        word.starts_with('-')
            && word.len() > 1
            && !word[1..].starts_with(|c: char| c.is_ascii_digit() || c == '.')
    };
    while let Some(word) = words.next_if(option) {
        let missing = || misuse(call, "option requires an argument");
        match word {
            "--" => break,
            "-w" | "--equal-width" => same_width = true,
            "-s" | "--separator" => separator = words.next().ok_or_else(missing)?,
            "-f" | "--format" => format = Some(words.next().ok_or_else(missing)?),
            _ => {
                match (word.strip_prefix("-s"), word.strip_prefix("--separator="), word.strip_prefix("-f")) {
                    (_, Some(value), _) | (Some(value), ..) => separator = value,
                    (.., Some(value)) => format = Some(value),
                    _ => return Err(misuse(call, format_args!("unrecognized option '{word}'"))),
                }
            }
        }
    }
    let numbers: Vec<&str> = words.collect();
    let (first, step, last) = match numbers[..] {
        [last] => ("1", "1", last),
        [first, last] => (first, "1", last),
        [first, step, last] => (first, step, last),
        [] => return Err(misuse(call, "missing operand")),
        [_, _, _, extra, ..] => return Err(misuse(call, format_args!("extra operand '{extra}'"))),
    };
    let digits = [first, step].map(fraction).into_iter().max().unwrap_or(0);
    let scale = digits.max(fraction(last));
    let scaled = |text: &str| {
        fixed(text, scale)
            .ok_or_else(|| misuse(call, format_args!("invalid floating point argument: '{text}'")))
    };
    let (from, by, to) = (scaled(first)?, scaled(step)?, scaled(last)?);
    if by == 0 {
        return Err(misuse(call, format_args!("invalid Zero increment value: '{step}'")));
    }
    let show = |value: i128| show(value, scale, digits);
    let width = if same_width { show(from).len().max(show(to).len()) } else { 0 };
    let mut out = Out::new(call);
    let mut value = from;
    let mut gap = "";
    while if by > 0 { value <= to } else { value >= to } {
        let number = show(value);
        let number = match number.strip_prefix('-') {
            Some(positive) if width > 0 => format!("-{positive:0>digits$}", digits = width - 1),
            _ => format!("{number:0>width$}"),
        };
        let number = match format {
            Some(format) => formatted(format, value, scale).ok_or_else(|| {
                Failure::Message(1, format!("format '{format}' has no % directive that is supported"))
            })?,
            None => number,
        };
        out.put(format!("{gap}{number}")).await?;
        gap = separator;
        value += by;
    }
    out.put(if gap.is_empty() { "" } else { "\n" }).await?;
    out.finish().await
}

fn fraction(text: &str) -> usize {
    text.split_once('.').map_or(0, |(_, fraction)| fraction.len())
}

/// A decimal as a whole number of units of ten to the power of minus `scale`.
fn fixed(text: &str, scale: usize) -> Option<i128> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let valid = |part: &str| part.bytes().all(|b| b.is_ascii_digit()) && part.len() <= MAX_DIGITS;
    if digits.is_empty() || digits == "." || scale > MAX_DIGITS || !valid(whole) || !valid(fraction) {
        return None;
    }
    let value: i128 = format!("{whole}{fraction:0<scale$}").parse().ok()?;
    Some(if negative { -value } else { value })
}

fn show(value: i128, scale: usize, digits: usize) -> String {
    let sign = if value < 0 { "-" } else { "" };
    let text = format!("{:0>1$}", value.unsigned_abs(), scale + 1);
    let (whole, fraction) = text.split_at(text.len() - scale);
    if digits == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{}", &fraction[..digits]) }
}

/// `%[0][WIDTH][.PRECISION]f` or `g` among other text.
fn formatted(format: &str, value: i128, scale: usize) -> Option<String> {
    let (before, directive) = format.split_once('%')?;
    let end = directive.find(['f', 'g', 'e'])?;
    let (spec, after) = (&directive[..end], &directive[end + 1..]);
    let zero = spec.starts_with('0');
    let (width, precision) = spec.split_once('.').unwrap_or((spec, ""));
    let width: usize = if width.is_empty() { 0 } else { width.parse().ok()? };
    if width > 100 {
        return None;
    }
    let number: f64 = show(value, scale, scale).parse().ok()?;
    let text = match (directive.as_bytes()[end], precision) {
        (b'f', "") => format!("{number:.6}"),
        (b'f', digits) => format!("{number:.*}", digits.parse::<usize>().ok()?.min(MAX_DIGITS)),
        _ => number.to_string(),
    };
    let padded = if zero { format!("{text:0>width$}") } else { format!("{text:>width$}") };
    Some(format!("{before}{padded}{after}"))
}

/// `yes`: the same line until nobody reads any more.
pub(crate) async fn yes(call: &Call) -> Result<u8, Failure> {
    let line = if call.args.is_empty() { "y\n".to_owned() } else { format!("{}\n", call.args.join(" ")) };
    let mut out = Out::new(call);
    loop {
        out.put(&line).await?;
    }
}
