//! The values of parameters and what `${..}` does to them.

use std::borrow::Cow;

use super::Pattern;
use crate::{
    shell::{Jump, Shell, options::Options},
    syntax::{Name, Operation, Parameter, Place, Word},
};

/// What a parameter is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    One(Option<String>),
    /// `$@` and `$*`.
    Many {
        all: Vec<String>,
        star: bool,
    },
}

impl Value {
    pub(super) fn is_set(&self, colon: bool) -> bool {
        match self {
            Self::One(None) => false,
            Self::One(Some(text)) => !colon || !text.is_empty(),
            Self::Many { all, .. } => !all.is_empty() && (!colon || all.iter().any(|text| !text.is_empty())),
        }
    }

    fn map(self, change: impl Fn(&str) -> String) -> Self {
        match self {
            Self::One(text) => Self::One(Some(change(text.as_deref().unwrap_or_default()))),
            Self::Many { all, star } => {
                Self::Many { all: all.iter().map(|text| change(text)).collect(), star }
            }
        }
    }
}

/// A parameter as messages name it.
pub(super) fn show(name: &Name) -> String {
    match name {
        Name::Variable(name) => name.to_string(),
        Name::Positional(n) => n.to_string(),
        Name::Special(c) => c.to_string(),
    }
}

impl Shell {
    pub(super) fn look_up(&self, name: &Name) -> Value {
        Value::One(match name {
            Name::Variable(name) => self.variable(name),
            Name::Positional(n) => self.args.borrow().get(n - 1).cloned(),
            Name::Special('@' | '*') => {
                return Value::Many { all: self.args.borrow().to_vec(), star: *name == Name::Special('*') };
            }
            Name::Special(c) => match c {
                '#' => Some(self.args.borrow().len().to_string()),
                '?' => Some(self.status.get().to_string()),
                '-' => {
                    Some(self.options.get().letters() + if self.common.interactive.get() { "i" } else { "" })
                }
                '$' => Some("1".to_owned()),
                '!' => self.jobs.borrow().last_pid.map(|pid| pid.to_string()),
                _ => Some(self.name.borrow().to_string()),
            },
        })
    }

    /// A variable, those that are computed included.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        if let Some(value) = self.vars.borrow().get(name) {
            return Some(value.to_string());
        }
        match name {
            "RANDOM" => Some((crate::clock::random() % 32768).to_string()),
            "SECONDS" => Some(self.common.started.elapsed().as_secs().to_string()),
            "EPOCHSECONDS" => Some(crate::clock::unix_seconds().to_string()),
            "COLUMNS" => Some(agent::terminal::size().cols.to_string()),
            "LINES" => Some(agent::terminal::size().rows.to_string()),
            "PPID" => Some("0".to_owned()),
            _ => None,
        }
    }

    /// Sets a variable, or says why not.
    pub(crate) async fn assign(&self, name: &str, value: &str) -> Result<(), Jump> {
        let set = self.vars.borrow_mut().set(name, value);
        if let Err(refused) = set {
            return self.give_up(&refused.to_string()).await;
        }
        if self.option(Options::ALL_EXPORT) {
            self.vars.borrow_mut().export(name, true);
        }
        if name == "OPTIND" {
            self.getopts.set((value.parse().unwrap_or(1), 0));
        }
        Ok(())
    }

    pub(super) async fn assign_default(&self, name: &Name, value: &str) -> Result<(), Jump> {
        match name {
            Name::Variable(name) => self.assign(name, value).await,
            other => self.give_up(&format!("${}: cannot assign in this way", show(other))).await,
        }
    }

    pub(super) async fn operate(&self, parameter: &Parameter) -> Result<Value, Jump> {
        let value = self.look_up(&parameter.name);
        if value == Value::One(None) && self.option(Options::NO_UNSET) {
            self.complain(&format!("{}: unbound variable", show(&parameter.name))).await;
            return Err(self.ending(1));
        }
        Ok(match &parameter.operation {
            Operation::Value | Operation::Default { .. } => value,
            Operation::Length => Value::One(Some(match value {
                Value::One(text) => text.unwrap_or_default().chars().count().to_string(),
                Value::Many { all, .. } => all.len().to_string(),
            })),
            Operation::Indirect => match value {
                Value::One(Some(name)) if crate::syntax::word::is_name(&name) => {
                    Value::One(self.variable(&name))
                }
                Value::One(Some(n)) => match n.parse::<usize>() {
                    Ok(n) if n > 0 => Value::One(self.args.borrow().get(n - 1).cloned()),
                    _ => return self.give_up(&format!("{n}: invalid variable name")).await,
                },
                _ => Value::One(None),
            },
            Operation::Trim { suffix, longest, pattern } => {
                let pattern = self.expand_pattern(pattern).await?;
                value.map(|text| trim(text, &pattern, *suffix, *longest).to_owned())
            }
            Operation::Replace { place, pattern, with } => {
                let pattern = self.expand_pattern(pattern).await?;
                let with = self.expand_string(with).await?;
                value.map(|text| replace(text, &pattern, &with, *place).into_owned())
            }
            Operation::Substring { offset, length } => self.substring(value, offset, length.as_ref()).await?,
            Operation::Case { upper, all, pattern } => {
                let pattern =
                    if pattern.pieces.is_empty() { None } else { Some(self.expand_pattern(pattern).await?) };
                value.map(|text| change_case(text, pattern.as_ref(), *upper, *all))
            }
            Operation::Transform(kind) => value.map(|text| match kind {
                'U' => text.to_uppercase(),
                'u' => change_case(text, None, true, false),
                'L' => text.to_lowercase(),
                'Q' => quote(text),
                _ => crate::builtins::unescape(text),
            }),
        })
    }

    async fn substring(&self, value: Value, offset: &Word, length: Option<&Word>) -> Result<Value, Jump> {
        let offset = self.arithmetic(offset).await?;
        let length = match length {
            Some(length) => Some(self.arithmetic(length).await?),
            None => None,
        };
        Ok(match value {
            Value::One(text) => {
                let text = text.unwrap_or_default();
                let Some((from, to)) = bounds(text.chars().count(), offset, length) else {
                    return Ok(Value::One(Some(String::new())));
                };
                Value::One(Some(text.chars().skip(from).take(to - from).collect()))
            }
            Value::Many { mut all, star } => {
                // `${@:0}` begins with `$0`.
                all.insert(0, self.name.borrow().to_string());
                let (from, to) = bounds(all.len(), offset, length).unwrap_or_default();
                Value::Many { all: all.into_iter().skip(from).take(to - from).collect(), star }
            }
        })
    }
}

/// From where to where, when that is a part at all.
fn bounds(count: usize, offset: i64, length: Option<i64>) -> Option<(usize, usize)> {
    let count = i64::try_from(count).ok()?;
    let from = if offset < 0 { count.checked_add(offset)? } else { offset };
    let to = match length {
        None => count,
        Some(length) if length < 0 => count.checked_add(length)?,
        Some(length) => from.saturating_add(length).min(count),
    };
    if from < 0 || from > to {
        return None;
    }
    Some((usize::try_from(from).ok()?, usize::try_from(to).ok()?))
}

fn byte_of(text: &str, chars: usize) -> usize {
    text.char_indices().nth(chars).map_or(text.len(), |(at, _)| at)
}

fn trim<'a>(text: &'a str, pattern: &Pattern, suffix: bool, longest: bool) -> &'a str {
    if suffix {
        match pattern.suffix(text.chars().rev(), longest) {
            Some(n) => &text[..byte_of(text, text.chars().count() - n)],
            None => text,
        }
    } else {
        match pattern.prefix(text.chars(), longest) {
            Some(n) => &text[byte_of(text, n)..],
            None => text,
        }
    }
}

/// Longest text in which a pattern is replaced everywhere: the time may grow with its square.
const MAX_REPLACED_CHARS: usize = 256 * 1024;

fn replace<'a>(text: &'a str, pattern: &Pattern, with: &str, place: Place) -> Cow<'a, str> {
    if pattern.is_empty() {
        return match place {
            Place::Start => Cow::Owned(format!("{with}{text}")),
            Place::End => Cow::Owned(format!("{text}{with}")),
            _ => Cow::Borrowed(text),
        };
    }
    match place {
        Place::Start => match pattern.prefix(text.chars(), true) {
            Some(n) => Cow::Owned(format!("{with}{}", &text[byte_of(text, n)..])),
            None => Cow::Borrowed(text),
        },
        Place::End => match pattern.suffix(text.chars().rev(), true) {
            Some(n) => Cow::Owned(format!("{}{with}", &text[..byte_of(text, text.chars().count() - n)])),
            None => Cow::Borrowed(text),
        },
        Place::First | Place::All => {
            let mut result = String::new();
            let mut rest = text;
            let mut left = MAX_REPLACED_CHARS;
            while let Some(c) = rest.chars().next() {
                left -= 1;
                match pattern.prefix(rest.chars(), true) {
                    Some(n) if n > 0 => {
                        result.push_str(with);
                        rest = &rest[byte_of(rest, n)..];
                        if place == Place::First {
                            break;
                        }
                    }
                    _ => {
                        result.push(c);
                        rest = &rest[c.len_utf8()..];
                    }
                }
                if left == 0 || result.len() > super::MAX_EXPANSION_BYTES {
                    break;
                }
            }
            result.push_str(rest);
            Cow::Owned(result)
        }
    }
}

fn change_case(text: &str, pattern: Option<&Pattern>, upper: bool, all: bool) -> String {
    let mut result = String::with_capacity(text.len());
    for (n, c) in text.chars().enumerate() {
        let applies = (all || n == 0) && pattern.is_none_or(|p| p.matches(c.encode_utf8(&mut [0; 4])));
        match (applies, upper) {
            (false, _) => result.push(c),
            (true, true) => result.extend(c.to_uppercase()),
            (true, false) => result.extend(c.to_lowercase()),
        }
    }
    result
}

/// A word that the shell reads back as this text.
pub(crate) fn quote(text: &str) -> String {
    if text.chars().any(char::is_control) {
        let mut quoted = String::from("$'");
        for c in text.chars() {
            match c {
                '\n' => quoted.push_str("\\n"),
                '\t' => quoted.push_str("\\t"),
                '\r' => quoted.push_str("\\r"),
                '\'' | '\\' => quoted.extend(['\\', c]),
                c if c.is_control() => quoted.push_str(&format!("\\x{:02x}", u32::from(c))),
                c => quoted.push(c),
            }
        }
        return quoted + "'";
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// The same with backslashes, as `printf %q` has it.
pub(crate) fn escape(text: &str) -> String {
    if text.is_empty() {
        return "''".to_owned();
    }
    if text.chars().any(char::is_control) {
        return quote(text);
    }
    let mut escaped = String::with_capacity(text.len());
    for (n, c) in text.chars().enumerate() {
        let plain = c.is_alphanumeric() || "_-./:=@%+".contains(c) || !c.is_ascii();
        if !plain && (n == 0 || !matches!(c, '~' | '#')) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// The same, but as it is when it needs no quotes.
pub(crate) fn quote_if_needed(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_-./:=@%+,".contains(c);
    if !text.is_empty() && text.chars().all(plain) { text.to_owned() } else { quote(text) }
}
