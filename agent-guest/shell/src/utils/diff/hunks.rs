//! From changed lines to what `diff` prints.

use std::{io::Write as _, ops::Range};

use super::myers;
use crate::{command::Failure, utils::streams::Out};

/// Lines of the left text, and what stands in their place on the right.
pub(super) struct Change {
    left: Range<usize>,
    right: Range<usize>,
}

/// All changes, in order.
pub(super) async fn changes(a: &[u32], b: &[u32]) -> Vec<Change> {
    let (mut in_a, mut in_b) = myers::changed(a, b).await;
    slide(a, &mut in_a, &in_b);
    slide(b, &mut in_b, &in_a);
    let mut changes = Vec::new();
    let (mut i, mut j) = (0, 0);
    while i < a.len() || j < b.len() {
        let start = (i, j);
        while i < a.len() && in_a[i] {
            i += 1;
        }
        while j < b.len() && in_b[j] {
            j += 1;
        }
        if (i, j) == start {
            (i, j) = (i + 1, j + 1);
        } else {
            changes.push(Change { left: start.0..i, right: start.1..j });
        }
    }
    changes
}

/// Moves each run of changed lines as far down as it means the same, where people expect it; but where
/// that is possible, beside a change of the other text, so that the two are one.
fn slide(lines: &[u32], changed: &mut [bool], other: &[bool]) {
    // Whether the other text changes after so many lines that did not.
    let mut gaps = vec![false];
    for changed in other {
        match changed {
            true => gaps.last_mut().into_iter().for_each(|gap| *gap = true),
            false => gaps.push(false),
        }
    }
    let mut kept = 0;
    let mut at = 0;
    while at < lines.len() {
        if !changed[at] {
            (at, kept) = (at + 1, kept + 1);
            continue;
        }
        let (mut start, mut end) = (at, at);
        let mut beside = None;
        loop {
            while end < lines.len() && changed[end] {
                end += 1;
            }
            if gaps.get(kept) == Some(&true) {
                beside = Some(start);
            }
            if end >= lines.len() || lines[start] != lines[end] {
                break;
            }
            changed[start] = false;
            changed[end] = true;
            (start, kept) = (start + 1, kept + 1);
        }
        at = end;
        while beside.is_some_and(|beside| beside < start) && lines[start - 1] == lines[end - 1] {
            (start, end, kept) = (start - 1, end - 1, kept - 1);
            changed[start] = true;
            changed[end] = false;
        }
        kept += at - end;
    }
}

/// Prints changes.
pub(super) struct Printer<'a, 'b> {
    pub(super) left: &'a [&'a [u8]],
    pub(super) right: &'a [&'a [u8]],
    pub(super) colour: bool,
    pub(super) out: &'a mut Out<'b>,
}

impl Printer<'_, '_> {
    pub(super) async fn normal(&mut self, changes: &[Change]) -> Result<(), Failure> {
        for change in changes {
            let letter = match (change.left.is_empty(), change.right.is_empty()) {
                (true, _) => 'a',
                (_, true) => 'd',
                _ => 'c',
            };
            let (left, right) = (span(&change.left), span(&change.right));
            self.paint("36", format!("{left}{letter}{right}").as_bytes(), true);
            self.lines("< ", "31", true, change.left.clone()).await?;
            if letter == 'c' {
                let _ = writeln!(self.out, "---");
            }
            self.lines("> ", "32", false, change.right.clone()).await?;
        }
        Ok(())
    }

    pub(super) async fn unified(
        &mut self,
        headers: &[String; 2],
        changes: &[Change],
        context: usize,
    ) -> Result<(), Failure> {
        for header in headers {
            self.out.put(header).await?;
        }
        let mut rest = changes;
        while let Some(first) = rest.first() {
            // Changes whose contexts touch make one hunk.
            let near = |pair: &[Change]| pair[1].left.start - pair[0].left.end <= context.saturating_mul(2);
            let count = 1 + rest.windows(2).take_while(|pair| near(pair)).count();
            let (hunk, after) = rest.split_at(count);
            rest = after;
            let Some(last) = hunk.last() else { break };
            let before = context.min(first.left.start).min(first.right.start);
            let behind = context.min(self.left.len() - last.left.end);
            let left = first.left.start - before..last.left.end + behind;
            let right = first.right.start - before..last.right.end + behind;
            self.paint("36", format!("@@ -{} +{} @@", range(&left), range(&right)).as_bytes(), true);
            let mut at = left.start;
            for change in hunk {
                self.lines(" ", "", true, at..change.left.start).await?;
                self.lines("-", "31", true, change.left.clone()).await?;
                self.lines("+", "32", false, change.right.clone()).await?;
                at = change.left.end;
            }
            self.lines(" ", "", true, at..left.end).await?;
        }
        Ok(())
    }

    fn paint(&mut self, colour: &str, text: &[u8], newline: bool) {
        let paints = self.colour && !colour.is_empty();
        if paints {
            let _ = write!(self.out, "\x1b[{colour}m");
        }
        let _ = self.out.write(text);
        if paints {
            let _ = write!(self.out, "\x1b[0m");
        }
        if newline {
            let _ = writeln!(self.out);
        }
    }

    async fn lines(
        &mut self,
        mark: &str,
        colour: &str,
        left: bool,
        range: Range<usize>,
    ) -> Result<(), Failure> {
        for index in range {
            let line = if left { self.left[index] } else { self.right[index] };
            let text = line.strip_suffix(b"\n");
            self.paint(colour, &[mark.as_bytes(), text.unwrap_or(line)].concat(), true);
            if text.is_none() {
                let _ = writeln!(self.out, "\\ No newline at end of file");
            }
            self.out.step().await?;
        }
        Ok(())
    }
}

/// Line numbers of the normal format: `5`, `5,7`, or the line before if there are none.
fn span(range: &Range<usize>) -> String {
    match range.len() {
        0 => range.start.to_string(),
        1 => (range.start + 1).to_string(),
        _ => format!("{},{}", range.start + 1, range.end),
    }
}

/// Start and length in the unified format.
fn range(range: &Range<usize>) -> String {
    match range.len() {
        0 => format!("{},0", range.start),
        1 => (range.start + 1).to_string(),
        length => format!("{},{length}", range.start + 1),
    }
}
