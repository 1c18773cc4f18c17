//! `grep`.

use std::collections::VecDeque;

use ::regex::bytes::Regex;

use super::{
    HOLD_BYTES, describe, locate, misuse,
    options::{self, Options},
    regex::{Syntax, compile_all},
    streams::{Lines, Out, chomp, open, open_file, read_all},
    walk::{Stage, Walk},
};
use crate::{
    command::{Call, Failure},
    io::Reader,
};

const LONG: &[(&str, char)] = &[
    ("extended-regexp", 'E'),
    ("fixed-strings", 'F'),
    ("basic-regexp", 'G'),
    ("regexp=", 'e'),
    ("file=", 'f'),
    ("ignore-case", 'i'),
    ("invert-match", 'v'),
    ("word-regexp", 'w'),
    ("line-regexp", 'x'),
    ("count", 'c'),
    ("files-with-matches", 'l'),
    ("files-without-match", 'L'),
    ("max-count=", 'm'),
    ("only-matching", 'o'),
    ("quiet", 'q'),
    ("silent", 'q'),
    ("no-messages", 's'),
    ("byte-offset", 'b'),
    ("with-filename", 'H'),
    ("no-filename", 'h'),
    ("line-number", 'n'),
    ("after-context=", 'A'),
    ("before-context=", 'B'),
    ("context=", 'C'),
    ("recursive", 'r'),
    ("dereference-recursive", 'R'),
    ("text", 'a'),
    ("include=", '+'),
    ("exclude=", '-'),
    ("exclude-dir=", '/'),
    ("color=?", '*'),
    ("colour=?", '*'),
];

/// Bytes at a file's start in which a NUL makes it a binary file.
const BINARY_BYTES: usize = 16 * 1024;

pub(crate) async fn run(call: &Call) -> Result<u8, Failure> {
    let mut options = options::parse(call, "#EFGPe:f:ivwxclLm:oqsbHhnA:B:C:rRaI", LONG)?;
    let mut out = Out::new(call);
    let grep = Grep::new(call, &mut options, &mut out).await?;
    let recursive = options.last_of("rR").is_some();
    let mut operands = options.operands.clone();
    if operands.is_empty() {
        operands.push(if recursive { "." } else { "-" }.to_owned());
    }
    let mut found = false;
    for operand in &operands {
        if recursive && operand != "-" {
            found |= grep.tree(call, operand, options.operands.is_empty(), &mut out).await?;
        } else {
            match open(call, operand) {
                Ok(reader) => found |= grep.search(operand, reader, &mut out).await?,
                Err(error) => grep.complain(operand, &error, &mut out).await?,
            }
        }
        if grep.quiet && found {
            return Ok(0);
        }
    }
    out.status = out.status.max(u8::from(!found));
    out.finish().await
}

struct Grep {
    regex: Regex,
    invert: bool,
    count: bool,
    list: Option<char>,
    only: bool,
    quiet: bool,
    silent: bool,
    names: bool,
    numbers: bool,
    offsets: bool,
    text: bool,
    most: u64,
    before: usize,
    after: u64,
    colour: bool,
    include: Vec<String>,
    exclude: Vec<String>,
    exclude_dir: Vec<String>,
}

impl Grep {
    async fn new(call: &Call, options: &mut Options, out: &mut Out<'_>) -> Result<Self, Failure> {
        if options.has('P') {
            return Err(misuse(call, "Perl expressions are not supported; -E has most of them"));
        }
        let mut patterns: Vec<String> = Vec::new();
        for (letter, value) in &options.found {
            match letter {
                'e' => patterns.extend(value.split('\n').map(str::to_owned)),
                'f' => {
                    let reader = open(call, value)
                        .map_err(|error| Failure::Message(2, format!("{value}: {}", describe(&error))))?;
                    let bytes = read_all(out, &reader, HOLD_BYTES).await?;
                    patterns.extend(String::from_utf8_lossy(&bytes).lines().map(str::to_owned));
                }
                _ => {}
            }
        }
        if !options.has('e') && !options.has('f') {
            if options.operands.is_empty() {
                return Err(misuse(call, "missing pattern"));
            }
            patterns.extend(options.operands.remove(0).split('\n').map(str::to_owned));
        }
        let number = |flags: &str| -> Result<Option<u64>, Failure> {
            let Some(flag) = options.last_of(flags) else { return Ok(None) };
            let text = options.value(flag).unwrap_or_default();
            let invalid = || Failure::Message(2, format!("{text}: invalid context length argument"));
            text.parse().map(Some).map_err(|_| invalid())
        };
        let recursive = options.last_of("rR").is_some();
        let several = options.operands.len() > 1 || recursive;
        let list = |letter: char| {
            options.found.iter().filter(|(c, _)| *c == letter).map(|(_, value)| value.clone()).collect()
        };
        Ok(Self {
            regex: pattern(options, &patterns)?,
            invert: options.has('v'),
            count: options.has('c'),
            list: options.last_of("lL"),
            only: options.has('o'),
            quiet: options.has('q'),
            silent: options.has('s'),
            names: options.last_of("hH").map_or(several, |flag| flag == 'H'),
            numbers: options.has('n'),
            offsets: options.has('b'),
            text: options.has('a'),
            most: number("m")?.unwrap_or(u64::MAX),
            before: number("BC#")?.map_or(0, |n| usize::try_from(n).unwrap_or(usize::MAX)),
            after: number("AC#")?.unwrap_or(0),
            colour: match options.value('*') {
                Some("always" | "") => true,
                Some("never") => false,
                _ => out.is_terminal(),
            },
            include: list('+'),
            exclude: list('-'),
            exclude_dir: list('/'),
        })
    }

    /// Searches a directory and all below it.
    async fn tree(
        &self,
        call: &Call,
        operand: &str,
        implied: bool,
        out: &mut Out<'_>,
    ) -> Result<bool, Failure> {
        let mut walk = Walk::new(locate(call, operand), operand);
        let mut found = false;
        while let Some(visit) = walk.next() {
            super::pause().await;
            let visit = match visit {
                Ok(visit) => visit,
                Err((shown, error)) => {
                    self.complain(&shown, &error, out).await?;
                    continue;
                }
            };
            let name = super::name_of(&visit.path);
            let any = |globs: &[String]| globs.iter().any(|glob| super::glob::matches(glob, &name, false));
            match visit.stage {
                Stage::Enter if visit.depth > 0 && any(&self.exclude_dir) => walk.skip(),
                Stage::Leaf if visit.depth == 0 || !visit.metadata.is_symlink() => {
                    if any(&self.exclude) || !self.include.is_empty() && !any(&self.include) {
                        continue;
                    }
                    let shown = if implied { visit.shown.trim_start_matches("./") } else { &visit.shown };
                    match open_file(&visit.path) {
                        Ok(file) => found |= self.search(shown, Reader::from_file(file), out).await?,
                        Err(error) => self.complain(shown, &error, out).await?,
                    }
                }
                _ => {}
            }
            if self.quiet && found {
                break;
            }
        }
        Ok(found)
    }

    async fn complain(&self, shown: &str, error: &std::io::Error, out: &mut Out<'_>) -> Result<(), Failure> {
        if self.silent {
            out.status = 2;
            return Ok(());
        }
        out.complain_with(2, format_args!("{shown}: {}", describe(error))).await
    }

    /// Searches one stream: whether a line was selected.
    async fn search(&self, shown: &str, reader: Reader, out: &mut Out<'_>) -> Result<bool, Failure> {
        let name = if shown == "-" { "(standard input)" } else { shown };
        let mut lines = Lines::new(reader);
        let mut line = Vec::new();
        let mut file = File::default();
        let mut earlier: VecDeque<(u64, u64, Vec<u8>)> = VecDeque::new();
        let mut binary = false;
        while file.selected < self.most || file.after > 0 {
            if !lines.next(out, &mut line).await? {
                break;
            }
            file.number += 1;
            let start = file.offset;
            file.offset += line.len() as u64;
            let begin = usize::try_from(start).unwrap_or(usize::MAX);
            binary |= !self.text && begin < BINARY_BYTES && line.contains(&0);
            let text = chomp(&line);
            if file.selected >= self.most || self.regex.is_match(text) == self.invert {
                if file.after > 0 {
                    file.after -= 1;
                    self.show(name, file.number, start, text, false, out).await?;
                    file.shown = file.number;
                } else if self.before > 0 && file.selected < self.most {
                    earlier.push_back((file.number, start, text.to_vec()));
                    earlier.drain(..earlier.len().saturating_sub(self.before));
                }
                continue;
            }
            file.selected += 1;
            if self.quiet || self.list.is_some() {
                break;
            }
            if self.count {
                continue;
            }
            if binary {
                out.put(format!("grep: {name}: binary file matches\n")).await?;
                return Ok(true);
            }
            let first = earlier.front().map_or(file.number, |(number, ..)| *number);
            if self.before as u64 + self.after > 0 && file.shown > 0 && first > file.shown + 1 {
                out.put(if self.colour { "\x1b[36m--\x1b[m\n" } else { "--\n" }).await?;
            }
            for (number, start, text) in earlier.drain(..) {
                self.show(name, number, start, &text, false, out).await?;
            }
            self.show(name, file.number, start, text, true, out).await?;
            file.shown = file.number;
            file.after = self.after;
        }
        if self.list == Some(if file.selected > 0 { 'l' } else { 'L' }) && !self.quiet {
            out.put(format!("{}\n", self.name(name))).await?;
        } else if self.count && self.list.is_none() && !self.quiet {
            let prefix =
                if self.names { format!("{}{}", self.name(name), self.mark(":")) } else { String::new() };
            out.put(format!("{prefix}{}\n", file.selected)).await?;
        }
        Ok(file.selected > 0)
    }

    fn name(&self, name: &str) -> String {
        if self.colour { format!("\x1b[35m{name}\x1b[m") } else { name.to_owned() }
    }

    fn mark(&self, mark: &str) -> String {
        if self.colour { format!("\x1b[36m{mark}\x1b[m") } else { mark.to_owned() }
    }

    fn prefix(&self, name: &str, number: u64, offset: u64, selected: bool) -> String {
        let mark = self.mark(if selected { ":" } else { "-" });
        let number = if self.colour { format!("\x1b[32m{number}\x1b[m") } else { number.to_string() };
        let mut prefix = String::new();
        if self.names {
            prefix = format!("{}{mark}", self.name(name));
        }
        if self.numbers {
            prefix.push_str(&format!("{number}{mark}"));
        }
        if self.offsets {
            prefix.push_str(&format!("{offset}{mark}"));
        }
        prefix
    }

    async fn show(
        &self,
        name: &str,
        number: u64,
        start: u64,
        text: &[u8],
        selected: bool,
        out: &mut Out<'_>,
    ) -> Result<(), Failure> {
        if self.only {
            if !selected || self.invert {
                return Ok(());
            }
            for found in self.regex.find_iter(text).filter(|found| !found.is_empty()) {
                let prefix = self.prefix(name, number, start + found.start() as u64, true);
                out.put(prefix).await?;
                out.put(self.paint(found.as_bytes())).await?;
                out.put("\n").await?;
            }
            return Ok(());
        }
        out.put(self.prefix(name, number, start, selected)).await?;
        if self.colour && selected && !self.invert {
            let mut at = 0;
            for found in self.regex.find_iter(text).filter(|found| !found.is_empty()) {
                out.put(&text[at..found.start()]).await?;
                out.put(self.paint(found.as_bytes())).await?;
                at = found.end();
            }
            out.put(&text[at..]).await?;
        } else {
            out.put(text).await?;
        }
        out.put("\n").await
    }

    fn paint(&self, text: &[u8]) -> Vec<u8> {
        if self.colour { [b"\x1b[1;31m", text, b"\x1b[m"].concat() } else { text.to_vec() }
    }
}

#[derive(Default)]
struct File {
    number: u64,
    offset: u64,
    selected: u64,
    /// Lines of context still to show.
    after: u64,
    /// Number of the last line shown.
    shown: u64,
}

fn pattern(options: &Options, patterns: &[String]) -> Result<Regex, Failure> {
    let kind = options.last_of("EFG");
    let syntax = Syntax {
        extended: kind == Some('E'),
        literal: kind == Some('F'),
        ignore_case: options.has('i'),
        multi_line: false,
    };
    let patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
    let wrap = |whole: String| {
        if options.has('x') {
            format!("^(?:{whole})$")
        } else if options.has('w') {
            format!(r"\b{{start-half}}(?:{whole})\b{{end-half}}")
        } else {
            whole
        }
    };
    if patterns.is_empty() {
        // An empty file of patterns matches nothing.
        return compile_all(&["x"], Syntax::default(), |_| "[^\\x00-\\x{10FFFF}]".to_owned())
            .map_err(|text| Failure::Message(2, text));
    }
    compile_all(&patterns, syntax, wrap).map_err(|text| Failure::Message(2, text))
}
