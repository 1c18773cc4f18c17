//! What a capture reads, and what it need not.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use checkpoint::Piece;
use checkpoint::manifest::{FILE_PIECE_BYTES, Node};

use super::store::{Store, file, settle};
use super::*;

const PIECE: u64 = FILE_PIECE_BYTES as u64;

#[test]
fn a_tree_is_what_the_guest_made() {
    let (_dir, workspace) = fresh(ROOMY);
    let mut guest = Guest::of(&workspace);
    guest.mkdir("a").unwrap();
    guest.put("a/f", b"hello").unwrap();
    guest.put("a-b", b"").unwrap();
    guest.symlink("../x", "a/l").unwrap();
    let tree = Store::default().capture(&workspace);
    let paths: Vec<_> = tree.entries.iter().map(|entry| entry.path.as_str()).collect();
    assert_eq!(paths, ["a", "a-b", "a/f", "a/l"]);
    assert_eq!(tree.entries[0].node, Node::Directory);
    assert_eq!(tree.entries[3].node, Node::Link("../x".to_owned()));
    assert_eq!((file(&tree, "a-b").size, file(&tree, "a-b").pieces.len()), (0, 0));
    assert_eq!(file(&tree, "a/f").pieces[0].unwrap().hash, checkpoint::hash(b"hello"));
}

#[test]
fn holes_and_zeros_are_not_stored() {
    let (_dir, workspace) = fresh(ROOMY);
    let mut guest = Guest::of(&workspace);
    let fd = guest.create("f").unwrap();
    guest.set_size(&fd, 4 * PIECE + 3).unwrap();
    guest.write(&fd, PIECE + 7, b"x").unwrap();
    guest.write(&fd, 2 * PIECE, &[0; 100]).unwrap();
    let mut store = Store::default();
    let tree = store.capture(&workspace);
    let content = file(&tree, "f");
    assert_eq!(content.size, 4 * PIECE + 3);
    let stored: Vec<_> = content.pieces.iter().map(Option::is_some).collect();
    assert_eq!((stored.as_slice(), store.puts), ([false, true, false, false, false].as_slice(), 1));
}

#[test]
fn what_did_not_change_is_not_read() {
    let (dir, workspace) = fresh(ROOMY);
    let mut guest = Guest::of(&workspace);
    guest.put("a", b"first").unwrap();
    guest.put("b", b"second").unwrap();
    let mut store = Store::default();
    let tree = store.capture(&workspace);
    assert_eq!(store.puts, 2);
    // Nothing changed: nothing is looked at, however young the files are.
    let changes = workspace.changes();
    assert_eq!((store.capture(&workspace), store.puts), (tree, 2));
    assert_eq!(guest.get("a").unwrap(), b"first");
    assert_eq!(workspace.changes(), changes, "reading changes nothing");
    settle(dir.path());
    let tree = store.capture(&workspace);
    // One changed: the other is known by how it looks, wherever it is.
    guest.put("b", b"third").unwrap();
    let after = store.capture(&workspace);
    assert_eq!(store.puts, 3);
    assert_eq!(file(&tree, "a"), file(&after, "a"));
    assert_eq!(file(&after, "b").pieces[0].unwrap().hash, checkpoint::hash(b"third"));
    workspace.forget();
    assert_eq!(store.capture(&workspace).entries.len(), 2);
    assert_eq!(store.puts, 5);
}

#[test]
fn a_change_of_the_same_size_is_seen_at_once() {
    let (_dir, workspace) = fresh(ROOMY);
    let mut guest = Guest::of(&workspace);
    let fd = guest.create("f").unwrap();
    let mut store = Store::default();
    for round in 0..200_u8 {
        guest.write(&fd, 0, &[round, 1, 2]).unwrap();
        // The time of modification is the guest's to set, so it says nothing.
        guest.set_modified("f", 1_000).unwrap();
        let tree = store.capture(&workspace);
        assert_eq!(file(&tree, "f").pieces[0].unwrap().hash, checkpoint::hash(&[round, 1, 2]));
    }
}

#[test]
fn a_change_before_the_capture_was_stored_is_not_lost() {
    let (dir, workspace) = fresh(ROOMY);
    let mut guest = Guest::of(&workspace);
    guest.put("f", b"old").unwrap();
    let mut store = Store::default();
    let tree = store.capture(&workspace);
    settle(dir.path());
    guest.put("g", b"x").unwrap();
    let captured = workspace.capture(&mut |_| Ok(Piece::new(b"x".as_slice().into()))).unwrap();
    guest.put("f", b"new").unwrap();
    // The store lost it: the stamps never come.
    drop(captured);
    assert_eq!(file(&store.capture(&workspace), "f").pieces[0].unwrap().hash, checkpoint::hash(b"new"));
    store.rollback(&workspace, &tree).unwrap();
    assert_eq!(guest.get("f").unwrap(), b"old");
}

#[test]
fn a_failing_sink_fails_the_capture() {
    let (_dir, workspace) = fresh(ROOMY);
    let mut guest = Guest::of(&workspace);
    guest.put("f", b"x").unwrap();
    let failed = workspace.capture(&mut |_| Err(std::io::ErrorKind::StorageFull.into()));
    assert!(matches!(failed, Err(crate::workspace::WorkspaceError::Disk(_))));
    guest.put("g", b"the workspace goes on").unwrap();
}

#[test]
fn closing_and_reading_do_not_wait_for_a_capture() {
    let (_dir, workspace) = fresh(ROOMY);
    let mut guest = Guest::of(&workspace);
    guest.put("f", b"x").unwrap();
    let captured = workspace.capture(&mut |bytes| {
        // Inside the capture: were it waiting, this would never end.
        assert_eq!(guest.get("f").unwrap(), b"x");
        Ok(Piece::new(bytes.to_vec().into()))
    });
    assert_eq!(captured.unwrap().tree.entries.len(), 1);
}

#[test]
fn a_capture_is_one_instant() {
    let (_dir, workspace) = fresh(ROOMY);
    let mut guest = Guest::of(&workspace);
    guest.mkdir("a").unwrap();
    guest.mkdir("b").unwrap();
    guest.put("a/f", b"x").unwrap();
    let over = AtomicBool::new(false);
    let mut captured = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut guest = Guest::of(&workspace);
            while !over.load(Relaxed) {
                guest.rename("a/f", "b/f").unwrap();
                guest.rename("b/f", "a/f").unwrap();
            }
        });
        for _ in 0..200 {
            let before = workspace.changes();
            while workspace.changes() == before {
                std::thread::yield_now();
            }
            captured.push(workspace.capture(&mut |bytes| Ok(Piece::new(bytes.to_vec().into()))));
        }
        over.store(true, Relaxed);
    });
    // Never in between, when it would be in both directories or in none.
    for captured in captured {
        assert_eq!(captured.unwrap().tree.entries.len(), 3);
    }
}
