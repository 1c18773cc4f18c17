use proptest::prelude::*;

use super::arbitrary::Random;
use crate::{
    Checkpoint, DecodeError, Expect,
    fuzz::{fuzz, plain},
    limits::{MAX_HANDLES, MAX_MANIFEST_BODY_BYTES, MAX_SESSIONS},
    manifest::{Content, Entry, Event, Handle, InputSession, Node, Slot, Tree},
};

fn read(bytes: &[u8]) -> Result<(), DecodeError> {
    Checkpoint::decode(bytes, &Expect::default()).map(drop)
}

#[test]
fn what_ends_too_early_is_refused_wherever_it_ends() {
    let mut random = Random(11);
    for bytes in [random.checkpoint().encode(), plain(&random.checkpoint().encode()).unwrap()] {
        for end in 0..bytes.len() {
            assert!(read(&bytes[..end]).is_err(), "{end} of {} bytes", bytes.len());
        }
    }
    for bytes in [random.tree().encode(), plain(&random.tree().encode()).unwrap()] {
        for end in 0..bytes.len() {
            assert!(Tree::decode(&bytes[..end]).is_err(), "{end} of {} bytes", bytes.len());
        }
    }
}

#[test]
fn what_goes_on_too_long_is_refused() {
    let bytes = Random(12).checkpoint().encode();
    for mut bytes in [plain(&bytes).unwrap(), bytes] {
        bytes.push(0);
        assert!(read(&bytes).is_err());
    }
}

proptest! {
    #[test]
    fn whatever_is_changed_nothing_inconsistent_is_read(
        seed: u64, packed: bool, changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)
    ) {
        let mut random = Random(seed);
        for bytes in [random.checkpoint().encode(), random.tree().encode()] {
            let mut bytes = if packed { bytes } else { plain(&bytes).unwrap() };
            for (at, to) in &changes {
                let at = at.index(bytes.len());
                bytes[at] = *to;
            }
            fuzz(&bytes);
        }
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        fuzz(&bytes);
        for magic in [&b"OCCHKPT\n\x01\0"[..], b"OCFTREE\n\x01\0", b"OCPACK1\n\0\0\0\0\0\0\0\0"] {
            fuzz(&[magic, &bytes].concat());
        }
    }
}

#[test]
fn other_formats_are_told_apart() {
    let bytes = Random(13).checkpoint().encode();
    assert_eq!(read(b"not a checkpoint at all"), Err(DecodeError::Magic));
    assert_eq!(read(b""), Err(DecodeError::Truncated));
    assert_eq!(read(&Random(13).tree().encode()), Err(DecodeError::Magic));
    let mut newer = bytes;
    newer[8..10].copy_from_slice(&2_u16.to_le_bytes());
    assert_eq!(read(&newer), Err(DecodeError::Version { found: 2 }));
}

/// A manifest or tree whose body is this, packed.
fn forged(magic: &[u8; 8], body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_le_bytes();
    [&magic[..], &[1, 0, 1], &length, &zstd::bulk::compress(body, 1).unwrap()].concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value > 0x7f {
        bytes.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    bytes.push(value.to_le_bytes()[0]);
    bytes
}

#[test]
fn a_small_file_does_not_become_a_large_list() {
    // Entries of three bytes, which take a hundred each when they are read.
    let count: u64 = 20_000_000;
    let mut body = [&[0, 0, 0][..], &varint(count)].concat();
    body.resize(body.len() + usize::try_from(count).unwrap() * 3, 0);
    let bytes = forged(b"OCFTREE\n", &body);
    assert!(bytes.len() < 100_000);
    assert_eq!(Tree::decode(&bytes), Err(DecodeError::TooLarge { what: "a list" }));

    // One file of nothing but holes.
    let holes: u64 = 60_000_000;
    let mut body = [&[0, 0, 0, 1, 1, b'a', 0, 0][..], &varint(holes << 16), &varint(holes)].concat();
    body.resize(body.len() + usize::try_from(holes).unwrap(), 0);
    assert_eq!(Tree::decode(&forged(b"OCFTREE\n", &body)), Err(DecodeError::TooLarge { what: "a list" }));

    // A count that no bytes follow.
    let body = [&[0, 0, 0][..], &varint(900_000)].concat();
    assert_eq!(Tree::decode(&forged(b"OCFTREE\n", &body)), Err(DecodeError::Truncated));
}

#[test]
fn a_small_file_does_not_become_a_large_body() {
    let mut bytes = forged(b"OCCHKPT\n", &vec![0; MAX_MANIFEST_BODY_BYTES + 1]);
    assert_eq!(read(&bytes), Err(DecodeError::TooLarge { what: "the body" }));
    // It says less than it unpacks to.
    bytes[11..15].copy_from_slice(&100_u32.to_le_bytes());
    assert_eq!(read(&bytes), Err(DecodeError::Inconsistent { what: "the body" }));
    // It says more.
    let mut bytes = forged(b"OCCHKPT\n", &[0; 100]);
    bytes[11..15].copy_from_slice(&u32::try_from(MAX_MANIFEST_BODY_BYTES).unwrap().to_le_bytes());
    assert_eq!(read(&bytes), Err(DecodeError::Inconsistent { what: "the body" }));
}

/// What `change` makes of a good checkpoint is refused, when it is written and when it is read.
#[track_caller]
fn refused(change: impl FnOnce(&mut Checkpoint)) {
    let mut random = Random(21);
    let mut checkpoint = random.checkpoint();
    let rich = |checkpoint: &Checkpoint| {
        let guest = checkpoint.guest.as_ref();
        let pages = guest.is_some_and(|guest| guest.memories.iter().any(|memory| memory.pages.len() > 2));
        pages && checkpoint.terminal.tail.segments.len() > 1 && checkpoint.tree.is_some()
    };
    while !rich(&checkpoint) {
        checkpoint = random.checkpoint();
    }
    assert_eq!(checkpoint.check(), Ok(()));
    change(&mut checkpoint);
    assert!(checkpoint.try_encode().is_err());
    assert!(read(&checkpoint.encode()).is_err());
}

#[test]
fn what_contradicts_itself_is_refused() {
    let guest = |checkpoint: &mut Checkpoint| checkpoint.guest.take().unwrap();
    let memory = |change: fn(&mut Vec<(u32, crate::ChunkRef)>)| {
        move |checkpoint: &mut Checkpoint| {
            let memories = &mut checkpoint.guest.as_mut().unwrap().memories;
            change(&mut memories.iter_mut().find(|memory| memory.pages.len() > 2).unwrap().pages);
        }
    };
    refused(memory(|pages| pages.swap(0, 1)));
    refused(memory(|pages| pages[0].1.length = 1));
    refused(memory(|pages| pages[1].0 = pages[0].0));
    refused(memory(|pages| pages.last_mut().unwrap().0 = u32::MAX));
    refused(memory(|pages| pages[0].1.offset = u64::MAX));
    let handles = |handles: Vec<(u32, Handle)>| {
        move |checkpoint: &mut Checkpoint| {
            let handles = handles.into_iter().map(|(index, handle)| Slot { index, handle });
            let guest = crate::manifest::Guest { handles: handles.collect(), ..guest(checkpoint) };
            checkpoint.guest = Some(guest);
        }
    };
    refused(handles(vec![(2, Handle::Stdin), (1, Handle::Stdout)]));
    refused(handles(vec![(0, Handle::Stdin)]));
    refused(handles(vec![(u32::try_from(MAX_HANDLES).unwrap() + 1, Handle::Stdin)]));
    refused(handles(vec![(1, Handle::File { file: 99, flags: 0 })]));
    refused(handles(vec![(1, Handle::Pollable { of: 1 })]));
    refused(handles(vec![(1, Handle::Directory("../up".to_owned()))]));
    refused(|checkpoint| checkpoint.terminal.head += 1);
    refused(|checkpoint| checkpoint.terminal.screen_at = checkpoint.terminal.head + 1);
    refused(|checkpoint| checkpoint.terminal.cols = 0);
    refused(|checkpoint| checkpoint.terminal.tail.segments[0].length += 1);
    refused(|checkpoint| checkpoint.terminal.tail.from = u64::MAX);
    refused(|checkpoint| checkpoint.journal.tail.rest = vec![0; 1 << 20].into());
    refused(|checkpoint| checkpoint.terminal.screen = vec![0; 9 << 20].into());
    refused(|checkpoint| checkpoint.tree.as_mut().unwrap().length = u32::MAX);
    refused(|checkpoint| {
        checkpoint.mailbox = vec![Event::Completed {
            op: checkpoint.operations.last + 1,
            outcome: crate::manifest::Outcome::Slept,
        }];
    });
    let session =
        |name: usize| InputSession { name: name.to_string(), received: 0, applied: 0, used_at_ms: 0 };
    refused(|checkpoint| checkpoint.inputs.sessions = (0..=MAX_SESSIONS).map(session).collect());
    refused(|checkpoint| checkpoint.inputs.sessions = vec![session(1), session(1)]);
    refused(|checkpoint| checkpoint.inputs.evicted = vec![String::new(); 257]);
}

#[test]
fn a_tree_that_leads_elsewhere_is_refused() {
    let tree = |entries: &[(&str, Node<crate::ChunkRef>)]| {
        let entry = |(path, node): &(&str, Node<_>)| Entry {
            path: (*path).to_owned(),
            modified_ns: 0,
            node: node.clone(),
        };
        Tree { entries: entries.iter().map(entry).collect() }
    };
    let file = Node::File(Content::default());
    let good = tree(&[("a", Node::Directory), ("a-b", file.clone()), ("a/b", file.clone())]);
    assert_eq!(Tree::decode(&good.encode()), Ok(good));
    let long = "x".repeat(5000);
    for path in ["", "/", "/etc", "..", "../up", "a/../b", "a//b", "a/", ".", "./a", "a\0b", long.as_str()] {
        for node in [Node::Directory, file.clone(), Node::Link("a".to_owned())] {
            let bad = tree(&[("a", Node::Directory), (path, node)]);
            assert!(bad.try_encode().is_err(), "{path:?}");
            assert!(Tree::decode(&bad.encode()).is_err(), "{path:?}");
        }
    }
    let link = |target: &str| Node::Link(target.to_owned());
    for bad in [
        tree(&[("b", file.clone()), ("a", file.clone())]),
        tree(&[("a", file.clone()), ("a", file.clone())]),
        tree(&[("a", file.clone()), ("a/b", file.clone())]),
        tree(&[("a", link("b")), ("a/b", file.clone())]),
        tree(&[("a/b", file)]),
        tree(&[("a", link(""))]),
        tree(&[("a", link(&long))]),
        tree(&[("a", Node::File(Content { size: 1, pieces: Vec::new() }))]),
        tree(&[("a", Node::File(Content { size: u64::MAX, pieces: vec![None] }))]),
        tree(&[("a", Node::File(Content { size: 0, pieces: vec![None] }))]),
    ] {
        assert!(Tree::decode(&bad.encode()).is_err(), "{bad:?}");
    }
}
