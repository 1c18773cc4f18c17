//! Where a substitution ends.

use std::collections::VecDeque;

/// A here-document that begins on the next line.
struct Document {
    end: String,
    tabs: bool,
}

impl Document {
    /// From `<<word` on; how long that is.
    fn new(text: &str) -> (Self, usize) {
        let tabs = text.starts_with("<<-");
        let before = if tabs { 3 } else { 2 };
        let blanks = text[before..].chars().take_while(|c| matches!(c, ' ' | '\t')).count();
        let word = &text[before + blanks..];
        let length = word.find(|c: char| c.is_whitespace() || ";|&()<>".contains(c)).unwrap_or(word.len());
        let end = word[..length].chars().filter(|c| !matches!(c, '\'' | '"' | '\\')).collect();
        (Self { end, tabs }, before + blanks + length)
    }

    /// The length of its body and last line.
    fn skip(&self, text: &str) -> usize {
        let mut length = 0;
        for line in text.split_inclusive('\n') {
            length += line.len();
            let line = line.trim_end_matches('\n');
            if (if self.tabs { line.trim_start_matches('\t') } else { line }) == self.end {
                break;
            }
        }
        length
    }
}

/// The length up to the `))` that ends an arithmetic expansion; `None` when it is none (`$((a); b)`).
pub(super) fn arithmetic(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' if depth > 0 => depth -= 1,
            b')' => return text[at..].starts_with("))").then_some(at),
            _ => {}
        }
    }
    None
}

/// The length up to the `)` that ends a command substitution.
///
/// The grammar crate has already found that there is an end; this only has to see what it must not take
/// for it: quotes, comments, nested brackets and the patterns of `case`.
pub(super) fn command(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    // At which depth each open `case` is: there, a closing bracket ends a pattern.
    let mut cases = Vec::new();
    let mut at = 0;
    let mut begins = true;
    let mut documents: VecDeque<Document> = VecDeque::new();
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        let began =
            std::mem::replace(&mut begins, c.is_whitespace() || matches!(c, ';' | '(' | ')' | '&' | '|'));
        let mut length = c.len_utf8();
        match c {
            '\\' => length += rest[1..].chars().next().map_or(0, char::len_utf8),
            '\n' => {
                for document in documents.drain(..) {
                    length += document.skip(&rest[length..]);
                }
            }
            '<' if rest.starts_with("<<") && !rest.starts_with("<<<") => {
                let (document, skipped) = Document::new(rest);
                documents.push_back(document);
                length = skipped;
            }
            '<' if rest.starts_with("<<<") => length = 3,
            '\'' => length = rest[1..].find('\'')? + 2,
            '"' => length = double(rest)?,
            '`' => length = rest[1..].find('`')? + 2,
            '#' if began => length = rest.find('\n').unwrap_or(rest.len()),
            '$' if rest.starts_with("${") => length = braces(rest)?,
            '$' if rest.starts_with("$(") => length = command(&rest[2..])? + 3,
            '(' => depth += 1,
            ')' if cases.last() == Some(&depth) => {}
            ')' if depth == 0 => return Some(at),
            ')' => depth -= 1,
            'a'..='z' if began => {
                length = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
                match &rest[..length] {
                    "case" => cases.push(depth),
                    "esac" => drop(cases.pop()),
                    _ => {}
                }
            }
            _ => {}
        }
        at += length;
    }
    None
}

/// The length of a double-quoted string with its quotes.
fn double(text: &str) -> Option<usize> {
    let mut at = 1;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        match c {
            '"' => return Some(at + 1),
            '\\' => at += 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
            '$' if rest.starts_with("$(") => at += command(&rest[2..])? + 3,
            '$' if rest.starts_with("${") => at += braces(rest)?,
            '`' => at += rest[1..].find('`')? + 2,
            _ => at += c.len_utf8(),
        }
    }
    None
}

/// The length of `${..}`.
fn braces(text: &str) -> Option<usize> {
    let mut at = 2;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        match c {
            '}' => return Some(at + 1),
            '\\' => at += 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
            '"' => at += double(rest)?,
            '$' if rest.starts_with("${") => at += braces(rest)?,
            '$' if rest.starts_with("$(") => at += command(&rest[2..])? + 3,
            _ => at += c.len_utf8(),
        }
    }
    None
}
