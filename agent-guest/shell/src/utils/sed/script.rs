//! Scripts: from text to commands.

use std::collections::HashMap;

use regex::bytes::Regex;

use super::substitute::{self, Substitution};
use crate::utils::regex::{Syntax, compile};

/// Most commands in one script.
const MAX_COMMANDS: usize = 10_000;

/// Which lines.
#[derive(Debug)]
pub(super) enum Address {
    Line(u64),
    /// `first~step`.
    Step(u64, u64),
    Last,
    /// `None`: the regular expression used last.
    Regex(Option<Regex>),
    /// As the second one: so many lines after the first.
    Plus(u64),
    /// As the second one: up to a multiple.
    Multiple(u64),
}

#[derive(Debug)]
pub(super) enum Action {
    /// Goes on after the block, at this command, unless its lines are selected.
    Block(usize),
    EndBlock,
    Append(Vec<u8>),
    Insert(Vec<u8>),
    Change(Vec<u8>),
    Branch(usize),
    /// Branches if a substitution was (or, if false, was not) made.
    Test(bool, usize),
    Delete,
    DeleteFirst,
    Get,
    GetAppend,
    Hold,
    HoldAppend,
    List,
    Next,
    NextAppend,
    Number,
    Print,
    PrintFirst,
    Quit(u8),
    QuitSilently(u8),
    Read(String),
    Write(usize),
    WriteFirst(usize),
    Exchange,
    Transliterate(HashMap<char, char>),
    Zap,
    Substitute(Box<Substitution>),
}

#[derive(Debug)]
pub(super) struct Command {
    pub(super) first: Option<Address>,
    pub(super) last: Option<Address>,
    pub(super) negate: bool,
    pub(super) action: Action,
}

#[derive(Debug)]
pub(super) struct Script {
    pub(super) commands: Vec<Command>,
    /// Names of files that `w` writes, in the order of their numbers.
    pub(super) files: Vec<String>,
    pub(super) quiet: bool,
}

/// Reads a script.
///
/// # Errors
/// Where and what is wrong, as GNU words it.
pub(super) fn parse(text: &str, extended: bool, quiet: bool) -> Result<Script, String> {
    let quiet = quiet || text.starts_with("#n\n") || text == "#n";
    let script = Script { commands: Vec::new(), files: Vec::new(), quiet };
    let mut parser = Parser {
        text,
        at: 0,
        extended,
        script,
        blocks: Vec::new(),
        labels: HashMap::new(),
        jumps: Vec::new(),
    };
    match parser.commands() {
        Ok(()) => Ok(parser.script),
        Err(text) if parser.at == usize::MAX => Err(text),
        Err(text) => Err(format!("-e expression #1, char {}: {text}", parser.at)),
    }
}

/// What stands between marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delimited {
    Pattern,
    Replacement,
    Characters,
}

pub(super) struct Parser<'a> {
    text: &'a str,
    at: usize,
    extended: bool,
    script: Script,
    blocks: Vec<usize>,
    labels: HashMap<String, usize>,
    jumps: Vec<(usize, String)>,
}

impl Parser<'_> {
    pub(super) fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    pub(super) fn eat(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.next();
        }
        found
    }

    fn skip(&mut self, skipped: impl Fn(char) -> bool) {
        while self.peek().is_some_and(&skipped) {
            self.next();
        }
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        let start = self.at;
        self.skip(|c| c.is_ascii_digit());
        self.text[start..self.at].parse().ok()
    }

    /// The rest of the line.
    fn line(&mut self) -> String {
        let start = self.at;
        self.skip(|c| c != '\n');
        self.text[start..self.at].to_owned()
    }

    fn commands(&mut self) -> Result<(), String> {
        loop {
            self.skip(|c| c.is_whitespace() || c == ';');
            let Some(c) = self.peek() else { break };
            if c == '#' {
                self.line();
                continue;
            }
            if self.script.commands.len() >= MAX_COMMANDS {
                return Err("too many commands".to_owned());
            }
            self.command()?;
        }
        if !self.blocks.is_empty() {
            self.at = 0;
            return Err("unmatched `{'".to_owned());
        }
        for (index, label) in std::mem::take(&mut self.jumps) {
            let target = match self.labels.get(&label) {
                _ if label.is_empty() => self.script.commands.len(),
                Some(target) => *target,
                None => {
                    // It is nowhere in particular.
                    self.at = usize::MAX;
                    return Err(format!("can't find label for jump to `{label}'"));
                }
            };
            match &mut self.script.commands[index].action {
                Action::Branch(to) | Action::Test(_, to) => *to = target,
                _ => {}
            }
        }
        Ok(())
    }

    fn command(&mut self) -> Result<(), String> {
        let first = self.address(false)?;
        let mut last = None;
        self.skip(|c| c == ' ');
        if first.is_some() && self.eat(',') {
            self.skip(|c| c == ' ');
            last = Some(self.address(true)?.ok_or("unexpected `,'")?);
        }
        if matches!(first, Some(Address::Line(0))) && !matches!(last, Some(Address::Regex(_))) {
            return Err("invalid usage of line address 0".to_owned());
        }
        self.skip(|c| c == ' ');
        let negate = self.eat('!');
        self.skip(|c| c == ' ' || c == '!');
        let name = self.next().ok_or("missing command")?;
        if first.is_some() && matches!(name, ':' | '}') {
            return Err(format!("{name} doesn't want any addresses"));
        }
        if let Some(action) = self.action(name)? {
            self.script.commands.push(Command { first, last, negate, action });
        }
        Ok(())
    }

    fn address(&mut self, second: bool) -> Result<Option<Address>, String> {
        let Some(c) = self.peek() else { return Ok(None) };
        let address = match c {
            '0'..='9' => {
                let number = self.number().ok_or("invalid line number")?;
                match self.eat('~') {
                    true => Address::Step(number, self.number().unwrap_or(0)),
                    false => Address::Line(number),
                }
            }
            '$' => {
                self.next();
                Address::Last
            }
            '+' | '~' if second => {
                self.next();
                let number = self.number().ok_or("expected a number")?;
                if c == '+' { Address::Plus(number) } else { Address::Multiple(number) }
            }
            '/' | '\\' => {
                self.next();
                let mark = if c == '/' { c } else { self.next().ok_or("unterminated address regex")? };
                let pattern = self.delimited(mark, Delimited::Pattern).ok_or("unterminated address regex")?;
                let (mut ignore_case, mut multi_line) = (false, false);
                loop {
                    match self.peek() {
                        Some('I') => ignore_case = true,
                        Some('M') => multi_line = true,
                        _ => break,
                    }
                    self.next();
                }
                Address::Regex(self.regex(&pattern, ignore_case, multi_line)?)
            }
            _ => return Ok(None),
        };
        Ok(Some(address))
    }

    pub(super) fn regex(
        &self,
        pattern: &str,
        ignore_case: bool,
        multi_line: bool,
    ) -> Result<Option<Regex>, String> {
        if pattern.is_empty() {
            return Ok(None);
        }
        compile(pattern, Syntax { extended: self.extended, literal: false, ignore_case, multi_line })
            .map(Some)
    }

    /// Text up to an unescaped `mark`. An escaped mark stands for itself.
    pub(super) fn delimited(&mut self, mark: char, kind: Delimited) -> Option<String> {
        let mut found = String::new();
        loop {
            match self.next()? {
                c if c == mark => return Some(found),
                '\\' => {
                    let c = self.next()?;
                    if c != mark || kind == Delimited::Replacement && c == '&' {
                        found.push('\\');
                    }
                    found.push(c);
                }
                '[' if kind == Delimited::Pattern => {
                    found.push('[');
                    self.bracket(&mut found);
                }
                '\n' if kind == Delimited::Pattern => return None,
                c => found.push(c),
            }
        }
    }

    /// Takes a bracket expression whole, as a mark in it ends nothing; one without an end is ordinary text.
    fn bracket(&mut self, found: &mut String) {
        let rest = &self.text[self.at..];
        let negated = usize::from(rest.starts_with('^'));
        let mut end = negated + usize::from(rest[negated..].starts_with(']'));
        loop {
            let body = &rest[end..];
            if body.starts_with("[:") && body.contains(":]") {
                end += body.find(":]").map_or(0, |at| at + 2);
                continue;
            }
            match body.chars().next() {
                None | Some('\n') => return,
                Some(']') => break,
                Some(c) => end += c.len_utf8(),
            }
        }
        found.push_str(&rest[..=end]);
        self.at += end + 1;
    }

    fn action(&mut self, name: char) -> Result<Option<Action>, String> {
        let index = self.script.commands.len();
        let action = match name {
            '{' => {
                self.blocks.push(index);
                return Ok(Some(Action::Block(0)));
            }
            '}' => {
                let open = self.blocks.pop().ok_or("unexpected `}'")?;
                self.script.commands[open].action = Action::Block(index + 1);
                Action::EndBlock
            }
            ':' => {
                let label = self.label();
                if label.is_empty() {
                    return Err("\":\" lacks a label".to_owned());
                }
                self.labels.insert(label, index);
                return Ok(None);
            }
            'b' | 't' | 'T' => {
                let label = self.label();
                self.jumps.push((index, label));
                match name {
                    'b' => Action::Branch(0),
                    _ => Action::Test(name == 't', 0),
                }
            }
            'a' | 'i' | 'c' => {
                let text = self.text_argument()?;
                return Ok(Some(match name {
                    'a' => Action::Append(text),
                    'i' => Action::Insert(text),
                    _ => Action::Change(text),
                }));
            }
            'r' | 'w' | 'W' => {
                self.skip(|c| c == ' ');
                let file = self.line();
                if file.is_empty() {
                    return Err("missing filename in r/R/w/W commands".to_owned());
                }
                return Ok(Some(match name {
                    'r' => Action::Read(file),
                    'w' => Action::Write(self.file(file)),
                    _ => Action::WriteFirst(self.file(file)),
                }));
            }
            'q' | 'Q' => {
                self.skip(|c| c == ' ');
                let code = self.number().map_or(0, |n| u8::try_from(n & 255).unwrap_or(1));
                if name == 'q' { Action::Quit(code) } else { Action::QuitSilently(code) }
            }
            's' => Action::Substitute(Box::new(substitute::parse(self)?)),
            'y' => Action::Transliterate(self.transliteration()?),
            'd' => Action::Delete,
            'D' => Action::DeleteFirst,
            'g' => Action::Get,
            'G' => Action::GetAppend,
            'h' => Action::Hold,
            'H' => Action::HoldAppend,
            'l' => Action::List,
            'n' => Action::Next,
            'N' => Action::NextAppend,
            'p' => Action::Print,
            'P' => Action::PrintFirst,
            'x' => Action::Exchange,
            'z' => Action::Zap,
            '=' => Action::Number,
            _ => return Err(format!("unknown command: `{name}'")),
        };
        self.end()?;
        Ok(Some(action))
    }

    /// A command ends at a newline, `;`, `}` or comment.
    fn end(&mut self) -> Result<(), String> {
        self.skip(|c| c == ' ' || c == '\t' || c == '\r');
        match self.peek() {
            None | Some('\n' | ';' | '}' | '#') => Ok(()),
            Some(_) => Err("extra characters after command".to_owned()),
        }
    }

    fn label(&mut self) -> String {
        self.skip(|c| c == ' ');
        let start = self.at;
        self.skip(|c| !c.is_whitespace() && c != ';' && c != '}');
        self.text[start..self.at].to_owned()
    }

    pub(super) fn file(&mut self, name: String) -> usize {
        let files = &mut self.script.files;
        files.iter().position(|file| *file == name).unwrap_or_else(|| {
            files.push(name);
            files.len() - 1
        })
    }

    /// The rest of the line as a file's name, for `s///w`.
    pub(super) fn file_argument(&mut self) -> Result<usize, String> {
        self.skip(|c| c == ' ');
        let name = self.line();
        if name.is_empty() {
            Err("missing filename in r/R/w/W commands".to_owned())
        } else {
            Ok(self.file(name))
        }
    }

    /// The text of `a`, `i`, `c`: after `\` and a newline, or on the same line.
    fn text_argument(&mut self) -> Result<Vec<u8>, String> {
        self.skip(|c| c == ' ' || c == '\t');
        if self.eat('\\') {
            self.skip(|c| c == ' ' || c == '\t');
            self.eat('\n');
        }
        if self.peek().is_none() {
            return Err("expected \\ after `a', `c' or `i'".to_owned());
        }
        let mut text = String::new();
        while let Some(c) = self.next() {
            match c {
                '\n' => break,
                '\\' => text.extend(self.next()),
                _ => text.push(c),
            }
        }
        text.push('\n');
        Ok(text.into_bytes())
    }

    fn transliteration(&mut self) -> Result<HashMap<char, char>, String> {
        const UNTERMINATED: &str = "unterminated `y' command";
        let mark = self.next().ok_or(UNTERMINATED)?;
        let from = self.delimited(mark, Delimited::Characters).ok_or(UNTERMINATED)?;
        let to = self.delimited(mark, Delimited::Characters).ok_or(UNTERMINATED)?;
        let (from, to) = (unescape(&from), unescape(&to));
        if from.len() != to.len() {
            return Err("strings for `y' command are different lengths".to_owned());
        }
        // Of a character given twice, the first counts.
        Ok(from.into_iter().zip(to).rev().collect())
    }
}

fn unescape(text: &str) -> Vec<char> {
    let mut chars = text.chars();
    let mut found = Vec::new();
    while let Some(c) = chars.next() {
        found.push(match c {
            '\\' => match chars.next() {
                Some('n') => '\n',
                Some('t') => '\t',
                Some(other) => other,
                None => '\\',
            },
            _ => c,
        });
    }
    found
}
