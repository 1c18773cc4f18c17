//! From words to an expression.

use std::{collections::VecDeque, fs};

use super::{Plan, Test, age_unit, compared, sized};
use crate::{
    command::{Call, Failure},
    utils::{
        describe, locate,
        regex::{Syntax, compile_all},
        time,
    },
};

/// Deepest nesting of parentheses and `!`.
const MAX_NESTING: usize = 100;

struct Parser<'a> {
    call: &'a Call,
    words: VecDeque<&'a str>,
    acts: bool,
    contents_first: bool,
    min_depth: usize,
    max_depth: usize,
    nesting: usize,
}

pub(super) fn plan(call: &Call) -> Result<Plan, Failure> {
    let mut words: VecDeque<&str> = call.args.iter().map(String::as_str).collect();
    while words.pop_front_if(|word| matches!(*word, "-H" | "-P" | "--")).is_some() {}
    let mut roots = Vec::new();
    let begins = |word: &str| word.starts_with('-') && word.len() > 1 || matches!(word, "(" | "!");
    while let Some(root) = words.pop_front_if(|word| !begins(word)) {
        roots.push(root.to_owned());
    }
    if roots.is_empty() {
        roots.push(".".to_owned());
    }
    let mut parser = Parser {
        call,
        words,
        acts: false,
        contents_first: false,
        min_depth: 0,
        max_depth: usize::MAX,
        nesting: 0,
    };
    let mut test = if parser.words.is_empty() { Test::Always(true) } else { parser.any()? };
    if let Some(word) = parser.words.pop_front() {
        return Err(bad(format!("invalid expression at '{word}'")));
    }
    if !parser.acts {
        test = Test::And(Box::new(test), Box::new(Test::Print(false)));
    }
    Ok(Plan {
        roots,
        test,
        min_depth: parser.min_depth,
        max_depth: parser.max_depth,
        contents_first: parser.contents_first,
    })
}

fn bad(text: String) -> Failure {
    Failure::Message(1, text)
}

impl<'a> Parser<'a> {
    fn any(&mut self) -> Result<Test, Failure> {
        let mut test = self.all()?;
        while self.words.pop_front_if(|word| matches!(*word, "-o" | "-or")).is_some() {
            test = Test::Or(Box::new(test), Box::new(self.all()?));
        }
        Ok(test)
    }

    fn all(&mut self) -> Result<Test, Failure> {
        let mut test = self.one()?;
        loop {
            let joined = self.words.pop_front_if(|word| matches!(*word, "-a" | "-and")).is_some();
            match self.words.front() {
                None | Some(&("-o" | "-or" | ")")) if !joined => return Ok(test),
                _ => test = Test::And(Box::new(test), Box::new(self.one()?)),
            }
        }
    }

    fn one(&mut self) -> Result<Test, Failure> {
        let word = self.words.pop_front().ok_or_else(|| bad("expected an expression".to_owned()))?;
        if !matches!(word, "!" | "-not" | "(") {
            return self.primary(word);
        }
        self.nesting += 1;
        if self.nesting > MAX_NESTING {
            return Err(bad("expression is nested too deeply".to_owned()));
        }
        let test = if word == "(" {
            let test = self.any()?;
            self.words.pop_front_if(|word| *word == ")").ok_or_else(|| bad("missing ')'".to_owned()))?;
            test
        } else {
            Test::Not(Box::new(self.one()?))
        };
        self.nesting -= 1;
        Ok(test)
    }

    fn value(&mut self, word: &str) -> Result<&'a str, Failure> {
        self.words.pop_front().ok_or_else(|| bad(format!("missing argument to `{word}'")))
    }

    fn primary(&mut self, word: &str) -> Result<Test, Failure> {
        let invalid = |value: &str| bad(format!("invalid argument '{value}' to '{word}'"));
        Ok(match word {
            "-true" => Test::Always(true),
            "-false" => Test::Always(false),
            "-xdev" | "-mount" | "-noleaf" => Test::Always(true),
            "-depth" => {
                self.contents_first = true;
                Test::Always(true)
            }
            "-mindepth" | "-maxdepth" => {
                let value = self.value(word)?;
                let depth = value.parse().map_err(|_| invalid(value))?;
                *(if word == "-mindepth" { &mut self.min_depth } else { &mut self.max_depth }) = depth;
                Test::Always(true)
            }
            "-name" | "-iname" => Test::Name(self.value(word)?.to_owned(), word == "-iname"),
            "-path" | "-ipath" | "-wholename" => Test::Path(self.value(word)?.to_owned(), word == "-ipath"),
            "-regex" | "-iregex" => {
                let syntax = Syntax { ignore_case: word == "-iregex", ..Syntax::default() };
                let regex = compile_all(&[self.value(word)?], syntax, |whole| format!("^(?:{whole})$"));
                Test::Regex(Box::new(regex.map_err(bad)?))
            }
            "-type" => {
                let value = self.value(word)?;
                let known =
                    value.split(',').all(|kind| matches!(kind, "f" | "d" | "l" | "b" | "c" | "p" | "s"));
                if !known {
                    return Err(bad(format!("Unknown argument to -type: {value}")));
                }
                Test::Type(value.to_owned())
            }
            "-size" => {
                let value = self.value(word)?;
                let (compare, unit) = sized(value).ok_or_else(|| invalid(value))?;
                Test::Size(compare, unit)
            }
            "-mtime" | "-mmin" => {
                let value = self.value(word)?;
                Test::Age(compared(value).ok_or_else(|| invalid(value))?, age_unit(word))
            }
            "-newer" => {
                let value = self.value(word)?;
                let metadata = fs::metadata(locate(self.call, value));
                let metadata = metadata.map_err(|error| bad(format!("'{value}': {}", describe(&error))))?;
                Test::Newer(time::modified(&metadata))
            }
            "-empty" => Test::Empty,
            "-print" | "-print0" => self.act(Test::Print(word == "-print0")),
            "-printf" => {
                let format = self.value(word)?.to_owned();
                self.act(Test::Printf(format))
            }
            "-ls" => self.act(Test::Ls),
            "-quit" => self.act(Test::Quit),
            "-prune" => Test::Prune,
            "-delete" => {
                self.contents_first = true;
                self.act(Test::Delete)
            }
            "-exec" | "-execdir" | "-ok" | "-okdir" => {
                let text = "is not supported: use a loop over what it prints";
                return Err(bad(format!("{word} {text}")));
            }
            _ if word.starts_with('-') => return Err(bad(format!("unknown predicate `{word}'"))),
            _ => return Err(bad(format!("paths must precede expression: `{word}'"))),
        })
    }

    fn act(&mut self, test: Test) -> Test {
        self.acts = true;
        test
    }
}
