use proptest::prelude::*;

use super::*;
use crate::terminal::{
    log::{Size, TAIL_BYTES},
    tail::SEGMENT,
};

fn log(bytes: &[u8]) -> TerminalLog {
    let mut log = TerminalLog::new(Size::DEFAULT);
    log.append(bytes);
    log
}

fn position(offset: u64) -> From {
    From::Position { generation: 1, offset }
}

/// Everything there is to send now.
fn drain(attachment: &mut Attachment, log: &mut TerminalLog) -> Vec<Out> {
    std::iter::from_fn(|| attachment.next(log)).collect()
}

fn data(outs: &[Out]) -> Vec<u8> {
    let mut all = Vec::new();
    for out in outs {
        if let Out::Frame(frame) = out {
            let (header, payload) = Header::decode(frame).unwrap();
            if header.kind == Kind::Data as u8 {
                all.extend_from_slice(payload);
            }
        }
    }
    all
}

fn snapshots(outs: &[Out]) -> Vec<(u64, u8)> {
    outs.iter()
        .filter_map(|out| match out {
            Out::Frame(frame) => Header::decode(frame).ok().map(|(header, _)| header),
            Out::Control(_) => None,
        })
        .filter(|header| header.kind == Kind::Snapshot as u8)
        .map(|header| (header.offset, header.flags))
        .collect()
}

#[test]
fn nothing_is_sent_before_attach() {
    assert_eq!(Attachment::default().next(&mut log(b"hello")), None);
}

#[test]
fn a_position_goes_on_without_a_snapshot() {
    let (mut attachment, mut log) = (Attachment::default(), log(b"hello world"));
    attachment.attach(&mut log, position(6), 42);
    let outs = drain(&mut attachment, &mut log);
    let attached = ServerControl::Attached { stream: 0, generation: 1, offset: 6, input_seq: 42 };
    assert_eq!(outs[0], Out::Control(attached));
    assert_eq!(data(&outs), b"world");
    assert!(snapshots(&outs).is_empty());
}

#[test]
fn a_snapshot_comes_before_what_follows_it() {
    let (mut attachment, mut log) = (Attachment::default(), log(b"hello"));
    attachment.attach(&mut log, From::SNAPSHOT, 0);
    log.append(b" world");
    let outs = drain(&mut attachment, &mut log);
    assert!(matches!(outs[0], Out::Control(ServerControl::Attached { offset: 5, .. })));
    assert_eq!(snapshots(&outs), [(5, 0)]);
    assert_eq!(data(&outs), b" world");
}

#[test]
fn an_empty_screen_is_a_snapshot_too() {
    let (mut attachment, mut log) = (Attachment::default(), log(b""));
    attachment.attach(&mut log, From::SNAPSHOT, 0);
    assert_eq!(snapshots(&drain(&mut attachment, &mut log)), [(0, 0)]);
}

#[test]
fn a_long_snapshot_comes_in_pieces() {
    let mut log = TerminalLog::new(Size::clamped(500, 500));
    for n in 0..200_000_u32 {
        log.append(format!("\x1b[38;5;{}mx", n % 256).as_bytes());
    }
    let mut attachment = Attachment::default();
    attachment.attach(&mut log, From::SNAPSHOT, 0);
    let pieces = snapshots(&drain(&mut attachment, &mut log));
    assert!(pieces.len() > 1);
    assert!(pieces[..pieces.len() - 1].iter().all(|(_, flags)| *flags == FLAG_MORE));
    assert_eq!(pieces.last().unwrap().1, 0);
}

#[test]
fn an_offset_that_is_gone_is_a_gap_and_a_snapshot() {
    let (mut attachment, mut log) = (Attachment::default(), log(&vec![b'x'; TAIL_BYTES + SEGMENT + 100]));
    attachment.attach(&mut log, position(10), 0);
    let outs = drain(&mut attachment, &mut log);
    let gap = ServerControl::Gap { stream: 0, from: 10, to: SEGMENT as u64 };
    assert!(outs[1] == Out::Control(gap));
    assert_eq!(snapshots(&outs), [(log.head(), 0)]);
}

#[test]
fn without_acks_the_window_is_all_and_then_a_fresh_snapshot() {
    let (mut attachment, mut log) = (Attachment::default(), log(b""));
    attachment.attach(&mut log, position(0), 0);
    let mut sent = 0;
    for _ in 0..100 {
        log.append(&[b'x'; 16 * 1024]);
        sent += data(&drain(&mut attachment, &mut log)).len();
    }
    assert_eq!(sent as u64, WINDOW_BYTES);
    attachment.ack(WINDOW_BYTES);
    let outs = drain(&mut attachment, &mut log);
    assert_eq!(snapshots(&outs), [(log.head(), 0)]);
    // The credit comes back when the snapshot is acknowledged.
    log.append(b"after");
    assert!(data(&drain(&mut attachment, &mut log)).is_empty());
    attachment.ack(log.head() - 5);
    assert_eq!(data(&drain(&mut attachment, &mut log)), b"after");
}

#[test]
fn an_ack_of_what_was_never_sent_gives_no_credit() {
    let (mut attachment, mut log) = (Attachment::default(), log(b""));
    attachment.attach(&mut log, position(0), 0);
    attachment.ack(u64::MAX);
    log.append(&vec![b'x'; TAIL_BYTES + SEGMENT]);
    assert_eq!(
        data(&drain(&mut attachment, &mut log)).len(),
        0,
        "the first byte is gone: a snapshot instead"
    );
}

#[test]
fn the_log_stream_skips_what_is_gone() {
    let mut journal = Journal::default();
    for n in 0..5000 {
        journal.write(wire::log::Level::Info, wire::log::Source::Agent, format!("line {n}"), []);
    }
    let mut attachment = Attachment::default();
    attachment.attach(&mut journal, position(0), 0);
    let outs: Vec<Out> = std::iter::from_fn(|| attachment.next(&mut journal)).collect();
    assert!(matches!(outs[1], Out::Control(ServerControl::Gap { stream: 1, from: 0, .. })));
    let text = String::from_utf8(data(&outs)).unwrap();
    assert!(text.starts_with("{\"seq\":") && text.ends_with("}\n"));
}

proptest! {
    /// Whatever the order of writes, acks and reads: data frames follow each other without overlap or hole.
    #[test]
    fn frames_are_in_order(steps in prop::collection::vec((0usize..40_000, any::<bool>()), 1..60)) {
        let (mut attachment, mut log) = (Attachment::default(), log(b""));
        attachment.attach(&mut log, position(0), 0);
        let mut expected = 0;
        for (count, ack) in steps {
            log.append(&vec![b'x'; count]);
            for out in drain(&mut attachment, &mut log) {
                let Out::Frame(frame) = out else { continue };
                let (header, payload) = Header::decode(&frame).unwrap();
                if header.kind == Kind::Snapshot as u8 {
                    prop_assert!(header.offset >= expected);
                    expected = header.offset;
                } else {
                    prop_assert_eq!(header.offset, expected);
                    expected += payload.len() as u64;
                }
            }
            if ack {
                attachment.ack(expected);
            }
        }
    }
}

/// As a checkpoint holds it and a host reads it.
fn checkpoint(log: &mut TerminalLog) -> checkpoint::manifest::Terminal<Bytes> {
    let terminal = log.capture();
    checkpoint::manifest::Terminal {
        generation: terminal.generation,
        head: terminal.head,
        cols: terminal.cols,
        rows: terminal.rows,
        screen: terminal.screen,
        screen_at: terminal.screen_at,
        tail: crate::terminal::tail::read_back(terminal.tail),
    }
}

#[test]
fn a_rollback_tells_attached_sockets_and_shows_what_is_left() {
    let mut log = log(b"kept");
    let saved = checkpoint(&mut log);
    let (mut caught_up, mut behind, mut fresh) =
        (Attachment::default(), Attachment::default(), Attachment::default());
    log.append(b", undone");
    caught_up.attach(&mut log, position(0), 0);
    drain(&mut caught_up, &mut log);
    behind.attach(&mut log, position(2), 0);
    log.rewind(&saved, 2);
    log.append(b", done");
    fresh.attach(&mut log, position(12), 7);
    let rewound = Out::Control(ServerControl::Rewound { stream: 0, generation: 2, offset: 4 });
    for (mut attachment, at) in [(caught_up, 0), (behind, 1), (fresh, 0)] {
        let outs = drain(&mut attachment, &mut log);
        assert_eq!(outs[at], rewound);
        assert_eq!(snapshots(&outs), [(10, 0)]);
        // It has all its credit.
        log.append(b"!");
        assert_eq!(data(&drain(&mut attachment, &mut log)), b"!");
        log.rewind(&saved, log.generation());
        log.append(b", done");
    }
}

#[test]
fn a_log_that_lost_lines_is_begun_again_at_its_tail() {
    let mut journal = Journal::default();
    let write = |journal: &mut Journal, text: &str| {
        journal.write(wire::log::Level::Info, wire::log::Source::Agent, text.to_owned(), []);
    };
    write(&mut journal, "kept");
    let captured = journal.capture();
    let saved = checkpoint::manifest::Journal {
        generation: captured.generation,
        last_seq: captured.last_seq,
        tail: crate::terminal::tail::read_back(captured.tail),
    };
    write(&mut journal, "lost");
    let beyond = journal.head();
    let mut back = Journal::restored(&saved, 2, true);
    let kept = back.head();
    write(&mut back, "new");
    let mut attachment = Attachment::default();
    attachment.attach(&mut back, position(beyond), 0);
    let outs: Vec<Out> = std::iter::from_fn(|| attachment.next(&mut back)).collect();
    assert_eq!(outs[0], Out::Control(ServerControl::Rewound { stream: 1, generation: 2, offset: kept }));
    let attached = ServerControl::Attached { stream: 1, generation: 2, offset: 0, input_seq: 0 };
    assert_eq!(outs[1], Out::Control(attached));
    assert_eq!(data(&outs), back.read(0, usize::MAX));
}
