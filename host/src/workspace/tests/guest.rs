//! The rest of what a guest may expect of its files.

use super::*;
use crate::bindings::filesystem::wasi::filesystem::types::{Advice, DescriptorType};
use crate::workspace::{MAX_DEPTH, MAX_DESCRIPTORS};
use wasmtime_wasi_io::streams::DynInputStream;

#[test]
fn the_top_holds_the_workspace_alone() {
    let (_dir, workspace) = fresh(ROOMY);
    let mut guest = Guest::of(&workspace);
    guest.put("f", b"x").unwrap();
    let top = guest.top();
    assert_eq!(guest.names(top).unwrap(), ["work"]);
    for path in [".", "..", "./..", "work/.."] {
        let top = guest.top();
        let opened = guest.open_from(top, path, OpenFlags::DIRECTORY, READ);
        assert_eq!(opened.is_ok(), path != "work/..", "{path}");
    }
    for path in ["work/f", "./work/./f", "../work/f"] {
        let top = guest.top();
        let fd = guest.open_from(top, path, OpenFlags::empty(), READ).unwrap();
        assert_eq!(coded(run(guest.view().read(fd, 10, 0))).unwrap().0, b"x", "{path}");
    }
    let top = guest.top();
    let stat = coded(run(guest.view().stat_at(top, PathFlags::empty(), "work".to_owned()))).unwrap();
    assert_eq!(stat.type_, DescriptorType::Directory);
    let (top, other) = (guest.top(), guest.top());
    assert_eq!(guest.open_from(top, "x", OpenFlags::CREATE, WRITE).err(), Some(ErrorCode::ReadOnly));
    assert_eq!(coded(run(guest.view().create_directory_at(other, "x".to_owned()))), Err(ErrorCode::ReadOnly));
    let top = guest.top();
    assert_eq!(guest.open_from(top, "etc/passwd", OpenFlags::empty(), READ).err(), Some(ErrorCode::NoEntry));
    let top = guest.top();
    assert_eq!(coded(run(guest.view().create_directory_at(top, "work".to_owned()))), Err(ErrorCode::Exist));
    // The workspace itself can be neither removed nor moved.
    let top = guest.top();
    assert!(coded(run(guest.view().remove_directory_at(top, "work".to_owned()))).is_err());
    let (top, work) = (guest.top(), guest.work());
    assert!(coded(run(guest.view().rename_at(top, "work".to_owned(), work, "sub".to_owned()))).is_err());
    assert_eq!(guest.get("f").unwrap(), b"x");
}

#[test]
fn descriptors_do_what_they_were_opened_for() {
    let (_dir, workspace) = fresh(ROOMY);
    let mut guest = Guest::of(&workspace);
    guest.put("f", b"abc").unwrap();
    let reader = guest.open("f", OpenFlags::empty(), READ).unwrap();
    assert_eq!(guest.write(&reader, 0, b"x"), Err(ErrorCode::BadDescriptor));
    assert_eq!(guest.set_size(&reader, 0), Err(ErrorCode::BadDescriptor));
    assert_eq!(
        coded(guest.view().write_via_stream(borrow(&reader), 0)).err(),
        Some(ErrorCode::BadDescriptor)
    );
    assert_eq!(coded(guest.view().get_flags(borrow(&reader))), Ok(READ));
    let writer = guest.open("f", OpenFlags::empty(), WRITE).unwrap();
    assert_eq!(coded(run(guest.view().read(borrow(&writer), 1, 0))), Err(ErrorCode::BadDescriptor));
    assert_eq!(coded(guest.view().read_via_stream(borrow(&writer), 0)).err(), Some(ErrorCode::BadDescriptor));
    guest.mkdir("d").unwrap();
    let dir = guest.open("d", OpenFlags::empty(), READ).unwrap();
    assert_eq!(coded(run(guest.view().read(borrow(&dir), 1, 0))), Err(ErrorCode::IsDirectory));
    assert_eq!(guest.open("d", OpenFlags::empty(), WRITE).err(), Some(ErrorCode::IsDirectory));
    assert_eq!(guest.open("f", OpenFlags::DIRECTORY, READ).err(), Some(ErrorCode::NotDirectory));
    assert_eq!(guest.open("f/x", OpenFlags::empty(), READ).err(), Some(ErrorCode::NotDirectory));
    assert_eq!(
        guest.open_from(borrow(&reader), "x", OpenFlags::empty(), READ).err(),
        Some(ErrorCode::NotDirectory)
    );
    assert_eq!(
        guest.open("d", OpenFlags::DIRECTORY | OpenFlags::CREATE, READ).err(),
        Some(ErrorCode::Invalid)
    );
    assert_eq!(guest.rmdir("f"), Err(ErrorCode::NotDirectory));
    assert_eq!(guest.unlink("d"), Err(ErrorCode::IsDirectory));
    guest.put("d/f", b"").unwrap();
    assert_eq!(guest.rmdir("d"), Err(ErrorCode::NotEmpty));
    let (work, also) = (guest.work(), guest.work());
    let linked = guest.view().link_at(work, PathFlags::empty(), "f".to_owned(), also, "g".to_owned());
    assert_eq!(coded(linked), Err(ErrorCode::Unsupported));
}

#[test]
fn reads_come_in_pieces_and_end() {
    let (_dir, workspace) = fresh(ROOMY);
    let mut guest = Guest::of(&workspace);
    let content: Vec<u8> = (0..200_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    guest.put("f", &content).unwrap();
    assert_eq!(guest.get("f").unwrap(), content);
    let fd = guest.open("f", OpenFlags::empty(), READ).unwrap();
    let (piece, end) = coded(run(guest.view().read(borrow(&fd), u64::MAX, 0))).unwrap();
    assert_eq!((piece.len(), end), (64 * 1024, false));
    assert_eq!(coded(run(guest.view().read(borrow(&fd), 1, u64::MAX))), Ok((Vec::new(), true)));
    assert_eq!(coded(run(guest.view().read(borrow(&fd), 0, 0))), Ok((Vec::new(), false)));
    let stream = coded(guest.view().read_via_stream(borrow(&fd), 150_000)).unwrap();
    // The stream holds the file: closing its descriptor and deleting its name do not matter.
    guest.close(fd);
    guest.unlink("f").unwrap();
    assert_eq!(workspace.usage().bytes, 200_000);
    let mut read = Vec::new();
    let end = loop {
        let input: &mut DynInputStream = guest.table.get_mut(&stream).unwrap();
        run(input.ready());
        match input.read(usize::MAX) {
            Ok(piece) => read.extend(piece),
            Err(error) => break error,
        }
    };
    assert!(matches!(end, StreamError::Closed));
    assert_eq!(read, content[150_000..]);
    guest.table.delete(stream).unwrap();
    assert_eq!(workspace.usage(), Usage::default());
}

#[test]
fn a_stream_that_ignores_its_permit_traps() {
    let (_dir, workspace) = fresh(ROOMY);
    let mut guest = Guest::of(&workspace);
    let fd = guest.create("f").unwrap();
    let stream = coded(guest.view().append_via_stream(fd)).unwrap();
    let out = guest.table.get_mut(&stream).unwrap();
    assert_eq!(out.check_write().unwrap(), 64 * 1024);
    out.write(b"x".as_slice().into()).unwrap();
    // One permit, one write.
    assert!(matches!(out.write(b"y".as_slice().into()), Err(StreamError::Trap(_))));
    out.check_write().unwrap();
    assert!(matches!(out.write(vec![0; 64 * 1024 + 1].into()), Err(StreamError::Trap(_))));
}

#[test]
fn calls_take_turns() {
    let (_dir, workspace) = fresh(ROOMY);
    let mut guest = Guest::of(&workspace);
    let fd = guest.create("f").unwrap();
    let writer = coded(guest.view().append_via_stream(borrow(&fd))).unwrap();
    let _ = workspace.take_time();
    // More than any number of others' slices.
    workspace.pace.time(|| {
        let begun = std::time::Instant::now();
        while begun.elapsed().as_micros() < 300 {}
    });
    let taken = workspace.take_time();
    assert!(taken.as_micros() >= 300, "{taken:?}");
    assert!(workspace.take_time().is_zero(), "told once");
    let out = guest.table.get_mut(&writer).unwrap();
    // The turn is over: no more until the guest has waited, which lets others go first.
    assert_eq!(out.check_write().unwrap(), 0);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    {
        let mut waiting = std::pin::pin!(out.ready());
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        assert!(waiting.as_mut().poll(&mut context).is_ready());
    }
    let out = guest.table.get_mut(&writer).unwrap();
    assert_eq!(out.check_write().unwrap(), 64 * 1024);
    out.write(b"x".as_slice().into()).unwrap();
    assert!(!workspace.take_time().is_zero());
}

#[test]
fn names_are_bounded() {
    let (_dir, workspace) = fresh(ROOMY);
    let mut guest = Guest::of(&workspace);
    let longest = "n".repeat(255);
    guest.put(&longest, b"x").unwrap();
    assert_eq!(guest.get(&longest).unwrap(), b"x");
    assert_eq!(guest.put(&"n".repeat(256), b"x"), Err(ErrorCode::NameTooLong));
    assert_eq!(guest.get(&"a/".repeat(3000)), Err(ErrorCode::NameTooLong));
    assert_eq!(guest.get(""), Err(ErrorCode::NoEntry));
    assert_eq!(guest.put("a\0b", b""), Err(ErrorCode::Invalid));
    assert_eq!(guest.mkdir("."), Err(ErrorCode::Exist));
    assert_eq!(guest.rmdir("."), Err(ErrorCode::Invalid));
    guest.put("ünïcode 文", b"x").unwrap();
    let work = guest.work();
    assert_eq!(guest.names(work).unwrap(), [longest.as_str(), "ünïcode 文"]);
}

#[test]
fn descriptors_are_bounded_and_given_back() {
    let (_dir, workspace) = fresh(ROOMY);
    let mut guest = Guest::of(&workspace);
    guest.put("f", b"").unwrap();
    let mut held = Vec::new();
    let refused = loop {
        match guest.open("f", OpenFlags::empty(), READ) {
            Ok(fd) => held.push(fd),
            Err(code) => break code,
        }
    };
    assert_eq!(refused, ErrorCode::InsufficientMemory);
    assert_eq!(held.len(), MAX_DESCRIPTORS - 2, "`/work` and `/` are the others");
    let work = guest.work();
    assert_eq!(guest.names(work), Err(ErrorCode::InsufficientMemory));
    // A refused open gives back its place too.
    guest.close(held.pop().unwrap());
    assert_eq!(guest.open("missing", OpenFlags::empty(), READ).err(), Some(ErrorCode::NoEntry));
    held.push(guest.open("f", OpenFlags::empty(), READ).unwrap());
    drop(guest);
    // The store is gone, and everything in it.
    assert!(workspace.slot().is_ok());
    assert_eq!(std::sync::Arc::strong_count(&workspace.descriptors), 1);
}

#[test]
fn a_full_table_is_a_refusal() {
    let (_dir, workspace) = fresh(ROOMY);
    let mut guest = Guest::of(&workspace);
    guest.put("f", b"").unwrap();
    guest.table.set_max_capacity(3);
    let held = guest.open("f", OpenFlags::empty(), READ).unwrap();
    assert_eq!(guest.open("f", OpenFlags::empty(), READ).err(), Some(ErrorCode::InsufficientMemory));
    guest.close(held);
    assert!(guest.open("f", OpenFlags::empty(), READ).is_ok());
}

#[test]
fn directories_are_nested_so_deep() {
    let (dir, workspace) = fresh(ROOMY);
    let mut guest = Guest::of(&workspace);
    let mut path = "d".to_owned();
    for _ in 1..MAX_DEPTH {
        guest.mkdir(&path).unwrap();
        path.push_str("/d");
    }
    guest.mkdir(&path).unwrap();
    assert_eq!(guest.mkdir(&format!("{path}/d")), Err(ErrorCode::NameTooLong));
    guest.put(&format!("{path}/f"), b"x").unwrap();
    // Nor by moving: the tree that moves has directories of its own.
    guest.mkdir("t").unwrap();
    guest.mkdir("t/u").unwrap();
    assert_eq!(guest.rename("t", &format!("{path}/t")), Err(ErrorCode::NameTooLong));
    let parent = path.strip_suffix("/d").unwrap();
    assert_eq!(guest.rename("t", &format!("{parent}/t")), Err(ErrorCode::NameTooLong));
    guest.rename("t/u", &format!("{parent}/u")).unwrap();
    // Nor from a descriptor whose directory went deeper since.
    let t = guest.open("t", OpenFlags::DIRECTORY, READ).unwrap();
    guest.rename("t", &format!("{parent}/t")).unwrap();
    assert_eq!(coded(run(guest.view().create_directory_at(t, "v".to_owned()))), Err(ErrorCode::NameTooLong));
    drop(guest);
    let again = Workspace::open(dir.path(), ROOMY).unwrap();
    assert_eq!(again.usage(), workspace.usage());
}

#[test]
fn a_large_tree_is_not_moved_deeper_at_once() {
    let (_dir, workspace) = fresh(Quota { bytes: 0, files: 6000 });
    let mut guest = Guest::of(&workspace);
    guest.mkdir("big").unwrap();
    guest.mkdir("to").unwrap();
    for n in 0..4097 {
        guest.put(&format!("big/{n}"), b"").unwrap();
    }
    assert_eq!(guest.rename("big", "to/big"), Err(ErrorCode::CrossDevice));
    guest.rename("big", "moved").unwrap();
    guest.unlink("moved/0").unwrap();
    guest.rename("moved", "to/big").unwrap();
}

#[test]
fn times_are_set_and_bounded() {
    let (_dir, workspace) = fresh(ROOMY);
    let mut guest = Guest::of(&workspace);
    guest.put("f", b"x").unwrap();
    guest.mkdir("d").unwrap();
    guest.symlink("f", "l").unwrap();
    let at = |seconds| NewTimestamp::Timestamp(Datetime { seconds, nanoseconds: 5 });
    let modified = |guest: &mut Guest, path: &str| {
        let stat = guest.stat(path, PathFlags::empty()).unwrap();
        stat.data_modification_timestamp.map(|time| (time.seconds, time.nanoseconds))
    };
    let fd = guest.open("f", OpenFlags::empty(), READ).unwrap();
    coded(run(guest.view().set_times(borrow(&fd), NewTimestamp::NoChange, at(1_000)))).unwrap();
    assert_eq!(modified(&mut guest, "f"), Some((1_000, 5)));
    for path in ["f", "d", "l"] {
        let work = guest.work();
        let set = run(guest.view().set_times_at(work, PathFlags::empty(), path.to_owned(), at(7), at(2_000)));
        coded(set).unwrap();
        assert_eq!(modified(&mut guest, path), Some((2_000, 5)), "{path}");
    }
    // Through the link.
    let work = guest.work();
    let follow = PathFlags::SYMLINK_FOLLOW;
    coded(run(guest.view().set_times_at(work, follow, "l".to_owned(), NewTimestamp::NoChange, at(3_000))))
        .unwrap();
    assert_eq!((modified(&mut guest, "f"), modified(&mut guest, "l")), (Some((3_000, 5)), Some((2_000, 5))));
    coded(run(guest.view().set_times(borrow(&fd), NewTimestamp::NoChange, NewTimestamp::Now))).unwrap();
    assert!(modified(&mut guest, "f").unwrap().0 > 1_000_000);
    let never = NewTimestamp::Timestamp(Datetime { seconds: u64::MAX, nanoseconds: 0 });
    assert_eq!(coded(run(guest.view().set_times(borrow(&fd), never, never))), Err(ErrorCode::Invalid));
    let none = NewTimestamp::Timestamp(Datetime { seconds: 0, nanoseconds: 1_000_000_000 });
    assert_eq!(coded(run(guest.view().set_times(borrow(&fd), none, none))), Err(ErrorCode::Invalid));
    // The latest the disk may be asked for: it answers, whatever it makes of it.
    let latest = NewTimestamp::Timestamp(Datetime { seconds: i64::MAX as u64, nanoseconds: 999_999_999 });
    let _ = coded(run(guest.view().set_times(borrow(&fd), latest, latest)));
    let work = guest.work();
    let _ = coded(run(guest.view().set_times_at(work, PathFlags::empty(), "f".to_owned(), latest, latest)));
    guest.stat("f", PathFlags::empty()).unwrap();
}

#[test]
fn identity_follows_the_file() {
    let (_dir, workspace) = fresh(ROOMY);
    let mut guest = Guest::of(&workspace);
    guest.put("f", b"x").unwrap();
    guest.put("g", b"x").unwrap();
    let hash = |guest: &mut Guest, path: &str| {
        let work = guest.work();
        let hash =
            coded(run(guest.view().metadata_hash_at(work, PathFlags::empty(), path.to_owned()))).unwrap();
        (hash.lower, hash.upper)
    };
    let before = hash(&mut guest, "f");
    assert_ne!(before, hash(&mut guest, "g"));
    guest.put("f", b"other").unwrap();
    guest.rename("f", "h").unwrap();
    assert_eq!(before, hash(&mut guest, "h"));
    let fd = guest.open("h", OpenFlags::empty(), READ).unwrap();
    let of_fd = coded(guest.view().metadata_hash(borrow(&fd))).unwrap();
    assert_eq!(before, (of_fd.lower, of_fd.upper));
    let again = guest.open("h", OpenFlags::empty(), READ).unwrap();
    let other = guest.open("g", OpenFlags::empty(), READ).unwrap();
    assert!(guest.view().is_same_object(borrow(&fd), borrow(&again)).unwrap());
    assert!(!guest.view().is_same_object(borrow(&fd), borrow(&other)).unwrap());
    let (work, top) = (guest.work(), guest.top());
    assert!(!guest.view().is_same_object(work, top).unwrap());
}

#[test]
fn files_are_private_and_syncing_is_cheap() {
    use std::os::unix::fs::PermissionsExt as _;
    let (dir, workspace) = fresh(ROOMY);
    let mut guest = Guest::of(&workspace);
    guest.put("f", b"x").unwrap();
    guest.mkdir("d").unwrap();
    let mode = |path: &str| std::fs::metadata(dir.path().join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!(
        (mode("work"), mode("incoming"), mode("work/f"), mode("work/d")),
        (0o700, 0o700, 0o600, 0o700)
    );
    let fd = guest.open("f", OpenFlags::empty(), READ).unwrap();
    coded(guest.view().sync(borrow(&fd))).unwrap();
    coded(guest.view().sync_data(borrow(&fd))).unwrap();
    coded(guest.view().advise(borrow(&fd), 0, 1, Advice::WillNeed)).unwrap();
    assert_eq!(coded(guest.view().get_type(borrow(&fd))), Ok(DescriptorType::RegularFile));
}

#[test]
fn a_bad_handle_traps() {
    let (_dir, workspace) = fresh(ROOMY);
    let mut guest = Guest::of(&workspace);
    let stray: Fd = Resource::new_borrow(4711);
    assert!(matches!(guest.view().sync(borrow(&stray)), Err(FsError::Trap(_))));
    assert!(matches!(run(guest.view().read(borrow(&stray), 1, 0)), Err(FsError::Trap(_))));
    let refused =
        run(guest.view().open_at(stray, PathFlags::empty(), "f".to_owned(), OpenFlags::empty(), READ));
    assert!(matches!(refused, Err(FsError::Trap(_))));
}
