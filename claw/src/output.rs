//! Answers on standard output: tables and sentences for people, JSON for programs.

use std::io::{self, IsTerminal as _, Write as _};

use serde::Serialize;

use crate::failure::Failure;

/// How a verb answers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    /// Whether the answer is JSON.
    pub(crate) json: bool,
}

impl Output {
    /// One JSON document, indented when a person looks.
    pub(crate) fn document(self, value: &impl Serialize) -> Result<(), Failure> {
        let text = if io::stdout().is_terminal() {
            serde_json::to_string_pretty(value)
        } else {
            serde_json::to_string(value)
        };
        self.line(&text.map_err(io::Error::other)?)
    }

    /// A line of text.
    pub(crate) fn line(self, text: &str) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{text}")?;
        Ok(stdout.flush()?)
    }

    /// Bytes as they are.
    pub(crate) fn bytes(self, bytes: &[u8]) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes)?;
        Ok(stdout.flush()?)
    }

    /// A table: columns as wide as their widest cell, the last one as it is.
    pub(crate) fn table<const N: usize>(self, head: [&str; N], rows: &[[String; N]]) -> Result<(), Failure> {
        self.bytes(table(head, rows).as_bytes())
    }
}

fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = head.map(|cell| cell.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(printable(cell).chars().count());
        }
    }
    let mut text = String::new();
    for row in std::iter::once(&head.map(str::to_owned)).chain(rows) {
        let mut line = String::new();
        for (at, (cell, width)) in row.iter().zip(widths).enumerate() {
            let cell = printable(cell);
            if at + 1 < N { line.push_str(&format!("{cell:width$}  ")) } else { line.push_str(&cell) }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Names come from other people: no control character of theirs reaches this terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// How long ago, in the largest unit that says something.
pub(crate) fn ago(time: jiff::Timestamp) -> String {
    span(jiff::Timestamp::now().duration_since(time).as_secs().max(0))
}

/// Seconds in the largest unit that says something.
pub(crate) fn span(seconds: i64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        7200..=172_799 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_names_cannot_move_the_cursor() {
        let rows = [["a".to_owned(), "x\u{1b}[2J".to_owned()], ["longer".to_owned(), String::new()]];
        assert_eq!(table(["ID", "NAME"], &rows), "ID      NAME\na       x\u{fffd}[2J\nlonger\n");
    }

    #[test]
    fn a_time_is_said_in_one_unit() {
        assert_eq!([span(5), span(300), span(90_000), span(900_000)], ["5 s", "5 min", "25 h", "10 d"]);
    }
}
