//! Making a directory hold a tree, whatever it held.

use std::os::unix::fs::{MetadataExt as _, symlink};

use checkpoint::ChunkRef;
use checkpoint::manifest::{Content, Entry, FILE_PIECE_BYTES, Node, Tree};

use super::store::{Seen, Store, seen, settle};
use super::*;
use crate::workspace::{MAX_DEPTH, RestoreError};

const PIECE: u64 = FILE_PIECE_BYTES as u64;

/// A workspace with one of everything, and its tree.
fn sample(store: &mut Store) -> (TempDir, Workspace, Tree) {
    let (dir, workspace) = fresh(ROOMY);
    let mut guest = Guest::of(&workspace);
    guest.mkdir("d").unwrap();
    guest.mkdir("d/e").unwrap();
    guest.put("d/f", b"hello").unwrap();
    guest.symlink("f", "d/l").unwrap();
    let fd = guest.create("big").unwrap();
    guest.set_size(&fd, 5 * PIECE).unwrap();
    guest.write(&fd, PIECE, &[7; 3000]).unwrap();
    guest.write(&fd, 3 * PIECE, &[8; 3000]).unwrap();
    guest.close(fd);
    guest.set_modified("d/f", 12_345).unwrap();
    let tree = store.capture(&workspace);
    (dir, workspace, tree)
}

#[test]
fn an_empty_directory_becomes_the_tree() {
    let mut store = Store::default();
    let (dir, workspace, tree) = sample(&mut store);
    let other = tempfile::tempdir().unwrap();
    let restored = store.restore(other.path(), &tree).unwrap();
    assert_eq!(seen(other.path()), seen(dir.path()));
    assert_eq!(restored.usage(), workspace.usage());
    assert_eq!(restored.usage(), on_disk(other.path()));
    assert_eq!(store.gets, 3);
    let blocks = other.path().join("work/big").metadata().unwrap().blocks();
    assert!(blocks * 512 < 4 * PIECE, "holes stay holes");
    // What was restored is stored, and is not read again.
    let puts = store.puts;
    assert_eq!((store.capture(&restored), store.puts), (tree, puts));
}

#[test]
fn a_dirty_directory_becomes_the_tree() {
    let mut store = Store::default();
    let (dir, _workspace, tree) = sample(&mut store);
    let other = tempfile::tempdir().unwrap();
    let work = other.path().join("work");
    let outside = other.path().join("outside");
    std::fs::write(&outside, b"not yours").unwrap();
    // Directories where files must be and the other way round, links to elsewhere, hard links, other bytes.
    std::fs::create_dir_all(work.join("big/deep/er")).unwrap();
    std::fs::write(work.join("big/deep/er/f"), b"x").unwrap();
    symlink("..", work.join("d")).unwrap();
    symlink("/", work.join("etc")).unwrap();
    let restored = store.restore(other.path(), &tree).unwrap();
    assert_eq!(seen(other.path()), seen(dir.path()));
    drop(restored);
    std::fs::remove_file(work.join("d/f")).unwrap();
    std::fs::hard_link(&outside, work.join("d/f")).unwrap();
    std::fs::remove_file(work.join("d/l")).unwrap();
    std::fs::create_dir(work.join("d/l")).unwrap();
    std::fs::remove_dir(work.join("d/e")).unwrap();
    symlink("../../outside", work.join("d/e")).unwrap();
    std::fs::write(work.join("big"), vec![9; 6 * FILE_PIECE_BYTES]).unwrap();
    let restored = store.restore(other.path(), &tree).unwrap();
    assert_eq!(seen(other.path()), seen(dir.path()));
    assert_eq!(restored.usage(), on_disk(other.path()));
    assert_eq!(std::fs::read(&outside).unwrap(), b"not yours");
}

#[test]
fn pieces_that_are_there_are_not_fetched() {
    let mut store = Store::default();
    let (dir, workspace, tree) = sample(&mut store);
    let before = seen(dir.path());
    let mut guest = Guest::of(&workspace);
    let fd = guest.create("big").unwrap();
    guest.write(&fd, 0, b"in a hole").unwrap();
    guest.write(&fd, PIECE + 1, b"x").unwrap();
    guest.set_size(&fd, 9 * PIECE).unwrap();
    guest.close(fd);
    store.rollback(&workspace, &tree).unwrap();
    assert_eq!((seen(dir.path()), store.gets), (before, 1));
    assert_eq!(workspace.usage(), on_disk(dir.path()));
}

#[test]
fn what_was_kept_is_not_even_read() {
    let mut store = Store::default();
    let (dir, workspace, tree) = sample(&mut store);
    let before = seen(dir.path());
    settle(dir.path());
    workspace.keep().unwrap();
    drop(workspace);
    let accessed = |path: &str| {
        let meta = dir.path().join("work").join(path).metadata().unwrap();
        (meta.ino(), meta.ctime(), meta.ctime_nsec())
    };
    let untouched = accessed("d/f");
    // Behind everybody's back and at the same size, with the time put back: only the time of change tells.
    let big = dir.path().join("work/big");
    let modified = big.metadata().unwrap().modified().unwrap();
    let file = std::fs::File::options().write(true).open(&big).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"y", PIECE).unwrap();
    file.set_modified(modified).unwrap();
    drop(file);
    let restored = store.restore(dir.path(), &tree).unwrap();
    assert_eq!((seen(dir.path()), store.gets), (before, 1));
    assert_eq!(accessed("d/f"), untouched);
    assert!(!dir.path().join("index").exists(), "it is of one use");
    assert_eq!(restored.usage(), on_disk(dir.path()));
}

#[test]
fn a_forged_index_is_as_good_as_none() {
    let mut store = Store::default();
    let (dir, workspace, tree) = sample(&mut store);
    let before = seen(dir.path());
    settle(dir.path());
    workspace.keep().unwrap();
    let index = std::fs::read_to_string(dir.path().join("index")).unwrap();
    drop(workspace);
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let other_boot = index.replace(boot.trim(), "00000000-0000-0000-0000-000000000000");
    for forged in ["", "{", "[]", &index[..index.len() / 2], &other_boot] {
        std::fs::write(dir.path().join("index"), forged).unwrap();
        std::fs::write(dir.path().join("work/d/f"), b"HELLO").unwrap();
        store.restore(dir.path(), &tree).unwrap();
        assert_eq!(seen(dir.path()), before);
    }
}

#[test]
fn an_interrupted_restore_is_put_right() {
    let mut store = Store::default();
    let (dir, _workspace, tree) = sample(&mut store);
    // Some pieces for several batches.
    let (big_dir, big) = fresh(Quota { bytes: 100 << 20, files: 10 });
    let mut guest = Guest::of(&big);
    let fd = guest.create("big").unwrap();
    for piece in 0..150_u64 {
        guest.write(&fd, piece * PIECE, &vec![u8::try_from(piece + 1).unwrap(); FILE_PIECE_BYTES]).unwrap();
    }
    guest.close(fd);
    let big_tree = store.capture(&big);
    let other = tempfile::tempdir().unwrap();
    for after in [0, 1, 64, 128] {
        (store.gets, store.fails_after) = (0, Some(after));
        let failed = store.restore(other.path(), &big_tree);
        assert!(matches!(failed, Err(RestoreError::Chunks(_))), "{after}");
        (store.gets, store.fails_after) = (0, None);
        // Whatever is restored next.
        store.restore(other.path(), &tree).unwrap();
        assert_eq!(seen(other.path()), seen(dir.path()));
    }
    (store.gets, store.fails_after) = (0, Some(100));
    assert!(store.restore(other.path(), &big_tree).is_err());
    (store.gets, store.fails_after) = (0, None);
    let restored = store.restore(other.path(), &big_tree).unwrap();
    assert_eq!(seen(other.path()), seen(big_dir.path()));
    assert_eq!(store.gets, 150 - 64, "what the first try brought is there");
    assert!(store.most <= 4 << 20, "{} bytes at once", store.most);
    assert_eq!(restored.usage(), on_disk(other.path()));
}

#[test]
fn a_failed_rollback_forgets_what_it_knew() {
    let mut store = Store::default();
    let (dir, workspace, tree) = sample(&mut store);
    let before = seen(dir.path());
    let mut guest = Guest::of(&workspace);
    guest.put("d/f", b"other").unwrap();
    guest.unlink("big").unwrap();
    store.fails_after = Some(0);
    assert!(store.rollback(&workspace, &tree).is_err());
    store.fails_after = None;
    store.rollback(&workspace, &tree).unwrap();
    assert_eq!(seen(dir.path()), before);
    assert_eq!(workspace.usage(), on_disk(dir.path()));
}

#[test]
fn more_than_the_quota_is_restored_and_cannot_grow() {
    let mut store = Store::default();
    let (_dir, workspace, tree) = sample(&mut store);
    let other = tempfile::tempdir().unwrap();
    let quota = Quota { bytes: 100, files: 2 };
    let restored = Workspace::restore(other.path(), quota, &tree, &mut |chunks| store.get(chunks)).unwrap();
    assert_eq!(restored.usage(), workspace.usage());
    let mut guest = Guest::of(&restored);
    assert_eq!(guest.put("new", b"").err(), Some(ErrorCode::InsufficientSpace));
    guest.unlink("big").unwrap();
    assert_eq!(restored.usage(), on_disk(other.path()));
}

fn entry(path: &str, node: Node<ChunkRef>) -> Entry<ChunkRef> {
    Entry { path: path.to_owned(), modified_ns: 0, node }
}

#[test]
fn a_tree_that_is_none_changes_nothing() {
    let mut store = Store::default();
    let (dir, workspace, good) = sample(&mut store);
    let before = seen(dir.path());
    let chunk = store.put(b"evil");
    let of = |size, pieces| Node::File(Content { size, pieces });
    let evil = || of(4, vec![Some(chunk)]);
    let link = |target: &str| Node::Link(target.to_owned());
    let deep = |names: usize| (1..=names).map(|depth| entry(&vec!["d"; depth].join("/"), Node::Directory));
    let long = "n".repeat(256);
    let trees = [
        vec![entry("..", evil())],
        vec![entry("../evil", evil())],
        vec![entry("/etc/evil", evil())],
        vec![entry("", evil())],
        vec![entry(".", Node::Directory)],
        vec![entry("a/", Node::Directory)],
        vec![entry("a", Node::Directory), entry("a//b", evil())],
        vec![entry("a", Node::Directory), entry("a/./b", evil())],
        vec![entry("a", Node::Directory), entry("a/../../evil", evil())],
        vec![entry("a\0b", evil())],
        vec![entry(&long, evil())],
        vec![entry("a", link("..")), entry("a/evil", evil())],
        vec![entry("a", evil()), entry("a/b", evil())],
        vec![entry("a/b", evil())],
        vec![entry("a", evil()), entry("a", link("x"))],
        vec![entry("a", link("/etc"))],
        vec![entry("a", link(""))],
        vec![entry("a", link("x\0y"))],
        vec![entry("a", of(5, vec![Some(chunk)]))],
        vec![entry("a", of(3, vec![Some(chunk)]))],
        vec![entry("a", of(PIECE + 4, vec![Some(chunk), Some(chunk)]))],
        vec![entry("a", of(4, vec![]))],
        vec![entry("a", of(0, vec![None]))],
        vec![entry("a", of(u64::MAX, vec![None]))],
        deep(MAX_DEPTH + 1).collect(),
    ];
    for entries in trees {
        let tree = Tree { entries };
        let refused = store.rollback(&workspace, &tree);
        assert!(matches!(refused, Err(RestoreError::Invalid(_))), "{refused:?}: {tree:?}");
        let other = tempfile::tempdir().unwrap();
        assert!(matches!(store.restore(other.path(), &tree), Err(RestoreError::Invalid(_))));
        assert_eq!(std::fs::read_dir(other.path()).unwrap().count(), 0);
    }
    assert_eq!(seen(dir.path()), before);
    // In another order it is the same tree; and as deep as may be is fine.
    let other = tempfile::tempdir().unwrap();
    let backwards = Tree { entries: good.entries.iter().rev().cloned().collect() };
    store.restore(other.path(), &backwards).unwrap();
    assert_eq!(seen(other.path()), before);
    store.restore(other.path(), &Tree { entries: deep(MAX_DEPTH).collect() }).unwrap();
}

#[test]
fn links_lead_nobody_out() {
    let mut store = Store::default();
    let other = tempfile::tempdir().unwrap();
    let chunk = store.put(b"evil");
    let evil = Node::File(Content { size: 4, pieces: vec![Some(chunk)] });
    // The link that lies there leads out; the tree wants a directory of that name.
    std::fs::create_dir(other.path().join("work")).unwrap();
    symlink("..", other.path().join("work/a")).unwrap();
    symlink("../stolen", other.path().join("work/b")).unwrap();
    let tree =
        Tree { entries: vec![entry("a", Node::Directory), entry("a/x", evil.clone()), entry("b", evil)] };
    store.restore(other.path(), &tree).unwrap();
    assert!(!other.path().join("x").exists() && !other.path().join("stolen").exists());
    assert!(matches!(&seen(other.path())["b"], (Seen::File(bytes), 0, 0) if bytes == b"evil"));
}

#[test]
fn a_store_that_lies_about_lengths_is_found_out() {
    let mut store = Store::default();
    let (_dir, workspace, tree) = sample(&mut store);
    Guest::of(&workspace).unlink("d/f").unwrap();
    for wrong in [vec![], vec![b"hell".as_slice().into()], vec![b"hello".as_slice().into(); 2]] {
        let failed = workspace.rollback(&tree, &mut |_| Ok(wrong.clone()));
        assert!(matches!(failed, Err(RestoreError::Chunks(_))));
    }
}

#[test]
fn names_as_long_and_deep_as_may_be() {
    let (dir, workspace) = fresh(ROOMY);
    let name = "n".repeat(255);
    let mut guest = Guest::of(&workspace);
    let mut at = guest.work();
    for _ in 0..MAX_DEPTH {
        let below = coded(run(guest.view().create_directory_at(borrow(&at), name.clone())));
        below.unwrap();
        at = guest.open_from(at, &name, OpenFlags::DIRECTORY, READ).unwrap();
    }
    let fd = guest.open_from(at, "f", OpenFlags::CREATE, READ | WRITE).unwrap();
    guest.write(&fd, 0, b"deep").unwrap();
    let mut store = Store::default();
    let tree = store.capture(&workspace);
    assert!(tree.entries.last().unwrap().path.len() > 4096);
    drop(guest);
    let other = tempfile::tempdir().unwrap();
    let restored = store.restore(other.path(), &tree).unwrap();
    assert_eq!(restored.usage(), workspace.usage());
    assert_eq!(store.capture(&restored), tree);
    drop(dir);
}
