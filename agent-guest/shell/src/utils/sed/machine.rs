//! Runs a script over its input.

use std::{collections::VecDeque, fs::File};

use regex::bytes::Regex;

use super::script::{Action, Address, Command, Script};
use crate::{
    command::{Call, Failure},
    io::{MAX_LINE_BYTES, Reader, Writer},
    utils::{
        HOLD_BYTES, Pace, describe, locate,
        streams::{Lines, Out, open},
    },
};

/// Lines of several files, one ahead, so that the last is known.
pub(super) struct Input {
    files: VecDeque<String>,
    lines: Option<Lines>,
    ahead: Option<Vec<u8>>,
    end: u8,
}

impl Input {
    pub(super) fn new(operands: &[&str], end: u8) -> Self {
        let files = operands.iter().map(|operand| (*operand).to_owned()).collect();
        Self { files, lines: None, ahead: None, end }
    }

    pub(super) fn open(reader: Reader, end: u8) -> Self {
        Self { files: VecDeque::new(), lines: Some(Lines::split(reader, end)), ahead: None, end }
    }

    async fn read(&mut self, call: &Call, out: &mut Out<'_>) -> Result<Option<Vec<u8>>, Failure> {
        loop {
            if let Some(lines) = &mut self.lines {
                let mut line = Vec::new();
                if lines.next(out, &mut line).await? {
                    return Ok(Some(line));
                }
                self.lines = None;
            }
            let Some(file) = self.files.pop_front() else { return Ok(None) };
            match open(call, &file) {
                Ok(reader) => self.lines = Some(Lines::split(reader, self.end)),
                Err(error) => {
                    out.complain_with(2, format_args!("can't read {file}: {}", describe(&error))).await?;
                }
            }
        }
    }

    async fn next(&mut self, call: &Call, out: &mut Out<'_>) -> Result<Option<Vec<u8>>, Failure> {
        match self.ahead.take() {
            Some(line) => Ok(Some(line)),
            None => self.read(call, out).await,
        }
    }

    async fn is_last(&mut self, call: &Call, out: &mut Out<'_>) -> Result<bool, Failure> {
        if self.ahead.is_none() {
            self.ahead = self.read(call, out).await?;
        }
        Ok(self.ahead.is_none())
    }
}

enum Later {
    Text(usize),
    File(usize),
}

/// Where a range of lines is.
#[derive(Clone, Copy)]
enum Range {
    Outside,
    /// Up to a line, or up to what the second address says.
    Until(Option<u64>),
}

enum Flow {
    /// The next cycle, with printing or without.
    End(bool),
    /// Again with what is left in the pattern space.
    Restart,
}

pub(super) struct Machine<'a> {
    call: &'a Call,
    script: Script,
    ranges: Vec<Range>,
    files: Vec<Option<Writer>>,
    last_regex: Option<Regex>,
    hold: Vec<u8>,
    space: Vec<u8>,
    /// The current line ended in a newline.
    ended: bool,
    /// What was printed last lacks its newline.
    unfinished: bool,
    number: u64,
    later: Vec<Later>,
    replaced: bool,
    pace: Pace,
    pub(super) end: u8,
    /// The exit code, once the script quits.
    pub(super) quit: Option<u8>,
}

impl<'a> Machine<'a> {
    pub(super) fn new(call: &'a Call, script: Script, end: u8) -> Result<Self, Failure> {
        let mut files = Vec::new();
        for name in &script.files {
            files.push(match name.as_str() {
                "/dev/stdout" => None,
                "/dev/stderr" => Some(call.stderr.clone()),
                "/dev/null" => Some(Writer::null()),
                _ => Some(Writer::to_file(File::create(locate(call, name)).map_err(|error| {
                    Failure::Message(4, format!("couldn't open file {name}: {}", describe(&error)))
                })?)),
            });
        }
        Ok(Self {
            call,
            ranges: vec![Range::Outside; script.commands.len()],
            script,
            files,
            last_regex: None,
            hold: Vec::new(),
            space: Vec::new(),
            ended: true,
            unfinished: false,
            number: 0,
            later: Vec::new(),
            replaced: false,
            pace: Pace::default(),
            end,
            quit: None,
        })
    }

    pub(super) async fn run(&mut self, mut input: Input, out: &mut Out<'_>) -> Result<(), Failure> {
        self.unfinished = false;
        self.number = 0;
        self.ranges.fill(Range::Outside);
        let mut restart = false;
        while self.quit.is_none() {
            if !restart && !self.read(&mut input, out, false).await? {
                break;
            }
            let flow = self.cycle(&mut input, out).await?;
            restart = matches!(flow, Flow::Restart);
            if matches!(flow, Flow::End(true)) && !self.script.quiet {
                self.print(out).await?;
            }
            self.say_later(out).await?;
        }
        Ok(())
    }

    pub(super) async fn finish(&mut self) -> Result<(), Failure> {
        self.files.clear();
        Ok(())
    }

    /// The next line into the pattern space, or behind it.
    async fn read(&mut self, input: &mut Input, out: &mut Out<'_>, append: bool) -> Result<bool, Failure> {
        let Some(mut line) = input.next(self.call, out).await? else { return Ok(false) };
        self.ended = line.last() == Some(&self.end);
        if self.ended {
            line.pop();
        }
        self.number += 1;
        if append {
            self.space.push(self.end);
            self.space.extend_from_slice(&line);
            within_limit(&self.space)?;
        } else {
            self.space = line;
        }
        Ok(true)
    }

    async fn put(&mut self, text: &[u8], ended: bool, out: &mut Out<'_>) -> Result<(), Failure> {
        if std::mem::replace(&mut self.unfinished, !ended) {
            out.put([self.end]).await?;
        }
        out.put(text).await?;
        if ended { out.put([self.end]).await } else { Ok(()) }
    }

    async fn print(&mut self, out: &mut Out<'_>) -> Result<(), Failure> {
        let space = std::mem::take(&mut self.space);
        let result = self.put(&space, self.ended, out).await;
        self.space = space;
        result
    }

    /// Text of `a`, `i` and `c`, which has its newline.
    async fn say(&mut self, text: &[u8], out: &mut Out<'_>) -> Result<(), Failure> {
        self.put(text.strip_suffix(b"\n").unwrap_or(text), true, out).await
    }

    async fn say_later(&mut self, out: &mut Out<'_>) -> Result<(), Failure> {
        for later in std::mem::take(&mut self.later) {
            let (Later::Text(index) | Later::File(index)) = later;
            let text = match &self.script.commands[index].action {
                Action::Append(text) => text.clone(),
                Action::Read(name) => {
                    // A file that cannot be read is an empty one, says POSIX.
                    let Ok(reader) = open(self.call, name) else { continue };
                    if std::mem::take(&mut self.unfinished) {
                        out.put([self.end]).await?;
                    }
                    out.copy(&reader).await?;
                    continue;
                }
                _ => continue,
            };
            self.say(&text, out).await?;
        }
        Ok(())
    }

    async fn write(&mut self, file: usize, text: &[u8], out: &mut Out<'_>) -> Result<(), Failure> {
        let line = [text, &[self.end]].concat();
        match &self.files[file] {
            None => out.put(line).await,
            Some(writer) => Ok(writer.write_all(line).await?),
        }
    }

    fn regex_matches(&mut self, index: usize, second: bool) -> Result<bool, Failure> {
        let Command { first, last, .. } = &self.script.commands[index];
        let regex = match if second { last } else { first } {
            Some(Address::Regex(Some(regex))) => regex.clone(),
            _ => self.last()?,
        };
        let found = regex.is_match(&self.space);
        self.last_regex = Some(regex);
        Ok(found)
    }

    fn last(&self) -> Result<Regex, Failure> {
        let none = || Failure::Message(1, "no previous regular expression".to_owned());
        self.last_regex.clone().ok_or_else(none)
    }

    /// Whether one address means the current line.
    async fn is_at(
        &mut self,
        index: usize,
        second: bool,
        input: &mut Input,
        out: &mut Out<'_>,
    ) -> Result<bool, Failure> {
        let command = &self.script.commands[index];
        Ok(match if second { &command.last } else { &command.first } {
            None => true,
            Some(Address::Line(number)) => *number == self.number,
            Some(Address::Step(first, 0)) => *first == self.number,
            Some(Address::Step(first, step)) => {
                self.number >= *first && (self.number - first).is_multiple_of(*step)
            }
            Some(Address::Last) => input.is_last(self.call, out).await?,
            Some(Address::Regex(_)) => self.regex_matches(index, second)?,
            Some(Address::Plus(_) | Address::Multiple(_)) => false,
        })
    }

    async fn selects(&mut self, index: usize, input: &mut Input, out: &mut Out<'_>) -> Result<bool, Failure> {
        let command = &self.script.commands[index];
        let number = self.number;
        if command.last.is_none() {
            return self.is_at(index, false, input, out).await;
        }
        // `0,/re/` is inside before the first line.
        let from_zero = number == 1 && matches!(command.first, Some(Address::Line(0)));
        if from_zero {
            self.ranges[index] = Range::Until(None);
        }
        match self.ranges[index] {
            Range::Until(Some(line)) => {
                if number >= line {
                    self.ranges[index] = Range::Outside;
                }
                // A jump past the end selects nothing.
                Ok(number <= line)
            }
            Range::Until(None) => {
                if self.is_at(index, true, input, out).await? {
                    self.ranges[index] = Range::Outside;
                }
                Ok(true)
            }
            Range::Outside => {
                if !self.is_at(index, false, input, out).await? {
                    return Ok(false);
                }
                self.ranges[index] = match &self.script.commands[index].last {
                    Some(Address::Line(line)) if *line <= number => Range::Outside,
                    Some(Address::Line(line)) => Range::Until(Some(*line)),
                    Some(Address::Plus(0)) => Range::Outside,
                    Some(Address::Plus(more)) => Range::Until(Some(number.saturating_add(*more))),
                    Some(Address::Multiple(of)) if *of == 0 || number.is_multiple_of(*of) => Range::Outside,
                    Some(Address::Multiple(of)) => Range::Until(Some(number.next_multiple_of(*of))),
                    Some(Address::Last) if input.is_last(self.call, out).await? => Range::Outside,
                    _ => Range::Until(None),
                };
                Ok(true)
            }
        }
    }

    async fn cycle(&mut self, input: &mut Input, out: &mut Out<'_>) -> Result<Flow, Failure> {
        let mut at = 0;
        self.replaced = false;
        while at < self.script.commands.len() {
            self.pace.step().await;
            let index = at;
            at += 1;
            let selected = self.selects(index, input, out).await? != self.script.commands[index].negate;
            if !selected {
                if let Action::Block(after) = self.script.commands[index].action {
                    at = after;
                }
                continue;
            }
            match &self.script.commands[index].action {
                Action::Block(_) | Action::EndBlock => {}
                Action::Branch(to) => at = *to,
                Action::Test(wanted, to) => {
                    if std::mem::take(&mut self.replaced) == *wanted {
                        at = *to;
                    }
                }
                Action::Append(_) => self.later.push(Later::Text(index)),
                Action::Read(_) => self.later.push(Later::File(index)),
                Action::Insert(text) => {
                    let text = text.clone();
                    self.say(&text, out).await?;
                }
                Action::Change(text) => {
                    let command = &self.script.commands[index];
                    let in_range = command.last.is_some() && !command.negate;
                    if !in_range || matches!(self.ranges[index], Range::Outside) {
                        let text = text.clone();
                        self.say(&text, out).await?;
                    }
                    return Ok(Flow::End(false));
                }
                Action::Delete => return Ok(Flow::End(false)),
                Action::DeleteFirst => match self.space.iter().position(|b| *b == b'\n') {
                    None => return Ok(Flow::End(false)),
                    Some(newline) => {
                        self.space.drain(..=newline);
                        return Ok(Flow::Restart);
                    }
                },
                Action::Get => self.space.clone_from(&self.hold),
                Action::GetAppend => {
                    self.space.push(b'\n');
                    self.space.extend_from_slice(&self.hold);
                    within_limit(&self.space)?;
                }
                Action::Hold => self.hold.clone_from(&self.space),
                Action::HoldAppend => {
                    self.hold.push(b'\n');
                    self.hold.extend_from_slice(&self.space);
                    within_limit(&self.hold)?;
                }
                Action::Exchange => std::mem::swap(&mut self.hold, &mut self.space),
                Action::Zap => self.space.clear(),
                Action::List => {
                    let text = list(&self.space);
                    self.put(text.as_bytes(), true, out).await?;
                }
                Action::Number => {
                    let text = self.number.to_string();
                    self.put(text.as_bytes(), true, out).await?;
                }
                Action::Print => self.print(out).await?,
                Action::PrintFirst => {
                    let first = self.space.split(|b| *b == b'\n').next().unwrap_or_default().to_vec();
                    self.put(&first, true, out).await?;
                }
                Action::Next | Action::NextAppend => {
                    let append = matches!(self.script.commands[index].action, Action::NextAppend);
                    if input.is_last(self.call, out).await? {
                        self.quit = self.quit.or(Some(out.status));
                        return Ok(Flow::End(true));
                    }
                    if !append && !self.script.quiet {
                        self.print(out).await?;
                    }
                    self.say_later(out).await?;
                    self.read(input, out, append).await?;
                }
                Action::Quit(code) => {
                    self.quit = Some(*code);
                    return Ok(Flow::End(true));
                }
                Action::QuitSilently(code) => {
                    self.quit = Some(*code);
                    return Ok(Flow::End(false));
                }
                Action::Write(file) => {
                    let (file, text) = (*file, self.space.clone());
                    self.write(file, &text, out).await?;
                }
                Action::WriteFirst(file) => {
                    let file = *file;
                    let first = self.space.split(|b| *b == b'\n').next().unwrap_or_default().to_vec();
                    self.write(file, &first, out).await?;
                }
                Action::Transliterate(map) => {
                    let text = String::from_utf8_lossy(&self.space);
                    let text: String = text.chars().map(|c| *map.get(&c).unwrap_or(&c)).collect();
                    self.space = text.into_bytes();
                }
                Action::Substitute(_) => self.substitute(index, out).await?,
            }
        }
        Ok(Flow::End(true))
    }

    async fn substitute(&mut self, index: usize, out: &mut Out<'_>) -> Result<(), Failure> {
        let Action::Substitute(substitution) = &self.script.commands[index].action else { return Ok(()) };
        let regex = match &substitution.regex {
            Some(regex) => regex.clone(),
            None => self.last()?,
        };
        let result = substitution.apply(&regex, &self.space);
        let (print, file) = (substitution.print, substitution.file);
        self.last_regex = Some(regex);
        let Some(result) = result else { return Ok(()) };
        within_limit(&result)?;
        self.space = result;
        self.replaced = true;
        if print {
            self.print(out).await?;
        }
        if let Some(file) = file {
            let text = self.space.clone();
            self.write(file, &text, out).await?;
        }
        Ok(())
    }
}

/// The pattern and hold spaces may grow to [`HOLD_BYTES`].
fn within_limit(space: &[u8]) -> Result<(), Failure> {
    const _: () = assert!(HOLD_BYTES > MAX_LINE_BYTES);
    if space.len() > HOLD_BYTES { Err(crate::utils::streams::too_much(HOLD_BYTES)) } else { Ok(()) }
}

/// `l`: unambiguous, folded at 69 characters.
fn list(text: &[u8]) -> String {
    const WIDTH: usize = 69;
    let mut shown = String::new();
    let mut column = 0;
    for byte in text {
        let piece = match byte {
            b'\\' => "\\\\".to_owned(),
            7 => "\\a".to_owned(),
            8 => "\\b".to_owned(),
            12 => "\\f".to_owned(),
            b'\n' => "\\n".to_owned(),
            b'\r' => "\\r".to_owned(),
            b'\t' => "\\t".to_owned(),
            11 => "\\v".to_owned(),
            32..=126 => char::from(*byte).to_string(),
            _ => format!("\\{byte:03o}"),
        };
        if column + piece.len() > WIDTH {
            shown.push_str("\\\n");
            column = 0;
        }
        column += piece.len();
        shown.push_str(&piece);
    }
    shown.push('$');
    shown
}
