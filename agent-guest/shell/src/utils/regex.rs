//! POSIX regular expressions, basic and extended, for `grep`, `sed`, `expr` and `nl`.
//!
//! They are rewritten into the syntax of the `regex` crate, which searches in linear time whatever the
//! pattern. The price: no back-references inside a pattern, and of alternatives the first that matches
//! wins, not the longest.

use ::regex::bytes::{Regex, RegexBuilder};

/// Most bytes that a compiled pattern may take.
const COMPILED_BYTES: usize = 4 * 1024 * 1024;

/// How a pattern is written and searched.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Syntax {
    /// `-E`: `( ) { } + ? |` are special without a backslash, not with one.
    pub(crate) extended: bool,
    /// `-F`: nothing is special.
    pub(crate) literal: bool,
    pub(crate) ignore_case: bool,
    /// `^` and `$` match at newlines within the text.
    pub(crate) multi_line: bool,
}

/// Compiles one pattern.
///
/// # Errors
/// What is wrong with the pattern, for a person.
pub(crate) fn compile(pattern: &str, syntax: Syntax) -> Result<Regex, String> {
    compile_all(&[pattern], syntax, |whole| whole)
}

/// Compiles patterns of which any may match; `wrap` surrounds their alternation.
pub(crate) fn compile_all(
    patterns: &[&str],
    syntax: Syntax,
    wrap: impl FnOnce(String) -> String,
) -> Result<Regex, String> {
    let one = |pattern: &&str| match (syntax.literal, pattern.is_empty()) {
        (_, true) => Ok("(?:)".to_owned()),
        (true, _) => Ok(::regex::escape(pattern)),
        (false, _) => translate(pattern, syntax.extended),
    };
    let translated = match patterns {
        [pattern] => one(pattern)?,
        _ => patterns.iter().map(one).collect::<Result<Vec<_>, _>>()?.join("|"),
    };
    RegexBuilder::new(&wrap(translated))
        .case_insensitive(syntax.ignore_case)
        .multi_line(syntax.multi_line)
        .dot_matches_new_line(true)
        .size_limit(COMPILED_BYTES)
        .build()
        .map_err(|error| match error {
            ::regex::Error::CompiledTooBig(_) => "Regular expression too big".to_owned(),
            _ => "Invalid regular expression".to_owned(),
        })
}

/// Rewrites a POSIX pattern.
fn translate(pattern: &str, extended: bool) -> Result<String, String> {
    let mut to = Translation { out: String::new(), atom: None, repeated: false, groups: Vec::new() };
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        let next = rest.chars().next();
        match (c, next) {
            ('\\', None) => return Err("Trailing backslash".to_owned()),
            ('\\', Some(escaped)) => {
                rest = &rest[escaped.len_utf8()..];
                match escaped {
                    '(' | ')' | '{' | '|' | '+' | '?' if !extended => {
                        rest = to.operator(escaped, rest, extended)?;
                    }
                    _ => to.escape(escaped)?,
                }
            }
            ('[', _) => rest = to.bracket(rest)?,
            ('.', _) => to.push_atom("."),
            ('^', _) if extended || to.at_start() => to.anchor("^"),
            ('$', _) if extended || ends(rest) => to.anchor("$"),
            ('*', _) => rest = to.operator('*', rest, extended)?,
            ('(' | ')' | '{' | '|' | '+' | '?', _) if extended => rest = to.operator(c, rest, extended)?,
            _ => to.literal(c),
        }
    }
    if to.groups.is_empty() { Ok(to.out) } else { Err("Unmatched ( or \\(".to_owned()) }
}

/// Whether a `$` of a basic expression is followed by its end, or that of a group or alternative.
fn ends(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with("\\)") || rest.starts_with("\\|")
}

struct Translation {
    out: String,
    /// Where in `out` the thing begins that a repetition would repeat.
    atom: Option<usize>,
    /// It is repeated already: a second repetition must not turn it lazy.
    repeated: bool,
    groups: Vec<usize>,
}

impl Translation {
    fn push_atom(&mut self, text: &str) {
        self.atom = Some(self.out.len());
        self.repeated = false;
        self.out.push_str(text);
    }

    fn anchor(&mut self, text: &str) {
        self.atom = None;
        self.out.push_str(text);
    }

    fn literal(&mut self, c: char) {
        self.push_atom(&::regex::escape(c.encode_utf8(&mut [0; 4])));
    }

    /// Whether a `^` or `*` of a basic expression stands where it begins something.
    fn at_start(&self) -> bool {
        self.out.is_empty() || self.out.ends_with('(') || self.out.ends_with('|') && self.atom.is_none()
    }

    fn escape(&mut self, c: char) -> Result<(), String> {
        match c {
            '1'..='9' => return Err("Back-references in a pattern are not supported".to_owned()),
            'w' | 'W' | 's' | 'S' => self.push_atom(&format!("\\{c}")),
            'b' | 'B' | '<' | '>' => self.anchor(&format!("\\{c}")),
            '`' => self.anchor("\\A"),
            '\'' => self.anchor("\\z"),
            'n' | 't' | 'r' | 'f' | 'v' => self.push_atom(&format!("\\{c}")),
            _ => self.literal(c),
        }
        Ok(())
    }

    /// Handles a special character; answers what is left of the pattern.
    fn operator<'a>(&mut self, c: char, rest: &'a str, extended: bool) -> Result<&'a str, String> {
        match c {
            '(' => {
                self.groups.push(self.out.len());
                self.out.push('(');
                self.atom = None;
            }
            ')' => match self.groups.pop() {
                Some(at) => {
                    self.out.push(')');
                    self.atom = Some(at);
                    self.repeated = false;
                }
                None if extended => self.literal(')'),
                None => return Err("Unmatched ) or \\)".to_owned()),
            },
            '|' => self.anchor("|"),
            '{' => return self.interval(rest, extended),
            _ => self.repeat(c.encode_utf8(&mut [0; 4])),
        }
        Ok(rest)
    }

    /// A repetition of the last atom; where there is none it is an ordinary character.
    fn repeat(&mut self, repetition: &str) {
        let Some(at) = self.atom else {
            let first = repetition.chars().next().unwrap_or('*');
            return self.literal(first);
        };
        if self.repeated {
            self.out.insert_str(at, "(?:");
            self.out.push(')');
        }
        self.out.push_str(repetition);
        self.repeated = true;
    }

    fn interval<'a>(&mut self, rest: &'a str, extended: bool) -> Result<&'a str, String> {
        let close = if extended { "}" } else { "\\}" };
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        let parsed = rest.split_once(close).filter(|(body, _)| {
            let (from, to) = body.split_once(',').unwrap_or((body, "0"));
            digits(from) && digits(to) && !body.is_empty()
        });
        match parsed {
            Some((body, after)) => {
                let body = if body.starts_with(',') { format!("0{body}") } else { body.to_owned() };
                self.repeat(&format!("{{{body}}}"));
                Ok(after)
            }
            None if extended => {
                self.literal('{');
                Ok(rest)
            }
            None => Err("Unmatched \\{".to_owned()),
        }
    }

    /// A bracket expression, from after its `[`.
    fn bracket<'a>(&mut self, rest: &'a str) -> Result<&'a str, String> {
        let unmatched = || "Unmatched [, [^, [:, [., or [=".to_owned();
        let (negated, mut rest) = rest.strip_prefix('^').map_or((false, rest), |rest| (true, rest));
        let mut set = String::from(if negated { "[^" } else { "[" });
        let mut first = true;
        loop {
            let c = rest.chars().next().ok_or_else(unmatched)?;
            if c == ']' && !first {
                rest = &rest[1..];
                break;
            }
            first = false;
            if let Some((class, after)) = rest.strip_prefix("[:").and_then(|body| body.split_once(":]")) {
                if !class.bytes().all(|b| b.is_ascii_lowercase()) {
                    return Err("Invalid character class name".to_owned());
                }
                set.push_str(&format!("[:{class}:]"));
                rest = after;
                continue;
            }
            let from = element(&mut rest).ok_or_else(unmatched)?;
            push_member(&mut set, from);
            if rest.starts_with('-') && !rest.starts_with("-]") {
                rest = &rest[1..];
                let to = element(&mut rest).ok_or_else(unmatched)?;
                if to < from {
                    return Err("Invalid range end".to_owned());
                }
                set.push('-');
                push_member(&mut set, to);
            }
        }
        set.push(']');
        self.push_atom(&set);
        Ok(rest)
    }
}

/// One member of a bracket expression: a character, or `[.x.]` or `[=x=]`. In it a backslash is only
/// special, as GNU has it, before `n`, `t`, `]` and another backslash.
fn element(rest: &mut &str) -> Option<char> {
    for (open, close) in [("[.", ".]"), ("[=", "=]")] {
        if let Some((name, after)) = rest.strip_prefix(open).and_then(|body| body.split_once(close)) {
            *rest = after;
            return name.chars().next();
        }
    }
    let c = rest.chars().next()?;
    *rest = &rest[c.len_utf8()..];
    if c == '\\' {
        let special = match rest.as_bytes().first() {
            Some(b'n') => Some('\n'),
            Some(b't') => Some('\t'),
            Some(b'\\') => Some('\\'),
            _ => None,
        };
        if let Some(special) = special {
            *rest = &rest[1..];
            return Some(special);
        }
    }
    Some(c)
}

fn push_member(set: &mut String, c: char) {
    if c.is_ascii_punctuation() {
        set.push('\\');
    }
    set.push(c);
}
