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

/// As it comes back from a checkpoint.
fn back(journal: &Journal, generation: u64, seq_jump: bool) -> Journal {
    let captured = journal.capture();
    let tail = crate::terminal::tail::read_back(captured.tail);
    let read =
        checkpoint::manifest::Journal { generation: captured.generation, last_seq: captured.last_seq, tail };
    Journal::restored(&read, generation, seq_jump)
}

#[test]
fn a_planned_stop_keeps_lines_numbers_and_offsets() {
    for count in [0, 1, 100, 3000] {
        let mut journal = Journal::default();
        for n in 0..count {
            write(&mut journal, &format!("line {n}"));
        }
        let mut back = back(&journal, 1, false);
        assert_eq!((back.generation(), back.head(), back.tail()), (1, journal.head(), journal.tail()));
        assert_eq!(back.after(0, Level::Trace, usize::MAX), journal.after(0, Level::Trace, usize::MAX));
        assert_eq!(
            back.read(back.tail(), usize::MAX),
            journal.read(journal.tail(), usize::MAX),
            "offsets are the lines'"
        );
        assert_eq!(write(&mut back, "next"), count + 1);
    }
}

#[test]
fn after_a_crash_no_number_is_given_twice() {
    let mut journal = Journal::default();
    write(&mut journal, "one");
    let mut back = back(&journal, 2, true);
    let lost = write(&mut journal, "lost");
    assert!(write(&mut back, "other") > lost);
    assert_eq!((back.generation(), back.truncated()), (2, back.after(0, Level::Trace, 1).0.len() as u64));
}

#[test]
fn what_is_no_log_is_not_taken_back() {
    let mut journal = Journal::default();
    write(&mut journal, "one");
    write(&mut journal, "two");
    let captured = journal.capture();
    let mut tail = crate::terminal::tail::read_back(captured.tail);
    let mut bytes = tail.rest.to_vec();
    bytes[0] = b'?';
    tail.rest = bytes.into();
    let broken = checkpoint::manifest::Journal { generation: 1, last_seq: 2, tail };
    let back = Journal::restored(&broken, 1, false);
    assert_eq!(back.head(), journal.head());
    let (text, last) = back.after(0, Level::Trace, 1000);
    assert!(text.contains("two") && !text.contains("one"));
    assert_eq!(last, 2);
}
