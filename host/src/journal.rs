//! An agent's log: numbered entries as JSON lines, the oldest dropped first. The same lines are
//! stream 1 of its sockets, so they also have byte offsets.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use wire::log::{Level, LogEntry, Source};

/// Lines kept for late readers, bytes; the newest are never dropped.
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
#[derive(Debug, Default)]
pub(crate) struct Journal {
    lines: VecDeque<Line>,
    bytes: usize,
    next_seq: u64,
    head: u64,
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
        self.next_seq += 1;
        let entry =
            LogEntry { seq: self.next_seq, time: Timestamp::now(), level, source, message, fields: kept };
        // A struct of strings and numbers always has a JSON form.
        let mut json = serde_json::to_string(&entry).unwrap_or_default();
        json.push('\n');
        let line = Line { seq: entry.seq, level, offset: self.head, json };
        self.head += line.json.len() as u64;
        self.bytes += line.json.len();
        self.lines.push_back(line);
        while self.bytes > JOURNAL_BYTES && self.lines.len() > 1 {
            if let Some(oldest) = self.lines.pop_front() {
                self.bytes -= oldest.json.len();
            }
        }
        entry.seq
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
mod tests {
    use super::*;

    fn write(journal: &mut Journal, message: &str) -> u64 {
        journal.write(Level::Info, Source::Agent, message.to_owned(), [])
    }

    #[test]
    fn entries_are_numbered_and_read_after_a_number() {
        let mut journal = Journal::default();
        assert_eq!(write(&mut journal, "one"), 1);
        journal.write(Level::Debug, Source::Host, "two".to_owned(), [("k".to_owned(), "v".to_owned())]);
        let (text, last) = journal.after(1, Level::Trace, 1000);
        let entry: LogEntry = serde_json::from_str(&text).unwrap();
        assert_eq!((entry.message.as_str(), entry.fields["k"].as_str(), last), ("two", "v", 2));
        assert_eq!(journal.after(0, Level::Warn, 1000), (String::new(), 2));
    }

    #[test]
    fn the_bytes_of_the_stream_are_the_lines() {
        let mut journal = Journal::default();
        write(&mut journal, "one");
        write(&mut journal, "two");
        let (text, _) = journal.after(0, Level::Trace, 1000);
        let mut bytes = Vec::new();
        while (bytes.len() as u64) < journal.head() {
            bytes.extend(journal.read(bytes.len() as u64, 7));
        }
        assert_eq!(String::from_utf8(bytes).unwrap(), text);
    }

    #[test]
    fn a_flood_is_bounded_and_keeps_the_newest() {
        let mut journal = Journal::default();
        for n in 0..10_000 {
            write(&mut journal, &format!("line {n}"));
        }
        write(&mut journal, &"é".repeat(100_000));
        assert!(journal.bytes <= JOURNAL_BYTES);
        let (text, _) = journal.after(10_000, Level::Trace, 100_000);
        let entry: LogEntry = serde_json::from_str(&text).unwrap();
        assert!(entry.message.len() <= MAX_MESSAGE_BYTES + 3 && entry.fields["truncated"] == "true");
    }
}
