//! The syntax tree the interpreter walks: what the grammar crate parses, with its words taken apart once.
//!
//! Everything a task may outlive is behind `Rc`, so that a pipeline stage or a background job holds its
//! part of the tree and not a copy.

use std::{cell::OnceCell, rc::Rc};

pub(crate) mod brace;
mod keywords;
mod lower;
mod parse;
pub(crate) mod word;

pub(crate) use parse::{MAX_SOURCE_BYTES, SyntaxError, parse};

/// Commands one after the other.
pub(crate) type List = Vec<Item>;

/// An and-or list and how it is run.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) list: Rc<AndOr>,
    pub(crate) background: bool,
}

/// Pipelines joined by `&&` (true) and `||` (false).
#[derive(Debug)]
pub(crate) struct AndOr {
    pub(crate) first: Pipeline,
    pub(crate) rest: Vec<(bool, Pipeline)>,
    /// As a person reads it, for `jobs`.
    pub(crate) text: Rc<str>,
}

#[derive(Debug)]
pub(crate) struct Pipeline {
    pub(crate) negated: bool,
    /// `time` before it.
    pub(crate) timed: bool,
    pub(crate) commands: Vec<Rc<Command>>,
}

#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) kind: Kind,
    pub(crate) redirects: Vec<Redirect>,
}

#[derive(Debug)]
pub(crate) enum Kind {
    Simple(Simple),
    Arithmetic(Word),
    ArithmeticFor {
        first: Option<Word>,
        test: Option<Word>,
        step: Option<Word>,
        body: List,
    },
    Group(List),
    Subshell(Rc<List>),
    /// Without words: over `"$@"`.
    For {
        name: Rc<str>,
        words: Option<Vec<Word>>,
        body: List,
    },
    Case {
        word: Word,
        items: Vec<CaseItem>,
    },
    If {
        branches: Vec<(List, List)>,
        otherwise: Option<List>,
    },
    While {
        until: bool,
        test: List,
        body: List,
    },
    Function {
        name: Rc<str>,
        body: Rc<Command>,
    },
    Test(Test),
}

/// Assignments, then words; either may be absent, not both without a redirection.
#[derive(Debug, Default)]
pub(crate) struct Simple {
    pub(crate) assigns: Vec<Assign>,
    pub(crate) words: Vec<Word>,
}

#[derive(Debug)]
pub(crate) struct Assign {
    pub(crate) name: Rc<str>,
    pub(crate) append: bool,
    pub(crate) value: Word,
}

#[derive(Debug)]
pub(crate) struct CaseItem {
    pub(crate) patterns: Vec<Word>,
    pub(crate) body: List,
    pub(crate) after: After,
}

/// What follows the body of a matching `case` item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// `;;`
    Leave,
    /// `;&`
    RunNext,
    /// `;;&`
    TestNext,
}

/// `[[ .. ]]`
#[derive(Debug)]
pub(crate) enum Test {
    And(Box<Test>, Box<Test>),
    Or(Box<Test>, Box<Test>),
    Not(Box<Test>),
    Unary(&'static str, Word),
    Binary(&'static str, Word, Word),
}

#[derive(Debug)]
pub(crate) struct Redirect {
    pub(crate) fd: Option<u32>,
    pub(crate) kind: RedirectKind,
}

#[derive(Debug)]
pub(crate) enum RedirectKind {
    Read(Word),
    Write(Word),
    /// `>|`: also where `set -C` forbids it.
    Clobber(Word),
    Append(Word),
    ReadWrite(Word),
    /// `<&` and `>&`: a number, `-`, or for output a file.
    DupIn(Word),
    DupOut(Word),
    /// A here-document or here-string, the second with a newline to add.
    Here(Word, bool),
    /// `&>` and `&>>` (true).
    Both(Word, bool),
}

/// A word in its pieces.
#[derive(Debug, Default)]
pub(crate) struct Word {
    pub(crate) pieces: Vec<Piece>,
    /// `name=...`: not split after `export` and its like.
    pub(crate) assignment: bool,
}

impl Word {
    /// The text of a word without quotes and expansions.
    pub(crate) fn literal(&self) -> Option<&str> {
        match &self.pieces[..] {
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }
}

#[derive(Debug)]
pub(crate) enum Piece {
    /// Unquoted: `*?[` in it are active.
    Text(String),
    /// Quoted or escaped.
    Quoted(String),
    Tilde(Tilde),
    Parameter {
        parameter: Box<Parameter>,
        quoted: bool,
    },
    Command {
        command: Substitution,
        quoted: bool,
    },
    Arithmetic {
        expression: Word,
        quoted: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tilde {
    Home,
    Here,
    Before,
}

/// `$(..)`, parsed when it is first run.
#[derive(Debug)]
pub(crate) struct Substitution {
    pub(crate) source: String,
    pub(crate) parsed: OnceCell<Rc<List>>,
}

#[derive(Debug)]
pub(crate) struct Parameter {
    pub(crate) name: Name,
    pub(crate) operation: Operation,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Name {
    Variable(Rc<str>),
    Positional(usize),
    /// One of `@*#?-$!0`.
    Special(char),
}

#[derive(Debug)]
pub(crate) enum Operation {
    Value,
    Length,
    /// `${!x}`
    Indirect,
    /// One of `-=?+`; with a colon, empty counts as unset.
    Default {
        colon: bool,
        kind: char,
        word: Word,
    },
    Trim {
        suffix: bool,
        longest: bool,
        pattern: Word,
    },
    Replace {
        place: Place,
        pattern: Word,
        with: Word,
    },
    Substring {
        offset: Word,
        length: Option<Word>,
    },
    Case {
        upper: bool,
        all: bool,
        pattern: Word,
    },
    /// `${x@Q}` and the like.
    Transform(char),
}

/// Where `${x/p/r}` looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    First,
    All,
    Start,
    End,
}
