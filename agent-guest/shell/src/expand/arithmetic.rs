//! `$((..))`: C's integer expressions over 64 bits that wrap.

use std::fmt;

use crate::shell::Shell;

/// Deepest nesting of brackets, operators and of variables that are expressions themselves.
const MAX_DEPTH: u32 = 128;

/// Where variables are.
pub(crate) trait Environment {
    /// The value as text, if it is set.
    ///
    /// # Errors
    /// It is unset, and that is not allowed.
    fn get(&self, name: &str) -> Result<Option<String>, Error>;
    /// Sets a variable.
    ///
    /// # Errors
    /// It cannot be set.
    fn set(&mut self, name: &str, value: i64) -> Result<(), Error>;
}

/// The variables of a shell.
pub(crate) struct Variables<'a>(pub(crate) &'a Shell);

impl Environment for Variables<'_> {
    fn get(&self, name: &str) -> Result<Option<String>, Error> {
        let value = self.0.variable(name);
        if value.is_none() && self.0.option(crate::shell::options::Options::NO_UNSET) {
            return Err(Error(format!("{name}: unbound variable")));
        }
        Ok(value)
    }

    fn set(&mut self, name: &str, value: i64) -> Result<(), Error> {
        self.0.vars.borrow_mut().set(name, value.to_string()).map_err(|error| Error(error.to_string()))
    }
}

/// Why an expression has no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Error(String);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The value of an expression; of nothing, 0.
pub(crate) fn evaluate(text: &str, environment: &mut dyn Environment) -> Result<i64, Error> {
    Parser { rest: text, environment, live: true, depth: 0 }.whole()
}

struct Parser<'a> {
    rest: &'a str,
    environment: &'a mut dyn Environment,
    /// Off on the side of `&&`, `||` and `?:` that is not taken: nothing is assigned or divided there.
    live: bool,
    depth: u32,
}

/// What an expression is before its value is asked for.
enum Operand {
    Value(i64),
    Variable(String),
}

/// Binary operators by how tightly they bind, longest first among those that share a beginning.
const OPERATORS: &[(&str, u8)] = &[
    ("||", 1),
    ("&&", 2),
    ("**", 11),
    ("<<", 8),
    (">>", 8),
    ("<=", 7),
    (">=", 7),
    ("==", 6),
    ("!=", 6),
    ("|", 3),
    ("^", 4),
    ("&", 5),
    ("<", 7),
    (">", 7),
    ("+", 9),
    ("-", 9),
    ("*", 10),
    ("/", 10),
    ("%", 10),
];

const ASSIGNMENTS: &[&str] = &["<<=", ">>=", "*=", "/=", "%=", "+=", "-=", "&=", "^=", "|=", "="];

impl Parser<'_> {
    fn whole(&mut self) -> Result<i64, Error> {
        self.space();
        if self.rest.is_empty() {
            return Ok(0);
        }
        let value = self.comma()?;
        self.space();
        if self.rest.is_empty() { Ok(value) } else { Err(self.unexpected()) }
    }

    fn unexpected(&self) -> Error {
        if self.rest.is_empty() {
            Error("operand expected".to_owned())
        } else {
            Error(format!("syntax error (error token is \"{}\")", self.rest))
        }
    }

    fn space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn eat(&mut self, text: &str) -> bool {
        self.space();
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn deeper<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        if self.depth >= MAX_DEPTH {
            return Err(Error("expression nested too deep".to_owned()));
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    fn comma(&mut self) -> Result<i64, Error> {
        let mut value = self.assignment()?;
        while self.eat(",") {
            value = self.assignment()?;
        }
        Ok(value)
    }

    fn assignment(&mut self) -> Result<i64, Error> {
        self.deeper(|parser| {
            let before = parser.rest;
            if let Some(name) = parser.name() {
                parser.space();
                let operator = ASSIGNMENTS.iter().find(|operator| parser.rest.starts_with(**operator));
                if let Some(operator) = operator.filter(|_| !parser.rest.starts_with("==")) {
                    parser.rest = &parser.rest[operator.len()..];
                    let right = parser.assignment()?;
                    let value = match operator.strip_suffix('=') {
                        Some("") | None => right,
                        Some(operator) => {
                            let left = parser.variable(&name)?;
                            parser.binary(operator, left, right)?
                        }
                    };
                    return parser.set(&name, value);
                }
            }
            parser.rest = before;
            parser.conditional()
        })
    }

    fn conditional(&mut self) -> Result<i64, Error> {
        let condition = self.operators(1)?;
        if !self.eat("?") {
            return Ok(condition);
        }
        let live = self.live;
        self.live = live && condition != 0;
        let yes = self.deeper(Self::comma)?;
        if !self.eat(":") {
            return Err(Error("`:' expected for conditional expression".to_owned()));
        }
        self.live = live && condition == 0;
        let no = self.assignment()?;
        self.live = live;
        Ok(if condition != 0 { yes } else { no })
    }

    fn operators(&mut self, least: u8) -> Result<i64, Error> {
        let mut left = self.unary()?;
        while let Some((operator, binds)) = self.operator().filter(|(_, binds)| *binds >= least) {
            self.rest = &self.rest[operator.len()..];
            let live = self.live;
            self.live = live
                && match operator {
                    "&&" => left != 0,
                    "||" => left == 0,
                    _ => true,
                };
            // `**` groups to the right.
            let right =
                self.deeper(|parser| parser.operators(if operator == "**" { binds } else { binds + 1 }))?;
            self.live = live;
            left = self.binary(operator, left, right)?;
        }
        Ok(left)
    }

    fn operator(&mut self) -> Option<(&'static str, u8)> {
        self.space();
        let found = OPERATORS.iter().find(|(operator, _)| self.rest.starts_with(operator))?;
        // `a |= b` is no operand of `|`.
        let assigns = ASSIGNMENTS.iter().any(|assign| {
            self.rest.starts_with(assign) && assign.len() > found.0.len() && !self.rest.starts_with("==")
        });
        (!assigns).then_some(*found)
    }

    fn binary(&self, operator: &str, left: i64, right: i64) -> Result<i64, Error> {
        let shift = u32::try_from(right & 63).unwrap_or_default();
        Ok(match operator {
            "||" => i64::from(left != 0 || right != 0),
            "&&" => i64::from(left != 0 && right != 0),
            "|" => left | right,
            "^" => left ^ right,
            "&" => left & right,
            "==" => i64::from(left == right),
            "!=" => i64::from(left != right),
            "<=" => i64::from(left <= right),
            ">=" => i64::from(left >= right),
            "<" => i64::from(left < right),
            ">" => i64::from(left > right),
            "<<" => left.wrapping_shl(shift),
            ">>" => left.wrapping_shr(shift),
            "+" => left.wrapping_add(right),
            "-" => left.wrapping_sub(right),
            "*" => left.wrapping_mul(right),
            "/" | "%" if right == 0 && self.live => return Err(Error("division by 0".to_owned())),
            "/" | "%" if right == 0 => 0,
            "/" => left.wrapping_div(right),
            "%" => left.wrapping_rem(right),
            _ if right < 0 && self.live => return Err(Error("exponent less than 0".to_owned())),
            _ => power(left, right),
        })
    }

    fn unary(&mut self) -> Result<i64, Error> {
        self.space();
        for (operator, step) in [("++", 1), ("--", -1)] {
            let Some(rest) = self.rest.strip_prefix(operator) else { continue };
            let before = std::mem::replace(&mut self.rest, rest.trim_start());
            if let Some(name) = self.name() {
                let value = self.variable(&name)?.wrapping_add(step);
                return self.set(&name, value);
            }
            // `--5` is twice minus.
            self.rest = before;
        }
        let Some(operator) = self.rest.chars().next().filter(|c| matches!(c, '+' | '-' | '!' | '~')) else {
            return self.postfix();
        };
        self.rest = &self.rest[1..];
        let value = self.deeper(Self::unary)?;
        Ok(match operator {
            '-' => value.wrapping_neg(),
            '!' => i64::from(value == 0),
            '~' => !value,
            _ => value,
        })
    }

    fn postfix(&mut self) -> Result<i64, Error> {
        let name = match self.primary()? {
            Operand::Value(value) => return Ok(value),
            Operand::Variable(name) => name,
        };
        let value = self.variable(&name)?;
        self.space();
        for (operator, step) in [("++", 1), ("--", -1)] {
            if let Some(rest) = self.rest.strip_prefix(operator) {
                self.rest = rest;
                self.set(&name, value.wrapping_add(step))?;
                break;
            }
        }
        Ok(value)
    }

    fn primary(&mut self) -> Result<Operand, Error> {
        if self.eat("(") {
            let value = self.deeper(Self::comma)?;
            return if self.eat(")") {
                Ok(Operand::Value(value))
            } else {
                Err(Error("missing `)'".to_owned()))
            };
        }
        if let Some(name) = self.name() {
            return Ok(Operand::Variable(name));
        }
        let end = self
            .rest
            .find(|c: char| !c.is_ascii_alphanumeric() && !"#@_".contains(c))
            .unwrap_or(self.rest.len());
        if !self.rest.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(self.unexpected());
        }
        let value = number(&self.rest[..end])?;
        self.rest = &self.rest[end..];
        Ok(Operand::Value(value))
    }

    fn name(&mut self) -> Option<String> {
        self.space();
        if !self.rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            return None;
        }
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        Some(name.to_owned())
    }

    /// A variable's value is an expression again.
    fn variable(&mut self, name: &str) -> Result<i64, Error> {
        if !self.live {
            return Ok(0);
        }
        let Some(text) = self.environment.get(name)? else { return Ok(0) };
        if let Ok(value) = number(text.trim()) {
            return Ok(value);
        }
        if self.depth >= MAX_DEPTH {
            return Err(Error("expression recursion level exceeded".to_owned()));
        }
        Parser { rest: &text, environment: &mut *self.environment, live: true, depth: self.depth + 1 }.whole()
    }

    fn set(&mut self, name: &str, value: i64) -> Result<i64, Error> {
        if self.live {
            self.environment.set(name, value)?;
        }
        Ok(value)
    }
}

fn power(mut base: i64, exponent: i64) -> i64 {
    let mut left = exponent.max(0).unsigned_abs();
    let mut result = 1_i64;
    while left > 0 {
        if left & 1 == 1 {
            result = result.wrapping_mul(base);
        }
        base = base.wrapping_mul(base);
        left >>= 1;
    }
    result
}

/// `10`, `0x1f`, `017`, `2#101`. Too many digits wrap.
fn number(text: &str) -> Result<i64, Error> {
    let invalid = |what: &str| Error(format!("{text}: {what}"));
    let (digits, base) = match text.split_once('#') {
        Some((base, digits)) => {
            let base = base.parse().ok().filter(|base| (2..=64).contains(base));
            (digits, base.ok_or_else(|| invalid("invalid arithmetic base"))?)
        }
        None => match text.as_bytes() {
            [b'0', b'x' | b'X', ..] => (&text[2..], 16),
            [b'0', _, ..] => (&text[1..], 8),
            _ => (text, 10),
        },
    };
    if digits.is_empty() {
        return Err(invalid("invalid integer constant"));
    }
    let mut value = 0_i64;
    for c in digits.chars() {
        let digit = match c {
            '0'..='9' => u32::from(c) - u32::from('0'),
            'a'..='z' => u32::from(c) - u32::from('a') + 10,
            'A'..='Z' if base <= 36 => u32::from(c) - u32::from('A') + 10,
            'A'..='Z' => u32::from(c) - u32::from('A') + 36,
            '@' => 62,
            '_' => 63,
            _ => return Err(invalid("invalid number")),
        };
        if i64::from(digit) >= base {
            return Err(invalid("value too great for base"));
        }
        value = value.wrapping_mul(base).wrapping_add(i64::from(digit));
    }
    Ok(value)
}
