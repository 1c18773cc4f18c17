//! `printf`, after POSIX and with `%q` and `-v`.

use super::{fail, print::unescaped};
use crate::{
    expand::parameter,
    shell::{Flow, Jump, Shell},
    syntax::word::{
        ansi::{Escape, escape},
        is_name,
    },
};

/// Widest field.
const MAX_WIDTH: usize = 4096;
/// Most bytes of one call.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// A part of the format.
enum Part {
    Bytes(Vec<u8>),
    Field(Field),
    /// `\c`
    Stop,
}

#[derive(Default)]
struct Field {
    left: bool,
    plus: bool,
    space: bool,
    zero: bool,
    alternate: bool,
    width: Size,
    precision: Option<Size>,
    conversion: char,
}

#[derive(Clone, Copy, Default)]
enum Size {
    #[default]
    None,
    Number(usize),
    /// `*`
    Argument,
}

pub(super) async fn printf(shell: &Shell, args: &[String]) -> Flow {
    let (variable, args) = match args {
        [option, name, rest @ ..] if option == "-v" => (Some(name), rest),
        [option, rest @ ..] if option == "--" => (None, rest),
        _ => (None, args),
    };
    let Some((format, args)) = args.split_first() else {
        return fail(shell, 2, "printf: usage: printf [-v NAME] FORMAT [WORD]...").await;
    };
    let parts = match parse(format) {
        Ok(parts) => parts,
        Err(text) => return fail(shell, 1, &format!("printf: {text}")).await,
    };
    let mut printer = Printer { args, at: 0, out: Vec::new(), problems: Vec::new() };
    // The format is used again until every word was.
    while !printer.run(&parts) {
        if printer.at == 0 || printer.at >= args.len() {
            break;
        }
        if printer.out.len() > MAX_BYTES {
            return fail(shell, 1, &format!("printf: output over {MAX_BYTES} bytes")).await;
        }
    }
    let Printer { out, problems, .. } = printer;
    match variable {
        None => shell.put(out).await?,
        Some(name) if is_name(name) => shell.assign(name, &String::from_utf8_lossy(&out)).await?,
        Some(name) => return fail(shell, 2, &format!("printf: `{name}': not a valid identifier")).await,
    }
    for problem in &problems {
        shell.complain(&format!("printf: {problem}")).await;
    }
    if problems.is_empty() { Ok(0) } else { Err(Jump::Failed(1)) }
}

fn parse(format: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut text = Vec::new();
    let mut rest = format;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '\\' => match escape(rest, false) {
                Some((Escape::Stop, _)) => {
                    parts.push(Part::Bytes(text));
                    parts.push(Part::Stop);
                    return Ok(parts);
                }
                Some((Escape::Byte(byte), length)) => {
                    text.push(byte);
                    rest = &rest[length..];
                }
                Some((Escape::Char(c), length)) => {
                    text.extend(c.encode_utf8(&mut [0; 4]).bytes());
                    rest = &rest[length..];
                }
                None => match rest.chars().next() {
                    Some(quote @ ('"' | '\'')) => {
                        text.extend(quote.encode_utf8(&mut [0; 4]).bytes());
                        rest = &rest[1..];
                    }
                    _ => text.push(b'\\'),
                },
            },
            '%' if rest.starts_with('%') => {
                text.push(b'%');
                rest = &rest[1..];
            }
            '%' => {
                parts.push(Part::Bytes(std::mem::take(&mut text)));
                let (field, length) = field(rest)?;
                parts.push(Part::Field(field));
                rest = &rest[length..];
            }
            c => text.extend(c.encode_utf8(&mut [0; 4]).bytes()),
        }
    }
    parts.push(Part::Bytes(text));
    Ok(parts)
}

fn field(text: &str) -> Result<(Field, usize), String> {
    let mut field = Field::default();
    let mut at = 0;
    for c in text.chars() {
        match c {
            '-' => field.left = true,
            '+' => field.plus = true,
            ' ' => field.space = true,
            '0' => field.zero = true,
            '#' => field.alternate = true,
            _ => break,
        }
        at += 1;
    }
    field.width = size(text, &mut at)?;
    if text[at..].starts_with('.') {
        at += 1;
        field.precision = Some(match size(text, &mut at)? {
            Size::None => Size::Number(0),
            size => size,
        });
    }
    // C's length modifiers mean nothing here.
    at += text[at..].chars().take_while(|c| "hljzt".contains(*c)).count();
    let Some(conversion) = text[at..].chars().next() else {
        return Err(format!("`%{text}': missing format character"));
    };
    if !"diuoxXcsbqfFeEgG".contains(conversion) {
        return Err(format!("`{conversion}': invalid format character"));
    }
    field.conversion = conversion;
    Ok((field, at + 1))
}

fn size(text: &str, at: &mut usize) -> Result<Size, String> {
    if text[*at..].starts_with('*') {
        *at += 1;
        return Ok(Size::Argument);
    }
    let digits = text[*at..].bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 {
        return Ok(Size::None);
    }
    let number = text[*at..*at + digits].parse().ok().filter(|n| *n <= MAX_WIDTH);
    *at += digits;
    number.map(Size::Number).ok_or_else(|| format!("a field wider than {MAX_WIDTH}"))
}

struct Printer<'a> {
    args: &'a [String],
    at: usize,
    out: Vec<u8>,
    problems: Vec<String>,
}

impl<'a> Printer<'a> {
    /// Once through the format; whether `\c` ended it all.
    fn run(&mut self, parts: &[Part]) -> bool {
        for part in parts {
            match part {
                Part::Bytes(bytes) => self.out.extend(bytes),
                Part::Stop => return true,
                Part::Field(field) => {
                    if self.field(field) {
                        return true;
                    }
                }
            }
        }
        false
    }

    fn next(&mut self) -> Option<&'a str> {
        let arg = self.args.get(self.at)?;
        self.at += 1;
        Some(arg)
    }

    fn size(&mut self, size: Size) -> Option<i64> {
        match size {
            Size::None => None,
            Size::Number(n) => i64::try_from(n).ok(),
            Size::Argument => {
                let most = i64::try_from(MAX_WIDTH).unwrap_or(i64::MAX);
                Some(self.integer().clamp(-most, most))
            }
        }
    }

    fn field(&mut self, field: &Field) -> bool {
        let width = self.size(field.width).unwrap_or(0);
        let left = field.left || width < 0;
        let width = usize::try_from(width.unsigned_abs()).unwrap_or(0);
        let precision =
            field.precision.and_then(|size| self.size(size)).and_then(|n| usize::try_from(n).ok());
        let mut zero = field.zero && !left;
        let mut stop = false;
        let sign = |negative: bool| match (negative, field.plus, field.space) {
            (true, ..) => "-",
            (_, true, _) => "+",
            (_, _, true) => " ",
            _ => "",
        };
        let (prefix, body): (String, Vec<u8>) = match field.conversion {
            'd' | 'i' => {
                let value = self.integer();
                zero &= precision.is_none();
                (sign(value < 0).to_owned(), digits(value.unsigned_abs().to_string(), precision))
            }
            'u' | 'o' | 'x' | 'X' => {
                let value = self.integer().cast_unsigned();
                zero &= precision.is_none();
                let (prefix, text) = match field.conversion {
                    'u' => ("", value.to_string()),
                    'o' => ("0", format!("{value:o}")),
                    'x' => ("0x", format!("{value:x}")),
                    _ => ("0X", format!("{value:X}")),
                };
                let prefix = if field.alternate && value != 0 { prefix } else { "" };
                (prefix.to_owned(), digits(text, precision))
            }
            'c' => {
                zero = false;
                (
                    String::new(),
                    self.next().unwrap_or_default().chars().take(1).collect::<String>().into_bytes(),
                )
            }
            's' | 'q' => {
                zero = false;
                let text = self.next().unwrap_or_default();
                let text = if field.conversion == 'q' { parameter::escape(text) } else { text.to_owned() };
                (String::new(), cut(text.into_bytes(), precision))
            }
            'b' => {
                zero = false;
                let (bytes, stopped) = unescaped(self.next().unwrap_or_default());
                stop = stopped;
                (String::new(), cut(bytes, precision))
            }
            _ => {
                let value = self.float();
                zero &= value.is_finite();
                (sign(value.is_sign_negative()).to_owned(), float(value.abs(), field, precision).into_bytes())
            }
        };
        let length = String::from_utf8_lossy(&body).chars().count() + prefix.len();
        let fill = width.saturating_sub(length);
        if !left && !zero {
            self.out.extend(std::iter::repeat_n(b' ', fill));
        }
        self.out.extend(prefix.bytes());
        if zero {
            self.out.extend(std::iter::repeat_n(b'0', fill));
        }
        self.out.extend(body);
        if left {
            self.out.extend(std::iter::repeat_n(b' ', fill));
        }
        stop
    }

    fn integer(&mut self) -> i64 {
        let Some(text) = self.next() else { return 0 };
        // A quote before a character asks for its number.
        if let Some(c) = text.strip_prefix(['\'', '"']) {
            return c.chars().next().map_or(0, |c| i64::from(u32::from(c)));
        }
        let trimmed = text.trim_start();
        let (negative, digits) = match trimmed.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, trimmed.strip_prefix('+').unwrap_or(trimmed)),
        };
        let (radix, digits) = match digits.as_bytes() {
            [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
            [b'0', _, ..] => (8, &digits[1..]),
            _ => (10, digits),
        };
        let end = digits.find(|c: char| !c.is_digit(radix)).unwrap_or(digits.len());
        if end < digits.len() || (end == 0 && !text.is_empty()) {
            self.problems.push(format!("{text}: invalid number"));
        }
        if end == 0 {
            return 0;
        }
        match i128::from_str_radix(&digits[..end], radix).map(|value| if negative { -value } else { value }) {
            Ok(value) if value >= i128::from(i64::MIN) && value <= i128::from(u64::MAX) => {
                // Over the signed range it is the same bits: `%u` and `%x` show them.
                i64::try_from(value)
                    .unwrap_or_else(|_| u64::try_from(value).unwrap_or_default().cast_signed())
            }
            _ => {
                self.problems.push(format!("{text}: Numerical result out of range"));
                if negative { i64::MIN } else { i64::MAX }
            }
        }
    }

    fn float(&mut self) -> f64 {
        let Some(text) = self.next() else { return 0.0 };
        if let Some(c) = text.strip_prefix(['\'', '"']) {
            return c.chars().next().map_or(0.0, |c| f64::from(u32::from(c)));
        }
        text.trim().parse().unwrap_or_else(|_| {
            if !text.is_empty() {
                self.problems.push(format!("{text}: invalid number"));
            }
            0.0
        })
    }
}

fn digits(text: String, precision: Option<usize>) -> Vec<u8> {
    match precision {
        Some(0) if text == "0" => Vec::new(),
        Some(n) => format!("{text:0>n$}").into_bytes(),
        None => text.into_bytes(),
    }
}

fn cut(mut bytes: Vec<u8>, precision: Option<usize>) -> Vec<u8> {
    bytes.truncate(precision.unwrap_or(usize::MAX));
    bytes
}

fn float(value: f64, field: &Field, precision: Option<usize>) -> String {
    let precision = precision.unwrap_or(6);
    let text = if !value.is_finite() {
        if value.is_nan() { "nan".to_owned() } else { "inf".to_owned() }
    } else {
        match field.conversion.to_ascii_lowercase() {
            'f' => format!("{value:.precision$}"),
            'e' => exponential(value, precision),
            _ => general(value, precision.max(1), field.alternate),
        }
    };
    if field.conversion.is_ascii_uppercase() { text.to_uppercase() } else { text }
}

/// Rust writes `1.5e3`, C `1.5e+03`.
fn exponential(value: f64, precision: usize) -> String {
    let text = format!("{value:.precision$e}");
    match text.split_once('e') {
        Some((mantissa, exponent)) => {
            let (sign, digits) = match exponent.strip_prefix('-') {
                Some(digits) => ('-', digits),
                None => ('+', exponent),
            };
            format!("{mantissa}e{sign}{digits:0>2}")
        }
        None => text,
    }
}

fn general(value: f64, precision: usize, alternate: bool) -> String {
    let scientific = format!("{value:.*e}", precision - 1);
    let exponent: i64 = scientific.split_once('e').and_then(|(_, e)| e.parse().ok()).unwrap_or(0);
    let most = i64::try_from(precision).unwrap_or(i64::MAX);
    let strip = |text: &str| {
        if alternate || !text.contains('.') {
            return text.to_owned();
        }
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    if exponent < -4 || exponent >= most {
        let text = exponential(value, precision - 1);
        return match text.split_once('e') {
            Some((mantissa, exponent)) => format!("{}e{exponent}", strip(mantissa)),
            None => text,
        };
    }
    let after = usize::try_from(most - 1 - exponent).unwrap_or(0);
    strip(&format!("{value:.after$}"))
}
