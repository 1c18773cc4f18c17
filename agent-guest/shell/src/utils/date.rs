//! `date`, in UTC.

use std::time::SystemTime;

use super::{
    misuse, options,
    streams::{Lines, Out, chomp},
    time::{Civil, DAY, MONTHS, WEEKDAYS, days_to, modified, parse, since_epoch},
};
use crate::command::{Call, Failure};

const LONG: &[(&str, char)] = &[
    ("date=", 'd'),
    ("file=", 'f'),
    ("iso-8601=?", 'I'),
    ("reference=", 'r'),
    ("rfc-email", 'R'),
    ("rfc-3339=", '3'),
    ("utc", 'u'),
    ("universal", 'u'),
];

pub(crate) async fn run(call: &Call) -> Result<u8, Failure> {
    let options = options::parse(call, "d:f:I::r:Rus:", LONG)?;
    if options.has('s') {
        return Err(Failure::Message(1, "cannot set date: Operation not permitted".to_owned()));
    }
    let mut format_text = "%a %b %e %H:%M:%S %Z %Y";
    match options.last_of("I3R") {
        Some('I') => {
            format_text = match options.value('I').unwrap_or_default() {
                "" | "d" | "date" => "%Y-%m-%d",
                "h" | "hours" => "%Y-%m-%dT%H%:z",
                "m" | "minutes" => "%Y-%m-%dT%H:%M%:z",
                "s" | "seconds" => "%Y-%m-%dT%H:%M:%S%:z",
                "ns" => "%Y-%m-%dT%H:%M:%S,%N%:z",
                other => {
                    return Err(misuse(call, format_args!("invalid argument '{other}' for '--iso-8601'")));
                }
            }
        }
        Some('3') => {
            format_text = match options.value('3').unwrap_or_default() {
                "date" => "%Y-%m-%d",
                "seconds" => "%Y-%m-%d %H:%M:%S%:z",
                _ => "%Y-%m-%d %H:%M:%S.%N%:z",
            }
        }
        Some(_) => format_text = "%a, %d %b %Y %H:%M:%S %z",
        None => {}
    }
    match &options.operands[..] {
        [] => {}
        [text] if text.starts_with('+') => format_text = &text[1..],
        [text] => return Err(Failure::Message(1, format!("invalid date '{text}'"))),
        [_, extra, ..] => return Err(misuse(call, format_args!("extra operand '{extra}'"))),
    }
    let (now, nanos) = since_epoch(SystemTime::now());
    let mut out = Out::new(call);
    let mut line = Vec::new();
    if let Some(path) = options.value('f') {
        let Some(reader) = out.open(path).await? else { return Ok(1) };
        let mut lines = Lines::new(reader);
        while lines.next(&mut out, &mut line).await? {
            let text = String::from_utf8_lossy(chomp(&line)).into_owned();
            match parse(&text, now) {
                Some(at) => out.put(format!("{}\n", format(format_text, at, 0))).await?,
                None => out.complain(format_args!("invalid date '{text}'")).await?,
            }
        }
        return out.finish().await;
    }
    let (at, nanos) = match (options.value('d'), options.value('r')) {
        (Some(text), _) => match parse(text, now) {
            Some(at) => (at, if at == now { nanos } else { 0 }),
            None => return Err(Failure::Message(1, format!("invalid date '{text}'"))),
        },
        (_, Some(path)) => {
            let metadata = std::fs::metadata(super::locate(call, path));
            let Some(metadata) = out.check(path, metadata).await? else { return Ok(1) };
            (modified(&metadata), 0)
        }
        _ => (now, nanos),
    };
    out.put(format!("{}\n", format(format_text, at, nanos))).await?;
    out.finish().await
}

/// A moment as `strftime` writes it; `nanos` is the part of a second for `%N`.
pub(super) fn format(format: &str, seconds: i64, nanos: u32) -> String {
    let at = Civil::new(seconds);
    let mut text = String::new();
    let mut rest = format;
    while let Some((plain, directive)) = rest.split_once('%') {
        text.push_str(plain);
        let flags = directive.len() - directive.trim_start_matches(['-', '_', '0', '^', '#', ':']).len();
        let (flags, after) = directive.split_at(flags);
        let width = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (width, after) = after.split_at(width);
        let Some(letter) = after.chars().next() else {
            text.push('%');
            text.push_str(directive);
            return text;
        };
        rest = &after[letter.len_utf8()..];
        // A nanosecond's width is how many of its digits are shown.
        let digits = width.parse().unwrap_or(9_usize).clamp(1, 9);
        match letter {
            'N' => text.push_str(&format!("{nanos:09}")[..digits]),
            _ => match directive_text(&at, letter, flags) {
                Some(piece) => text.push_str(&piece),
                None => text.push_str(&format!("%{flags}{width}{letter}")),
            },
        }
    }
    text.push_str(rest);
    text
}

fn directive_text(at: &Civil, letter: char, flags: &str) -> Option<String> {
    let month = i64::try_from(at.month).unwrap_or_default();
    let weekday = i64::try_from(at.weekday).unwrap_or_default();
    let twelve = if at.hour % 12 == 0 { 12 } else { at.hour % 12 };
    let number = |value: i64, width: usize, pad: char| {
        let pad = match flags.chars().find(|c| "-_0".contains(*c)) {
            Some('-') => return value.to_string(),
            Some('_') => ' ',
            Some(_) => '0',
            None => pad,
        };
        if pad == '0' { format!("{value:0width$}") } else { format!("{value:width$}") }
    };
    let name = |name: &str| if flags.contains('^') { name.to_uppercase() } else { name.to_owned() };
    let again = |text: &str| Some(format(text, at.seconds, 0));
    Some(match letter {
        'Y' => number(at.year, 4, '0'),
        'C' => number(at.year.div_euclid(100), 2, '0'),
        'y' => number(at.year.rem_euclid(100), 2, '0'),
        'm' => number(month, 2, '0'),
        'd' => number(at.day, 2, '0'),
        'e' => number(at.day, 2, ' '),
        'H' => number(at.hour, 2, '0'),
        'k' => number(at.hour, 2, ' '),
        'I' => number(twelve, 2, '0'),
        'l' => number(twelve, 2, ' '),
        'M' => number(at.minute, 2, '0'),
        'S' => number(at.second, 2, '0'),
        'j' => number(at.day_of_year, 3, '0'),
        'u' => number(if weekday == 0 { 7 } else { weekday }, 1, '0'),
        'w' => number(weekday, 1, '0'),
        'q' => number((month + 2) / 3, 1, '0'),
        's' => at.seconds.to_string(),
        'U' => number((at.day_of_year + 6 - weekday) / 7, 2, '0'),
        'W' => number((at.day_of_year + 6 - (weekday + 6) % 7) / 7, 2, '0'),
        'V' => number(iso_week(at).1, 2, '0'),
        'G' => number(iso_week(at).0, 4, '0'),
        'g' => number(iso_week(at).0.rem_euclid(100), 2, '0'),
        'a' => name(&WEEKDAYS[at.weekday][..3]),
        'A' => name(WEEKDAYS[at.weekday]),
        'b' | 'h' => name(at.month_name()),
        'B' => name(MONTHS[at.month - 1]),
        'p' => (if at.hour < 12 { "AM" } else { "PM" }).to_owned(),
        'P' => (if at.hour < 12 { "am" } else { "pm" }).to_owned(),
        'Z' => "UTC".to_owned(),
        'z' => (if flags.contains(':') { "+00:00" } else { "+0000" }).to_owned(),
        'n' => "\n".to_owned(),
        't' => "\t".to_owned(),
        '%' => "%".to_owned(),
        'F' => return again("%Y-%m-%d"),
        'T' | 'X' => return again("%H:%M:%S"),
        'R' => return again("%H:%M"),
        'r' => return again("%I:%M:%S %p"),
        'D' | 'x' => return again("%m/%d/%y"),
        'c' => return again("%a %b %e %H:%M:%S %Y"),
        _ => return None,
    })
}

/// Year and week of ISO 8601: weeks begin on Monday and belong to the year that has their Thursday.
fn iso_week(at: &Civil) -> (i64, i64) {
    let monday_first = (i64::try_from(at.weekday).unwrap_or_default() + 6) % 7;
    let thursday = Civil::new(at.seconds + (3 - monday_first) * DAY);
    let days = thursday.seconds.div_euclid(DAY) - days_to(thursday.year, 1, 1);
    (thursday.year, days / 7 + 1)
}
