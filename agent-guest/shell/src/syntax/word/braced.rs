//! `${..}` and the names of parameters.

use super::{
    super::{Name, Operation, Parameter, Piece, Place},
    MAX_DEPTH, Mode, Pieces, Result, Scanner, SyntaxError, Word,
};

/// `$name` without an operation.
pub(super) fn plain(name: Name, quoted: bool) -> Piece {
    Piece::Parameter { parameter: Box::new(Parameter { name, operation: Operation::Value }), quoted }
}

impl Scanner<'_> {
    /// A parameter's name, if one is here. Only in braces has a position more than one digit.
    pub(super) fn name(&mut self, braced: bool) -> Option<Name> {
        let rest = self.rest();
        let c = rest.chars().next()?;
        if c.is_ascii_alphabetic() || c == '_' {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            self.at += end;
            return Some(Name::Variable(rest[..end].into()));
        }
        if c.is_ascii_digit() && c != '0' {
            let end = if braced { rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len()) } else { 1 };
            self.at += end;
            return Some(Name::Positional(rest[..end].parse().unwrap_or(usize::MAX)));
        }
        matches!(c, '@' | '*' | '#' | '?' | '-' | '$' | '!' | '0').then(|| {
            self.at += 1;
            Name::Special(c)
        })
    }

    /// After `${`.
    pub(super) fn braced(&mut self, mode: Mode) -> Result<Piece> {
        if self.depth >= MAX_DEPTH {
            return Err(SyntaxError::Invalid(format!("expansions nested more than {MAX_DEPTH} deep")));
        }
        self.depth += 1;
        let start = self.at;
        let parameter = self.parameter(mode)?;
        if !self.eat("}") {
            if self.peek().is_none() {
                return Err(super::incomplete("}"));
            }
            let text = &self.text[start..];
            let end = text.find('}').unwrap_or(text.len());
            return Err(SyntaxError::Invalid(format!("${{{}}}: bad substitution", &text[..end])));
        }
        self.depth -= 1;
        Ok(Piece::Parameter { parameter: Box::new(parameter), quoted: mode.quoted() })
    }

    fn parameter(&mut self, mode: Mode) -> Result<Parameter> {
        // `${#}` and `${#-x}` are about the count; `${#x}` is a length.
        if self.rest().starts_with('#') && !self.rest().starts_with("#}") {
            let before = self.at;
            self.at += 1;
            if let Some(name) = self.name(true)
                && self.rest().starts_with('}')
            {
                return Ok(Parameter { name, operation: Operation::Length });
            }
            self.at = before;
        }
        if self.rest().starts_with('!')
            && self.rest()[1..].starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        {
            self.at += 1;
            if let Some(name) = self.name(true) {
                return Ok(Parameter { name, operation: Operation::Indirect });
            }
        }
        let Some(name) = self.name(true) else {
            return Ok(Parameter { name: Name::Special('$'), operation: Operation::Value });
        };
        let operation = self.operation(mode)?;
        Ok(Parameter { name, operation })
    }

    fn operation(&mut self, mode: Mode) -> Result<Operation> {
        let colon = self.rest().starts_with(':') && self.rest()[1..].starts_with(['-', '=', '?', '+']);
        if colon {
            self.at += 1;
        }
        let Some(c) = self.peek() else { return Ok(Operation::Value) };
        // In quotes, single quotes are literal in a default but quote in a pattern.
        let plain = if mode == Mode::Double || mode == Mode::Here { mode } else { Mode::Plain };
        Ok(match c {
            '-' | '=' | '?' | '+' => {
                self.at += 1;
                Operation::Default { colon, kind: c, word: self.until(plain, &['}'])? }
            }
            '%' | '#' => {
                self.at += 1;
                let longest = self.eat(c.encode_utf8(&mut [0; 4]));
                Operation::Trim { suffix: c == '%', longest, pattern: self.until(Mode::Plain, &['}'])? }
            }
            '/' => {
                self.at += 1;
                let place = match self.peek() {
                    Some('/') => Place::All,
                    Some('#') => Place::Start,
                    Some('%') => Place::End,
                    _ => Place::First,
                };
                if place != Place::First {
                    self.at += 1;
                }
                let pattern = self.until(Mode::Plain, &['/', '}'])?;
                let with = if self.eat("/") { self.until(plain, &['}'])? } else { Word::default() };
                Operation::Replace { place, pattern, with }
            }
            ':' => {
                self.at += 1;
                let offset = self.until(Mode::Here, &['}', ':'])?;
                let length = if self.eat(":") { Some(self.until(Mode::Here, &['}'])?) } else { None };
                Operation::Substring { offset, length }
            }
            '^' | ',' => {
                self.at += 1;
                let all = self.eat(c.encode_utf8(&mut [0; 4]));
                Operation::Case { upper: c == '^', all, pattern: self.until(Mode::Plain, &['}'])? }
            }
            '@' => {
                let transform =
                    self.rest()[1..].chars().next().filter(|c| matches!(c, 'Q' | 'U' | 'u' | 'L' | 'E'));
                self.at += if transform.is_some() { 2 } else { 0 };
                transform.map_or(Operation::Value, Operation::Transform)
            }
            _ => Operation::Value,
        })
    }

    fn until(&mut self, mode: Mode, stops: &[char]) -> Result<Word> {
        let mut pieces = Pieces::default();
        self.pieces(&mut pieces, mode, stops)?;
        Ok(Word { pieces: pieces.0, assignment: false })
    }
}
