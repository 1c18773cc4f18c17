//! Option parsing as `getopt_long` does it: clusters, attached values, abbreviated long options, `--`.

use super::misuse;
use crate::command::{Call, Failure};

/// What was found on a command line.
#[derive(Debug, Default)]
pub(crate) struct Options {
    /// Each option in order, with its value or an empty string.
    pub(crate) found: Vec<(char, String)>,
    /// The words that are not options.
    pub(crate) operands: Vec<String>,
}

impl Options {
    /// Whether `flag` was given.
    pub(crate) fn has(&self, flag: char) -> bool {
        self.found.iter().any(|(c, _)| *c == flag)
    }

    /// The last value given for `flag`.
    pub(crate) fn value(&self, flag: char) -> Option<&str> {
        self.found.iter().rev().find(|(c, _)| *c == flag).map(|(_, v)| v.as_str())
    }

    /// The last given one of several flags that override each other.
    pub(crate) fn last_of(&self, flags: &str) -> Option<char> {
        self.found.iter().rev().map(|(c, _)| *c).find(|c| flags.contains(*c))
    }
}

/// Parses `call.args`.
///
/// `short` lists the letters, each followed by `:` if it takes a value, `::` if only an attached one; a leading `+` ends options at the
/// first operand; `#` accepts `-123` as option `#` with value `123`. `long` maps names to letters, a name
/// ending in `=` takes a value, in `=?` an optional one; letters of options without a short form are any
/// characters that `short` lacks.
///
/// # Errors
/// A message with status 2 for an unknown option or a missing value.
pub(crate) fn parse(call: &Call, short: &str, long: &[(&str, char)]) -> Result<Options, Failure> {
    let (short, in_order) = short.strip_prefix('+').map_or((short, false), |rest| (rest, true));
    let mut options = Options::default();
    let mut words = call.args.iter();
    while let Some(word) = words.next() {
        if word == "--" {
            options.operands.extend(words.cloned());
            break;
        }
        if let Some(body) = word.strip_prefix("--") {
            let (letter, value) = parse_long(call, body, long, || words.next().cloned())?;
            options.found.push((letter, value));
        } else if word.len() > 1 && word.starts_with('-') {
            let digits = word.chars().skip(1).take_while(char::is_ascii_digit).count();
            let mut cluster = word[1..].chars();
            if digits > 0 && short.contains('#') {
                options.found.push(('#', word[1..=digits].to_owned()));
                cluster = word[1 + digits..].chars();
            }
            parse_cluster(call, cluster, short, &mut options, || words.next().cloned())?;
        } else if in_order {
            options.operands.push(word.clone());
            options.operands.extend(words.cloned());
            break;
        } else {
            options.operands.push(word.clone());
        }
    }
    Ok(options)
}

fn parse_cluster(
    call: &Call,
    mut cluster: std::str::Chars<'_>,
    short: &str,
    options: &mut Options,
    next: impl FnOnce() -> Option<String>,
) -> Result<(), Failure> {
    while let Some(letter) = cluster.next() {
        let known = if ":#".contains(letter) { None } else { short.find(letter) };
        let Some(at) = known else {
            return Err(misuse(call, format_args!("unrecognized option '-{letter}'")));
        };
        let after = &short[at + letter.len_utf8()..];
        if !after.starts_with(':') {
            options.found.push((letter, String::new()));
            continue;
        }
        let rest = cluster.as_str();
        if after.starts_with("::") {
            options.found.push((letter, rest.to_owned()));
            return Ok(());
        }
        let value = if rest.is_empty() { next() } else { Some(rest.to_owned()) };
        let value =
            value.ok_or_else(|| misuse(call, format_args!("option requires an argument -- '{letter}'")))?;
        options.found.push((letter, value));
        return Ok(());
    }
    Ok(())
}

fn parse_long(
    call: &Call,
    body: &str,
    long: &[(&str, char)],
    next: impl FnOnce() -> Option<String>,
) -> Result<(char, String), Failure> {
    let (name, attached) = body.split_once('=').map_or((body, None), |(n, v)| (n, Some(v.to_owned())));
    let plain = |full: &str| full.trim_end_matches(['=', '?']).to_owned();
    let mut matching: Vec<&(&str, char)> = long.iter().filter(|(full, _)| plain(full) == name).collect();
    if matching.is_empty() {
        matching = long.iter().filter(|(full, _)| full.starts_with(name)).collect();
        matching.dedup_by_key(|(_, letter)| *letter);
    }
    let (full, letter) = match matching[..] {
        [one] => *one,
        [] => return Err(misuse(call, format_args!("unrecognized option '--{name}'"))),
        _ => return Err(misuse(call, format_args!("option '--{name}' is ambiguous"))),
    };
    if full.ends_with("=?") {
        return Ok((letter, attached.unwrap_or_default()));
    }
    if !full.ends_with('=') {
        return match attached {
            None => Ok((letter, String::new())),
            Some(_) => {
                Err(misuse(call, format_args!("option '--{}' doesn't allow an argument", plain(full))))
            }
        };
    }
    attached
        .or_else(next)
        .map(|value| (letter, value))
        .ok_or_else(|| misuse(call, format_args!("option '--{}' requires an argument", plain(full))))
}

/// A count with an optional `k`, `K`, `M`, `G` (1024), or `kB`, `MB`, `GB` (1000) suffix.
pub(crate) fn size(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit {
        "" | "c" => 1,
        "b" => 512,
        "kB" | "KB" => 1000,
        "k" | "K" | "KiB" => 1 << 10,
        "MB" => 1_000_000,
        "M" | "MiB" => 1 << 20,
        "GB" => 1_000_000_000,
        "G" | "GiB" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}
