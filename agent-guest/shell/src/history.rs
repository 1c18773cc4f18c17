//! The lines typed before, kept in a file of the workspace.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
};

/// Most lines kept.
pub(crate) const MAX_LINES: usize = 500;
/// Longest line kept.
const MAX_LINE_BYTES: usize = 4096;
/// Largest file read.
const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;

/// Lines, oldest first.
#[derive(Debug, Default)]
pub(crate) struct History {
    lines: Vec<String>,
    file: Option<PathBuf>,
    /// Lines in the file, which grows until it is rewritten.
    written: usize,
}

impl History {
    /// What a file holds; a line of the file is a command, its own newlines as `\n`.
    pub(crate) fn load(file: &Path) -> Self {
        let mut history = Self { file: Some(file.to_owned()), ..Self::default() };
        if file.metadata().is_ok_and(|meta| meta.len() <= MAX_FILE_BYTES)
            && let Ok(bytes) = fs::read(file)
        {
            let text = String::from_utf8_lossy(&bytes);
            history.written = text.lines().count();
            let skip = history.written.saturating_sub(MAX_LINES);
            history.lines = text.lines().skip(skip).map(unescape).collect();
        }
        history
    }

    pub(crate) fn lines(&self) -> &[String] {
        &self.lines
    }

    /// Keeps a line, unless it is the last one again or begins with a space; whether it did.
    pub(crate) fn add(&mut self, line: &str) -> bool {
        if line.trim().is_empty()
            || line.starts_with(' ')
            || line.len() > MAX_LINE_BYTES
            || self.lines.last().is_some_and(|last| last == line)
        {
            return false;
        }
        self.lines.push(line.to_owned());
        if self.lines.len() > MAX_LINES {
            self.lines.remove(0);
        }
        let Some(file) = &self.file else { return true };
        self.written += 1;
        if self.written > MAX_LINES * 2 {
            self.save();
        } else if let Ok(mut file) = OpenOptions::new().append(true).create(true).open(file) {
            // A full or read-only workspace costs the history, nothing else.
            let _ = file.write_all(format!("{}\n", escape(line)).as_bytes());
        }
        true
    }

    /// Rewrites the file with the lines that are kept.
    pub(crate) fn save(&mut self) {
        let Some(file) = &self.file else { return };
        let text: String = self.lines.iter().map(|line| escape(line) + "\n").collect();
        if fs::write(file, text).is_ok() {
            self.written = self.lines.len();
        }
    }

    pub(crate) fn clear(&mut self) {
        self.lines.clear();
        self.save();
    }
}

fn escape(line: &str) -> String {
    line.replace('\\', "\\\\").replace('\n', "\\n")
}

fn unescape(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => text.push('\n'),
                Some(c) => text.push(c),
                None => text.push('\\'),
            },
            c => text.push(c),
        }
    }
    text
}
