//! An agent's log: numbered entries as JSON lines, the oldest dropped first. The same lines are
//! stream 1 of its sockets, so they also have byte offsets.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use wire::log::{Level, LogEntry, Source};

use crate::terminal::tail::{SEGMENT, Stored};

mod kept;

/// Lines kept for late readers, bytes; the newest are never dropped, and the oldest go by about a segment of a
/// checkpoint ([`SEGMENT`]) at a time.
pub(crate) const JOURNAL_BYTES: usize = 128 * 1024;
/// Longest message; the rest is cut, and says so.
const MAX_MESSAGE_BYTES: usize = 8 * 1024;
/// Most fields of an entry, and the longest name or value.
const MAX_FIELDS: usize = 16;
const MAX_FIELD_BYTES: usize = 1024;

#[derive(Debug)]
struct Line {
    seq: u64,
    level: Level,
    offset: u64,
    json: String,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Journal {
    generation: u64,
    /// Where the last crash made it go on; 0 when that is not known.
    truncated: u64,
    lines: VecDeque<Line>,
    bytes: usize,
    /// Number of the last entry.
    last_seq: u64,
    head: u64,
    /// Segments that a durable checkpoint holds.
    stored: Stored,
}

impl Default for Journal {
    fn default() -> Self {
        Self {
            generation: 1,
            truncated: 0,
            lines: VecDeque::new(),
            bytes: 0,
            last_seq: 0,
            head: 0,
            stored: Stored::default(),
        }
    }
}

/// Cuts a text at a character boundary; whether it did.
fn cut(text: &mut String, limit: usize) -> bool {
    let long = text.len() > limit;
    if long {
        text.truncate(text.floor_char_boundary(limit));
        text.push('…');
    }
    long
}

impl Journal {
    /// Appends an entry; its sequence number.
    pub(crate) fn write(
        &mut self,
        level: Level,
        source: Source,
        mut message: String,
        fields: impl IntoIterator<Item = (String, String)>,
    ) -> u64 {
        let mut kept = BTreeMap::new();
        for (mut name, mut value) in fields.into_iter().take(MAX_FIELDS) {
            cut(&mut name, MAX_FIELD_BYTES);
            cut(&mut value, MAX_FIELD_BYTES);
            kept.insert(name, value);
        }
        if cut(&mut message, MAX_MESSAGE_BYTES) {
            kept.insert("truncated".to_owned(), "true".to_owned());
        }
        self.last_seq += 1;
        let entry =
            LogEntry { seq: self.last_seq, time: Timestamp::now(), level, source, message, fields: kept };
        // A struct of strings and numbers always has a JSON form.
        let mut json = serde_json::to_string(&entry).unwrap_or_default();
        json.push('\n');
        self.push(Line { seq: entry.seq, level, offset: self.head, json });
        entry.seq
    }

    fn push(&mut self, line: Line) {
        self.head += line.json.len() as u64;
        self.bytes += line.json.len();
        self.lines.push_back(line);
        if self.bytes <= JOURNAL_BYTES {
            return;
        }
        while self.bytes > JOURNAL_BYTES - SEGMENT && self.lines.len() > 1 {
            if let Some(oldest) = self.lines.pop_front() {
                self.bytes -= oldest.json.len();
            }
        }
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// The offset where the last crash made it go on; 0 when that is not known.
    pub(crate) fn truncated(&self) -> u64 {
        self.truncated
    }

    /// Offset after the last line.
    pub(crate) fn head(&self) -> u64 {
        self.head
    }

    /// Offset of the oldest line kept.
    pub(crate) fn tail(&self) -> u64 {
        self.head - self.bytes as u64
    }

    /// Lines with a higher `seq` and at least `level`, about `limit` bytes; the last `seq` looked at.
    pub(crate) fn after(&self, seq: u64, level: Level, limit: usize) -> (String, u64) {
        let (mut text, mut last) = (String::new(), seq);
        let from = self.lines.partition_point(|line| line.seq <= seq);
        for line in self.lines.range(from..) {
            if text.len() >= limit {
                break;
            }
            if line.level >= level {
                text.push_str(&line.json);
            }
            last = line.seq;
        }
        (text, last)
    }

    /// At most `limit` bytes from `offset` on, which must lie between tail and head.
    pub(crate) fn read(&self, offset: u64, limit: usize) -> Vec<u8> {
        let first = self.lines.partition_point(|line| line.offset + line.json.len() as u64 <= offset);
        let mut bytes = Vec::new();
        for line in self.lines.range(first..) {
            let skip = usize::try_from(offset.saturating_sub(line.offset)).unwrap_or(usize::MAX);
            let rest = line.json.as_bytes().get(skip..).unwrap_or_default();
            bytes.extend_from_slice(&rest[..rest.len().min(limit - bytes.len())]);
            if bytes.len() == limit {
                break;
            }
        }
        bytes
    }
}

#[cfg(test)]
mod tests;
