//! Shell patterns: `*`, `?`, `[..]`. Matched in time linear in text and pattern, whatever they are.

/// One step of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Star,
    Any,
    Char(char),
    Set { negated: bool, members: Vec<Member> },
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Member {
    Range(char, char),
    Class(&'static str),
}

/// A compiled pattern.
#[derive(Debug, Clone)]
pub(crate) struct Pattern(Vec<Token>);

const CLASSES: &[&str] = &[
    "alpha", "digit", "alnum", "upper", "lower", "punct", "xdigit", "cntrl", "graph", "print", "space",
    "blank",
];

impl Pattern {
    /// From text and the byte positions of its active characters.
    pub(crate) fn new(text: &str, magic: &[usize]) -> Self {
        let mut magic = magic.iter().copied().peekable();
        let chars: Vec<(char, bool)> =
            text.char_indices().map(|(at, c)| (c, magic.next_if_eq(&at).is_some())).collect();
        let mut tokens = Vec::new();
        let mut at = 0;
        while let Some(&(c, active)) = chars.get(at) {
            at += 1;
            match c {
                '*' if active => {
                    if tokens.last() != Some(&Token::Star) {
                        tokens.push(Token::Star);
                    }
                }
                '?' if active => tokens.push(Token::Any),
                '\\' if active && at < chars.len() => {
                    tokens.push(Token::Char(chars[at].0));
                    at += 1;
                }
                '[' if active => match set(&chars[at..]) {
                    Some((token, length)) => {
                        tokens.push(token);
                        at += length;
                    }
                    None => tokens.push(Token::Char('[')),
                },
                _ => tokens.push(Token::Char(c)),
            }
        }
        Self(tokens)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it begins with a plain dot: only then it matches names that do.
    pub(crate) fn shows_hidden(&self) -> bool {
        self.0.first() == Some(&Token::Char('.'))
    }

    /// Whether it matches all of the text.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let mut last = self.is_match_at_start();
        let length = text.chars().count();
        self.prefixes(text.chars(), |n| last = n == length);
        last
    }

    fn is_match_at_start(&self) -> bool {
        self.0.iter().all(|token| *token == Token::Star)
    }

    /// How many characters the shortest or longest matching prefix has.
    pub(crate) fn prefix(&self, text: impl Iterator<Item = char>, longest: bool) -> Option<usize> {
        let mut found = self.is_match_at_start().then_some(0);
        self.prefixes(text, |n| {
            if longest || found.is_none() {
                found = Some(n);
            }
        });
        found
    }

    /// The same from the end; the text comes last character first.
    pub(crate) fn suffix(&self, text: impl Iterator<Item = char>, longest: bool) -> Option<usize> {
        Self(self.0.iter().rev().cloned().collect()).prefix(text, longest)
    }

    /// Runs through the text with every place in the pattern at once, and tells after how many characters
    /// the pattern can be over.
    fn prefixes(&self, text: impl Iterator<Item = char>, mut found: impl FnMut(usize)) {
        let end = self.0.len();
        let mut now = vec![false; end + 1];
        let mut next = vec![false; end + 1];
        now[0] = true;
        self.skip_stars(&mut now);
        for (n, c) in text.enumerate() {
            next.fill(false);
            let mut alive = false;
            for (at, token) in self.0.iter().enumerate().filter(|(at, _)| now[*at]) {
                let to = match token {
                    Token::Star => at,
                    Token::Any => at + 1,
                    Token::Char(own) if *own == c => at + 1,
                    Token::Set { negated, members } if members.iter().any(|m| m.has(c)) != *negated => at + 1,
                    _ => continue,
                };
                next[to] = true;
                alive = true;
            }
            if !alive {
                return;
            }
            std::mem::swap(&mut now, &mut next);
            self.skip_stars(&mut now);
            if now[end] {
                found(n + 1);
            }
        }
    }

    fn skip_stars(&self, places: &mut [bool]) {
        for (at, token) in self.0.iter().enumerate() {
            if places[at] && *token == Token::Star {
                places[at + 1] = true;
            }
        }
    }
}

impl Member {
    fn has(&self, c: char) -> bool {
        match self {
            Self::Range(first, last) => (*first..=*last).contains(&c),
            Self::Class(name) => match *name {
                "alpha" => c.is_alphabetic(),
                "digit" => c.is_ascii_digit(),
                "alnum" => c.is_alphanumeric(),
                "upper" => c.is_uppercase(),
                "lower" => c.is_lowercase(),
                "punct" => c.is_ascii_punctuation(),
                "xdigit" => c.is_ascii_hexdigit(),
                "cntrl" => c.is_control(),
                "graph" => !c.is_control() && !c.is_whitespace(),
                "print" => !c.is_control(),
                "space" => c.is_whitespace(),
                _ => matches!(c, ' ' | '\t'),
            },
        }
    }
}

/// The rest of a bracket expression and its length; `None` when it has no end and so is none.
fn set(chars: &[(char, bool)]) -> Option<(Token, usize)> {
    let mut at = 0;
    let negated = matches!(chars.first(), Some(('!' | '^', true)));
    at += usize::from(negated);
    let first = at;
    let mut members = Vec::new();
    loop {
        let &(mut c, active) = chars.get(at)?;
        at += 1;
        if c == ']' && active && at > first + 1 {
            return Some((Token::Set { negated, members }, at));
        }
        if c == '[' && active && chars.get(at).is_some_and(|(c, _)| *c == ':') {
            let name: String = chars[at + 1..].iter().map(|(c, _)| *c).take_while(|c| *c != ':').collect();
            let end = at + 1 + name.chars().count();
            if chars.get(end + 1).is_some_and(|(c, _)| *c == ']')
                && let Some(class) = CLASSES.iter().find(|class| **class == name)
            {
                members.push(Member::Class(class));
                at = end + 2;
                continue;
            }
        }
        if c == '\\' && active {
            c = chars.get(at)?.0;
            at += 1;
        }
        match (chars.get(at), chars.get(at + 1)) {
            (Some(('-', true)), Some((last, ends))) if !(*last == ']' && *ends) => {
                members.push(Member::Range(c, *last));
                at += 2;
            }
            _ => members.push(Member::Range(c, c)),
        }
    }
}
