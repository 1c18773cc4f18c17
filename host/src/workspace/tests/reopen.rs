//! Handles by name and back.

use std::sync::Arc;

use checkpoint::Piece;

use super::store::{Store, stored_content};
use super::*;
use crate::workspace::WorkspaceError;

#[test]
fn a_file_is_found_where_it_is_now() {
    let (_dir, workspace) = fresh(ROOMY);
    let mut guest = Guest::of(&workspace);
    guest.mkdir("d").unwrap();
    guest.put("d/f", b"x").unwrap();
    let file = workspace.open_file("d/f", true).unwrap();
    assert_eq!(file.path().as_deref(), Some("d/f"));
    guest.rename("d", "e").unwrap();
    assert_eq!(file.path().as_deref(), Some("e/f"));
    guest.rename("e/f", "g (deleted)").unwrap();
    assert_eq!(file.path().as_deref(), Some("g (deleted)"));
    file.write_all_at(1, b"y").unwrap();
    assert_eq!(guest.get("g (deleted)").unwrap(), b"xy");
    guest.unlink("g (deleted)").unwrap();
    assert_eq!(file.path(), None);
    // Somebody else has the name the kernel would give it.
    guest.put("g (deleted)", b"other").unwrap();
    assert_eq!(file.path(), None);
}

#[test]
fn a_directory_is_found_where_it_is_now() {
    let (_dir, workspace) = fresh(ROOMY);
    let mut guest = Guest::of(&workspace);
    guest.mkdir("a").unwrap();
    guest.mkdir("a/b").unwrap();
    let root = workspace.open_dir("").unwrap();
    assert_eq!(workspace.dir_path(&root).as_deref(), Some(""));
    let dir = workspace.open_dir("a/b").unwrap();
    guest.rename("a", "c").unwrap();
    assert_eq!(workspace.dir_path(&dir).as_deref(), Some("c/b"));
    guest.rmdir("c/b").unwrap();
    assert_eq!(workspace.dir_path(&dir), None);
}

#[test]
fn only_plain_names_open() {
    let (_dir, workspace) = fresh(ROOMY);
    let mut guest = Guest::of(&workspace);
    guest.mkdir("d").unwrap();
    guest.put("d/f", b"x").unwrap();
    guest.symlink("d", "l").unwrap();
    guest.symlink("d/f", "m").unwrap();
    for path in ["", "/d/f", "d/../d/f", "./d/f", "d//f", "l/f", "m", "d", "d/none", "d/f/x"] {
        assert!(workspace.open_file(path, false).is_err(), "{path:?}");
    }
    for path in ["/", "..", "d/..", "l", "d/f", "none"] {
        assert!(workspace.open_dir(path).is_err(), "{path:?}");
    }
}

#[test]
fn a_nameless_file_lives_until_it_is_closed() {
    let (dir, workspace) = fresh(ROOMY);
    let mut guest = Guest::of(&workspace);
    let fd = guest.create("f").unwrap();
    guest.set_size(&fd, 200_000).unwrap();
    guest.write(&fd, 100_000, b"hello").unwrap();
    let file = workspace.open_file("f", false).unwrap();
    guest.unlink("f").unwrap();
    let mut store = Store::default();
    let content = file.content(&mut |bytes| Ok(Piece::Stored(store.put(bytes)))).unwrap();
    let content = stored_content(content);
    guest.close(fd);
    drop(file);
    assert_eq!((workspace.usage(), store.puts), (Usage::default(), 1));

    let small = Workspace::open(&dir.path().join("other"), Quota { bytes: 10, files: 1 }).unwrap();
    let file = small.nameless(&content, &mut |chunks| store.get(chunks)).unwrap();
    assert_eq!(small.usage(), Usage { bytes: 200_000, files: 1 });
    assert_eq!(file.path(), None);
    assert_eq!(file.read_at(100_000, 5).unwrap(), b"hello");
    let full = file.write_all_at(200_000, b"x");
    assert!(matches!(full, Err(WorkspaceError::NoSpace { .. })));
    assert_eq!(std::fs::read_dir(dir.path().join("other/incoming")).unwrap().count(), 0);
    let again = Arc::clone(&file);
    drop(file);
    assert_eq!(small.usage().files, 1);
    drop(again);
    assert_eq!(small.usage(), Usage::default());
    store.fails_after = Some(0);
    assert!(small.nameless(&content, &mut |chunks| store.get(chunks)).is_err());
    assert_eq!(small.usage(), Usage::default());
}
