//! `expr`.

use super::{
    misuse,
    regex::{Syntax, compile_all},
    streams::Out,
};
use crate::command::{Call, Failure};

/// Deepest nesting of parentheses.
const MAX_NESTING: usize = 100;

pub(crate) async fn run(call: &Call) -> Result<u8, Failure> {
    let words: Vec<&str> = call.args.iter().map(String::as_str).collect();
    let words = words.strip_prefix(&["--"]).unwrap_or(&words);
    if words.is_empty() {
        return Err(misuse(call, "missing operand"));
    }
    let mut parser = Parser { words, last: "", nesting: 0 };
    let value = parser.level(0).map_err(|text| Failure::Message(2, text))?;
    if let Some(extra) = parser.words.first() {
        return Err(Failure::Message(2, format!("syntax error: unexpected argument '{extra}'")));
    }
    let mut out = Out::new(call);
    out.put(format!("{value}\n")).await?;
    out.status = u8::from(is_null(&value));
    out.finish().await
}

fn is_null(value: &str) -> bool {
    value.is_empty() || value.parse() == Ok(0_i64)
}

/// Operators from the loosest to the tightest.
const LEVELS: [&[&str]; 6] =
    [&["|"], &["&"], &["<", "<=", "=", "==", "!=", ">=", ">"], &["+", "-"], &["*", "/", "%"], &[":"]];

struct Parser<'a> {
    words: &'a [&'a str],
    /// The word taken last.
    last: &'a str,
    nesting: usize,
}

impl Parser<'_> {
    fn level(&mut self, level: usize) -> Result<String, String> {
        let Some(operators) = LEVELS.get(level) else { return self.primary() };
        let mut left = self.level(level + 1)?;
        while let Some(operator) = self.words.first().filter(|word| operators.contains(word)) {
            let operator = *operator;
            self.next()?;
            let right = self.level(level + 1)?;
            left = apply(&left, operator, &right)?;
        }
        Ok(left)
    }

    fn next(&mut self) -> Result<&str, String> {
        let missing = || format!("syntax error: missing argument after '{}'", self.last);
        let (first, rest) = self.words.split_first().ok_or_else(missing)?;
        (self.words, self.last) = (rest, first);
        Ok(first)
    }

    fn primary(&mut self) -> Result<String, String> {
        let word = self.next()?.to_owned();
        let more = !self.words.is_empty();
        match word.as_str() {
            "(" => {
                self.nesting += 1;
                if self.nesting > MAX_NESTING {
                    return Err("expression is nested too deeply".to_owned());
                }
                let value = self.level(0)?;
                self.nesting -= 1;
                match self.next() {
                    Ok(")") => Ok(value),
                    _ => Err("syntax error: expecting ')'".to_owned()),
                }
            }
            "+" if more => Ok(self.next()?.to_owned()),
            "length" if more => Ok(self.primary()?.chars().count().to_string()),
            "match" if more => {
                let (text, pattern) = (self.primary()?, self.primary()?);
                apply(&text, ":", &pattern)
            }
            "index" if more => {
                let (text, wanted) = (self.primary()?, self.primary()?);
                Ok(text.chars().position(|c| wanted.contains(c)).map_or(0, |at| at + 1).to_string())
            }
            "substr" if more => {
                let (text, from, length) = (self.primary()?, self.primary()?, self.primary()?);
                let (Ok(from), Ok(length)) = (from.parse::<usize>(), length.parse()) else {
                    return Ok(String::new());
                };
                let Some(from) = from.checked_sub(1) else { return Ok(String::new()) };
                Ok(text.chars().skip(from).take(length).collect())
            }
            ")" => Err("syntax error: unexpected ')'".to_owned()),
            _ => Ok(word),
        }
    }
}

fn apply(left: &str, operator: &str, right: &str) -> Result<String, String> {
    let numbers = || match (left.parse::<i64>(), right.parse::<i64>()) {
        (Ok(left), Ok(right)) => Ok((left, right)),
        _ => Err("non-integer argument".to_owned()),
    };
    let arithmetic = |value: Option<i64>| value.map(|n| n.to_string()).ok_or("integer overflow".to_owned());
    let order = numbers().map_or_else(|_| left.cmp(right), |(left, right)| left.cmp(&right));
    let truth = |holds: bool| Ok(u8::from(holds).to_string());
    match operator {
        "|" if !is_null(left) => Ok(left.to_owned()),
        "|" if !is_null(right) => Ok(right.to_owned()),
        "&" if !is_null(left) && !is_null(right) => Ok(left.to_owned()),
        "|" | "&" => truth(false),
        "<" => truth(order.is_lt()),
        "<=" => truth(order.is_le()),
        "=" | "==" => truth(order.is_eq()),
        "!=" => truth(order.is_ne()),
        ">=" => truth(order.is_ge()),
        ">" => truth(order.is_gt()),
        ":" => matched(left, right),
        "/" | "%" if numbers()?.1 == 0 => Err("division by zero".to_owned()),
        _ => {
            let (left, right) = numbers()?;
            arithmetic(match operator {
                "+" => left.checked_add(right),
                "-" => left.checked_sub(right),
                "*" => left.checked_mul(right),
                "/" => left.checked_div(right),
                _ => left.checked_rem(right),
            })
        }
    }
}

/// The first group of an anchored match, or its length in characters.
fn matched(text: &str, pattern: &str) -> Result<String, String> {
    let regex = compile_all(&[pattern], Syntax::default(), |whole| format!("\\A(?:{whole})"))?;
    let captures = regex.captures(text.as_bytes());
    let part = |index: usize| captures.as_ref().and_then(|captures| captures.get(index));
    Ok(if regex.captures_len() > 1 {
        part(1).map_or_else(String::new, |group| String::from_utf8_lossy(group.as_bytes()).into_owned())
    } else {
        part(0).map_or(0, |whole| String::from_utf8_lossy(whole.as_bytes()).chars().count()).to_string()
    })
}
