use proptest::prelude::*;

use super::*;

fn screen_of(bytes: &[u8], size: Size) -> String {
    let (rows, cols) = size.non_zero();
    let mut parser = vt100::Parser::new(rows, cols, 0);
    parser.process(bytes);
    parser.screen().contents()
}

#[test]
fn a_reader_at_an_offset_gets_what_follows() {
    let mut log = TerminalLog::new(Size::DEFAULT);
    log.append(b"hello ");
    log.append(b"world");
    assert_eq!(log.read(6, 100), Tail::Bytes(b"world".to_vec()));
    assert_eq!(log.read(6, 2), Tail::Bytes(b"wo".to_vec()));
    assert_eq!(log.read(11, 100), Tail::AtHead);
}

#[test]
fn the_tail_is_bounded_and_a_late_reader_is_told() {
    let mut log = TerminalLog::new(Size::DEFAULT);
    for _ in 0..100 {
        log.append(&[b'x'; 4096]);
    }
    assert_eq!(log.head() - log.tail(), TAIL_BYTES as u64);
    assert_eq!(log.read(0, 10), Tail::Behind { tail: log.tail() });
}

#[test]
fn a_snapshot_never_cuts_a_sequence() {
    let mut log = TerminalLog::new(Size::DEFAULT);
    log.append(b"abc\x1b[3");
    let (offset, _) = log.snapshot();
    assert_eq!(offset, 3);
    log.append(b"1mred");
    let (offset, text) = log.snapshot();
    assert_eq!(offset, 11);
    assert!(String::from_utf8_lossy(&text).contains("\x1b[31m"), "{text:?}");
}

#[test]
fn an_alternate_screen_is_entered_before_it_is_drawn() {
    let mut log = TerminalLog::new(Size::DEFAULT);
    log.append(b"shell\x1b[?1049heditor");
    assert!(log.snapshot().1.starts_with(b"\x1b[?1049h"));
}

proptest! {
    /// A snapshot, then the bytes after it, is the screen of all bytes; wherever it was taken.
    #[test]
    fn snapshot_plus_rest_is_the_whole(
        parts in prop::collection::vec(prop_oneof![
            "[a-z ]{0,30}", Just("\r\n".to_owned()), Just("\x1b[31m".to_owned()),
            Just("\x1b[2;3H".to_owned()), Just("é界".to_owned()), Just("\x1b[K".to_owned()),
        ], 1..60),
        cut in 0usize..600,
    ) {
        let all: Vec<u8> = parts.concat().into_bytes();
        let cut = cut.min(all.len());
        let mut log = TerminalLog::new(Size::DEFAULT);
        log.append(&all[..cut]);
        let (offset, text) = log.snapshot();
        let mut replay = text.to_vec();
        log.append(&all[cut..]);
        if let Tail::Bytes(rest) = log.read(offset, usize::MAX) {
            replay.extend(rest);
        }
        prop_assert_eq!(screen_of(&replay, Size::DEFAULT), screen_of(&all, Size::DEFAULT));
    }
}
