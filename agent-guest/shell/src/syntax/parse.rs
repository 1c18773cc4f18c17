//! From text to tree, with errors as a shell words them.

use std::{borrow::Cow, fmt};

use brush_parser::{ParseError, Parser, ParserOptions, SourcePosition};

use super::{List, keywords, lower};

/// Longest script or line that is parsed.
pub(crate) const MAX_SOURCE_BYTES: usize = 1024 * 1024;
/// Deepest nesting of brackets and compound commands: the parsers recurse, and a guest's stack is small.
pub(crate) const MAX_NESTING: usize = 40;

/// Why there is no tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SyntaxError {
    /// More input could complete it.
    Incomplete(String),
    /// Nothing could.
    Invalid(String),
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Incomplete(text) | Self::Invalid(text) => write!(f, "syntax error: {text}"),
        }
    }
}

/// Parses a whole script.
///
/// # Errors
/// It is no script of the shell language, or is not complete, or is over a bound.
pub(crate) fn parse(source: &str) -> Result<List, SyntaxError> {
    if source.len() > MAX_SOURCE_BYTES {
        return Err(SyntaxError::Invalid(format!("script over {MAX_SOURCE_BYTES} bytes")));
    }
    if nesting(source) > MAX_NESTING {
        return Err(SyntaxError::Invalid(format!("nested more than {MAX_NESTING} deep")));
    }
    if ends_in_backslash(source) {
        return Err(SyntaxError::Incomplete("unexpected end of file".to_owned()));
    }
    let source = &*spaced(source);
    let mut parser = Parser::new(source.as_bytes(), &options());
    match parser.parse_program() {
        Ok(program) => lower::program(&program, source),
        Err(error) => Err(match keywords::misplaced(source) {
            Some(token) => SyntaxError::Invalid(format!("near unexpected token `{token}'")),
            None => explain(&error, source),
        }),
    }
}

pub(super) fn options() -> ParserOptions {
    ParserOptions { enable_extended_globbing: false, ..ParserOptions::default() }
}

/// `for ((;;))` with its semicolons apart: the grammar crate takes two of them for one operator.
fn spaced(source: &str) -> Cow<'_, str> {
    if !source.contains("((") || !source.contains(";;") {
        return source.into();
    }
    let mut result = String::with_capacity(source.len() + 8);
    let mut rest = source;
    while let Some(at) = rest.find("((") {
        let (before, inner) = rest.split_at(at);
        result.push_str(before);
        let is_for = before.trim_end().ends_with("for");
        let end = if is_for { inner.find("))").unwrap_or(2) } else { 2 };
        result.push_str(&inner[..end].replace(";;", "; ;"));
        rest = &inner[end..];
    }
    result.push_str(rest);
    result.into()
}

/// A line that goes on; the grammar crate silently drops the mark.
fn ends_in_backslash(source: &str) -> bool {
    let line = source.strip_suffix('\n').unwrap_or(source);
    let last = line.rsplit('\n').next().unwrap_or(line);
    let marks = last.bytes().rev().take_while(|b| *b == b'\\').count();
    marks % 2 == 1 && !last.trim_start().starts_with('#')
}

fn explain(error: &ParseError, source: &str) -> SyntaxError {
    match error {
        ParseError::ParsingAtEndOfInput => SyntaxError::Incomplete("unexpected end of file".to_owned()),
        ParseError::ParsingNear(position) => {
            let token = token_at(source, position);
            SyntaxError::Invalid(if position.line > 1 {
                format!("line {}: near unexpected token `{token}'", position.line)
            } else {
                format!("near unexpected token `{token}'")
            })
        }
        ParseError::Tokenizing { inner, .. } => {
            let text = inner.to_string();
            if inner.is_incomplete() { SyntaxError::Incomplete(text) } else { SyntaxError::Invalid(text) }
        }
    }
}

/// The token that begins at a position of the source.
fn token_at(source: &str, position: &SourcePosition) -> String {
    let rest: String = source.chars().skip(position.index).collect();
    let rest = rest.trim_start_matches([' ', '\t']);
    let operator = |c: char| matches!(c, ';' | '&' | '|' | '(' | ')' | '<' | '>');
    let token: String = match rest.chars().next() {
        None | Some('\n') => return "newline".to_owned(),
        Some(c) if operator(c) => rest.chars().take_while(|other| *other == c).take(2).collect(),
        Some(_) => rest.chars().take_while(|c| !operator(*c) && !c.is_whitespace()).take(40).collect(),
    };
    token
}

/// A bound on how deep the parsers can recurse, by brackets and by words where commands begin. Quoted
/// brackets count too: too careful is harmless here.
fn nesting(source: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut begins = true;
    // `[[ ! ! x ]]` nests too, less deep.
    let mut marks = 0_usize;
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        let mut length = c.len_utf8();
        match c {
            ' ' | '\t' => {}
            '#' if begins => length = rest.find('\n').unwrap_or(rest.len()),
            '(' | '{' => {
                depth += 1;
                begins = true;
            }
            ')' | '}' => {
                depth = depth.saturating_sub(1);
                begins = true;
            }
            '\n' | ';' | '&' | '|' | '!' | '`' => begins = true,
            _ => {
                length = rest
                    .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                    .unwrap_or(rest.len())
                    .max(length);
                let word = &rest[..length];
                if begins {
                    match word {
                        "if" | "while" | "until" | "for" | "case" => depth += 1,
                        "fi" | "done" | "esac" => depth = depth.saturating_sub(1),
                        _ => {}
                    }
                }
                begins = matches!(word, "if" | "while" | "until" | "then" | "do" | "else" | "elif" | "time");
            }
        }
        marks = match c {
            '!' => marks + 1,
            ' ' | '\t' | '\n' => marks,
            _ => 0,
        };
        deepest = deepest.max(depth).max(marks / 8);
        rest = &rest[length..];
    }
    deepest
}
