//! Takes words apart: quotes, escapes, and what `$`, backquotes and `~` begin.

use std::cell::OnceCell;

use super::{Piece, Substitution, SyntaxError, Tilde, Word};

pub(crate) mod ansi;
mod braced;
mod skip;

type Result<T> = std::result::Result<T, SyntaxError>;

/// Deepest nesting of `${..}` inside one word.
const MAX_DEPTH: usize = 20;

/// Which characters quote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Plain,
    /// The value of an assignment: a tilde also after a colon.
    Assigned,
    /// Inside double quotes.
    Double,
    /// A here-document, or an arithmetic expression.
    Here,
}

impl Mode {
    fn quoted(self) -> bool {
        matches!(self, Self::Double | Self::Here)
    }
}

/// A word of a command.
pub(crate) fn parse(text: &str) -> Result<Word> {
    Scanner::whole(text, Mode::Plain)
}

/// What follows the `=` of an assignment.
pub(crate) fn parse_assigned(text: &str) -> Result<Word> {
    Scanner::whole(text, Mode::Assigned)
}

/// A whole `name=value`, as an argument.
pub(crate) fn parse_assignment(text: &str) -> Result<Word> {
    let at = text.find('=').map_or(0, |at| at + 1);
    let mut word = parse_assigned(&text[at..])?;
    word.pieces.insert(0, Piece::Text(text[..at].to_owned()));
    Ok(word)
}

/// The body of a here-document.
pub(crate) fn parse_here(text: &str) -> Result<Word> {
    Scanner::whole(text, Mode::Here)
}

/// An arithmetic expression: expanded as in double quotes, then evaluated.
pub(crate) fn parse_arithmetic(text: &str) -> Result<Word> {
    let text: String = text.chars().filter(|c| !matches!(c, '"')).collect();
    Scanner::whole(&text, Mode::Here)
}

/// A word that is only its text.
pub(crate) fn quoted(text: &str) -> Word {
    Word { pieces: vec![Piece::Quoted(text.to_owned())], assignment: false }
}

/// Whether a variable can be called that.
pub(crate) fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn incomplete(what: &str) -> SyntaxError {
    SyntaxError::Incomplete(format!("unexpected end of file while looking for matching `{what}'"))
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

/// The pieces found so far; adjacent text is joined.
#[derive(Default)]
struct Pieces(Vec<Piece>);

impl Pieces {
    fn text(&mut self, text: &str, quoted: bool) {
        match self.0.last_mut() {
            Some(Piece::Text(last)) if !quoted => last.push_str(text),
            Some(Piece::Quoted(last)) if quoted => last.push_str(text),
            _ if quoted => self.0.push(Piece::Quoted(text.to_owned())),
            _ => self.0.push(Piece::Text(text.to_owned())),
        }
    }
}

impl<'a> Scanner<'a> {
    fn whole(text: &'a str, mode: Mode) -> Result<Word> {
        let mut scanner = Self { text, at: 0, depth: 0 };
        let mut pieces = Pieces::default();
        scanner.pieces(&mut pieces, mode, &[])?;
        Ok(Word { pieces: pieces.0, assignment: false })
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn eat(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }

    /// Up to one of the stop characters, which stays unread; without any, to the end.
    fn pieces(&mut self, into: &mut Pieces, mode: Mode, stops: &[char]) -> Result<()> {
        let mut tilde = !mode.quoted();
        while let Some(c) = self.peek() {
            if stops.contains(&c) {
                return Ok(());
            }
            let at_tilde = std::mem::take(&mut tilde);
            match c {
                '\\' => self.escape(into, mode),
                '\'' if !mode.quoted() => {
                    self.next();
                    let end = self.rest().find('\'').ok_or_else(|| incomplete("'"))?;
                    into.text(&self.rest()[..end], true);
                    self.at += end + 1;
                }
                '"' if mode != Mode::Here => self.double(into)?,
                '$' => self.dollar(into, mode)?,
                '`' => self.backquoted(into, mode)?,
                '~' if at_tilde => self.tilde(into, mode),
                _ => {
                    tilde = mode == Mode::Assigned && c == ':';
                    self.next();
                    into.text(c.encode_utf8(&mut [0; 4]), mode.quoted());
                }
            }
        }
        match stops.first() {
            Some(stop) => Err(incomplete(&stop.to_string())),
            None => Ok(()),
        }
    }

    fn escape(&mut self, into: &mut Pieces, mode: Mode) {
        self.next();
        match self.peek() {
            None => into.text("\\", true),
            Some('\n') => {
                self.next();
            }
            Some(c) if mode.quoted() && !matches!(c, '$' | '`' | '\\' | '"' | '}') => into.text("\\", true),
            Some('"') if mode == Mode::Here => into.text("\\", true),
            // Only to be had inside braces, but harmless to give up elsewhere is not: `"\}"` keeps it.
            Some('}') if mode.quoted() && self.depth == 0 => into.text("\\", true),
            Some(c) => {
                self.next();
                into.text(c.encode_utf8(&mut [0; 4]), true);
            }
        }
    }

    /// Inside quotes already (`"${x:-"a"}"`), it still ends at the next quote.
    fn double(&mut self, into: &mut Pieces) -> Result<()> {
        self.next();
        let before = into.0.len();
        let depth = std::mem::take(&mut self.depth);
        self.pieces(into, Mode::Double, &['"'])?;
        self.depth = depth;
        self.next();
        // `""` is a field, but `"$@"` without parameters is none.
        if into.0.len() == before {
            into.text("", true);
        }
        Ok(())
    }

    fn tilde(&mut self, into: &mut Pieces, mode: Mode) {
        let rest = &self.rest()[1..];
        let end = rest.find(|c| c == '/' || (mode == Mode::Assigned && c == ':')).unwrap_or(rest.len());
        let tilde = match &rest[..end] {
            "" => Tilde::Home,
            "+" => Tilde::Here,
            "-" => Tilde::Before,
            _ => {
                self.next();
                return into.text("~", false);
            }
        };
        self.at += 1 + end;
        into.0.push(Piece::Tilde(tilde));
    }

    fn dollar(&mut self, into: &mut Pieces, mode: Mode) -> Result<()> {
        let quoted = mode.quoted();
        if mode != Mode::Double && mode != Mode::Here {
            if self.eat("$'") {
                let (text, length) = ansi::unquote(self.rest()).ok_or_else(|| incomplete("'"))?;
                self.at += length;
                into.text(&text, true);
                return Ok(());
            }
            if self.rest().starts_with("$\"") {
                self.next();
                return self.double(into);
            }
        }
        if self.rest().starts_with("$((")
            && let Some(length) = skip::arithmetic(&self.rest()[3..])
        {
            let inner = &self.rest()[3..3 + length];
            self.at += 3 + length + 2;
            into.0.push(Piece::Arithmetic { expression: self.nested(inner)?, quoted });
        } else if self.rest().starts_with("$[") {
            let length = self.rest().find(']').ok_or_else(|| incomplete("]"))?;
            let inner = &self.rest()[2..length];
            self.at += length + 1;
            into.0.push(Piece::Arithmetic { expression: self.nested(inner)?, quoted });
        } else if self.rest().starts_with("$(") {
            let length = skip::command(&self.rest()[2..]).ok_or_else(|| incomplete(")"))?;
            let source = self.rest()[2..2 + length].to_owned();
            self.at += 2 + length + 1;
            into.0.push(Piece::Command { command: Substitution { source, parsed: OnceCell::new() }, quoted });
        } else if self.rest().starts_with("${") {
            self.at += 2;
            into.0.push(self.braced(mode)?);
        } else {
            self.next();
            match self.name(false) {
                Some(name) => into.0.push(braced::plain(name, quoted)),
                None => into.text("$", quoted),
            }
        }
        Ok(())
    }

    fn nested(&self, text: &str) -> Result<Word> {
        if self.depth >= MAX_DEPTH {
            return Err(SyntaxError::Invalid(format!("expansions nested more than {MAX_DEPTH} deep")));
        }
        let text: String = text.chars().filter(|c| *c != '"').collect();
        let mut scanner = Scanner { text: &text, at: 0, depth: self.depth + 1 };
        let mut pieces = Pieces::default();
        scanner.pieces(&mut pieces, Mode::Here, &[])?;
        Ok(Word { pieces: pieces.0, assignment: false })
    }

    /// Backslash keeps only its meaning before `` ` ``, `$` and itself; in quotes also before a quote.
    fn backquoted(&mut self, into: &mut Pieces, mode: Mode) -> Result<()> {
        self.next();
        let mut source = String::new();
        loop {
            match self.next().ok_or_else(|| incomplete("`"))? {
                '`' => break,
                '\\' => match self.next().ok_or_else(|| incomplete("`"))? {
                    c @ ('`' | '$' | '\\') => source.push(c),
                    '"' if mode == Mode::Double => source.push('"'),
                    c => source.extend(['\\', c]),
                },
                c => source.push(c),
            }
        }
        let command = Substitution { source, parsed: OnceCell::new() };
        into.0.push(Piece::Command { command, quoted: mode.quoted() });
        Ok(())
    }
}
