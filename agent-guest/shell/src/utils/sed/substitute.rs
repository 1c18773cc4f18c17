//! The `s` command.

use regex::bytes::{Captures, Regex};

use super::script::{Delimited, Parser};

/// `s/pattern/replacement/flags`.
#[derive(Debug)]
pub(super) struct Substitution {
    /// `None`: the regular expression used last.
    pub(super) regex: Option<Regex>,
    parts: Vec<Part>,
    global: bool,
    /// The first occurrence to replace, from 1.
    nth: u64,
    pub(super) print: bool,
    pub(super) file: Option<usize>,
}

#[derive(Debug)]
enum Part {
    Text(Vec<u8>),
    Group(usize),
    Case(Case),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Case {
    /// `\E`
    Plain,
    /// `\U`
    Upper,
    /// `\L`
    Lower,
    /// `\u`
    UpperOne,
    /// `\l`
    LowerOne,
}

pub(super) fn parse(parser: &mut Parser<'_>) -> Result<Substitution, String> {
    const UNTERMINATED: &str = "unterminated `s' command";
    let mark = parser.next().filter(|c| !matches!(c, '\n' | '\\')).ok_or(UNTERMINATED)?;
    let pattern = parser.delimited(mark, Delimited::Pattern).ok_or(UNTERMINATED)?;
    let replacement = parser.delimited(mark, Delimited::Replacement).ok_or(UNTERMINATED)?;
    let (mut global, mut print, mut ignore_case, mut multi_line) = (false, false, false, false);
    let (mut nth, mut file) = (1, None);
    while let Some(c) = parser.peek() {
        match c {
            'g' => global = true,
            'p' => print = true,
            'i' | 'I' => ignore_case = true,
            'm' | 'M' => multi_line = true,
            '0' => return Err("number option to `s' command may not be zero".to_owned()),
            '1'..='9' => {
                nth = parser.number().ok_or("invalid number option to `s' command")?;
                continue;
            }
            'w' => {
                parser.next();
                file = Some(parser.file_argument()?);
                break;
            }
            '}' | '#' | ';' | '\n' | ' ' | '\t' | '\r' => break,
            _ => return Err("unknown option to `s'".to_owned()),
        }
        parser.next();
    }
    let regex = parser.regex(&pattern, ignore_case, multi_line)?;
    let parts = parts(&replacement);
    let groups =
        parts.iter().filter_map(|part| if let Part::Group(n) = part { Some(*n) } else { None }).max();
    if let (Some(regex), Some(most)) = (&regex, groups)
        && most >= regex.captures_len()
    {
        return Err(format!("invalid reference \\{most} on `s' command's RHS"));
    }
    Ok(Substitution { regex, parts, global, nth, print, file })
}

fn parts(replacement: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut text = Vec::new();
    let mut chars = replacement.chars();
    while let Some(c) = chars.next() {
        let part = match c {
            '&' => Part::Group(0),
            '\\' => match chars.next() {
                Some(digit @ '0'..='9') => Part::Group(digit as usize - '0' as usize),
                Some('U') => Part::Case(Case::Upper),
                Some('L') => Part::Case(Case::Lower),
                Some('u') => Part::Case(Case::UpperOne),
                Some('l') => Part::Case(Case::LowerOne),
                Some('E') => Part::Case(Case::Plain),
                Some(other) => {
                    let other = match other {
                        'n' => '\n',
                        't' => '\t',
                        'r' => '\r',
                        'a' => '\x07',
                        'f' => '\x0c',
                        'v' => '\x0b',
                        _ => other,
                    };
                    text.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes());
                    continue;
                }
                None => break,
            },
            _ => {
                text.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                continue;
            }
        };
        if !text.is_empty() {
            parts.push(Part::Text(std::mem::take(&mut text)));
        }
        parts.push(part);
    }
    if !text.is_empty() {
        parts.push(Part::Text(text));
    }
    parts
}

impl Substitution {
    /// The text with its matches replaced, or `None` if there is nothing to replace.
    pub(super) fn apply(&self, regex: &Regex, text: &[u8]) -> Option<Vec<u8>> {
        let mut result = Vec::new();
        let mut copied = 0;
        let mut replaced = false;
        for (index, captures) in regex.captures_iter(text).enumerate() {
            let Some(whole) = captures.get(0) else { continue };
            if (index as u64) + 1 < self.nth {
                continue;
            }
            result.extend_from_slice(&text[copied..whole.start()]);
            self.expand(&captures, &mut result);
            copied = whole.end();
            replaced = true;
            if !self.global {
                break;
            }
        }
        if !replaced {
            return None;
        }
        result.extend_from_slice(&text[copied..]);
        Some(result)
    }

    fn expand(&self, captures: &Captures<'_>, result: &mut Vec<u8>) {
        let mut case = Case::Plain;
        let mut once = None;
        for part in &self.parts {
            let text = match part {
                Part::Text(text) => text.as_slice(),
                Part::Group(number) => captures.get(*number).map_or(&[][..], |group| group.as_bytes()),
                Part::Case(one @ (Case::UpperOne | Case::LowerOne)) => {
                    once = Some(*one);
                    continue;
                }
                Part::Case(all) => {
                    (case, once) = (*all, None);
                    continue;
                }
            };
            if case == Case::Plain && once.is_none() {
                result.extend_from_slice(text);
                continue;
            }
            let text = String::from_utf8_lossy(text);
            let mut chars = text.chars();
            if let Some(once) = once.filter(|_| !text.is_empty())
                && let Some(first) = chars.next()
            {
                result.extend_from_slice(cased(&first.to_string(), once).as_bytes());
            }
            if !text.is_empty() {
                once = None;
            }
            result.extend_from_slice(cased(chars.as_str(), case).as_bytes());
        }
    }
}

fn cased(text: &str, case: Case) -> String {
    match case {
        Case::Plain => text.to_owned(),
        Case::Upper | Case::UpperOne => text.to_uppercase(),
        Case::Lower | Case::LowerOne => text.to_lowercase(),
    }
}
