//! Each kind of handle goes on as if nothing had happened.

use super::*;

fn put_file(guest: &mut Guest<'_>, work: u32, name: u32, times: usize) -> u32 {
    guest.call("name", name);
    let file = guest.make("open", work);
    let append = guest.make("append", file);
    for _ in 0..times {
        assert_eq!(guest.call("put", append), 0);
    }
    guest.drop_handle(Resource::Output, append);
    file
}

fn file(path: Option<&str>) -> OpenFile<Piece> {
    OpenFile { path: path.map(str::to_owned), content: Content::default() }
}

#[test]
fn every_kind_is_described_and_made_again() {
    let world = World::new();
    let mut guest = world.guest(Clock::new());
    let [stdin, work] = [guest.make("stdin", 0), guest.make("dirs", 0)];
    let top = guest.call("second-dir", 0);
    assert_eq!((stdin, work, top), (1, 2, 3));
    let a = put_file(&mut guest, work, 0, 2);
    assert_eq!(a, 4);
    assert_eq!(guest.make("open-read", work), 5);
    let reader = guest.make("reader", a);
    assert_eq!(guest.call("get", reader), 0);
    assert_eq!(guest.make("writer", a), 7);
    assert_eq!(guest.make("append", a), 8);
    assert_eq!(guest.make("list", work), 9);
    assert_eq!(guest.make("stdout", 0), 10);
    let stderr = guest.make("stderr", 0);
    assert_eq!(guest.call("put", stderr), 0);
    assert_eq!(guest.make("terminal", 0), 12);
    assert_eq!(guest.make("at", 77), 13);
    let far = guest.make("far-writer", a);
    assert_eq!(guest.make("put", far), 15, "it fails, and the error is a handle");
    // A pollable below its stream: the number of a stream that is gone.
    guest.drop_handle(Resource::Input, stdin);
    let late = guest.make("poll-out", far);
    assert_eq!(late, 1);
    assert_eq!(guest.make("poll-in", reader), 16);
    // And a file that has no name any more, in two places.
    let b = put_file(&mut guest, work, 1, 1);
    assert_eq!(guest.make("reader", b), 18);
    guest.call("unlink", work);

    let (files, slots) = guest.describe();
    let content = Content { size: 8, pieces: vec![Some(Piece::new(b"abcdefgh".as_slice().into()))] };
    assert_eq!(files, [file(Some("a")), OpenFile { path: None, content }]);
    let error = slots[14].clone();
    let Handle::Error { text, code: Some(23) } = &error.handle else { panic!("{error:?}") };
    assert!(text.contains("no space left"), "{text}");
    let writer = |position, closed| Handle::FileWriter { file: 0, position, closed };
    assert_eq!(
        slots,
        [
            slot(1, Handle::Pollable { of: far }),
            slot(2, Handle::Directory(String::new())),
            slot(3, Handle::Top),
            slot(4, Handle::File { file: 0, flags: 3 }),
            slot(5, Handle::File { file: 0, flags: 1 }),
            slot(6, Handle::FileReader { file: 0, position: 5 }),
            slot(7, writer(Some(5), false)),
            slot(8, writer(None, false)),
            slot(9, Handle::Entries(vec![(6, "a".to_owned())])),
            slot(10, Handle::Stdout),
            slot(11, Handle::Stderr(b"abcdefgh".to_vec())),
            slot(12, Handle::TerminalOutput),
            slot(13, Handle::Timer { at: 77 }),
            slot(14, writer(Some(1 << 40), true)),
            error,
            slot(16, Handle::Pollable { of: reader }),
            slot(17, Handle::File { file: 1, flags: 3 }),
            slot(18, Handle::FileReader { file: 1, position: 3 }),
        ]
    );
    let before = world.workspace.usage();
    let mut guest = guest.moved(|_| {});
    assert_eq!(world.workspace.usage(), before, "the nameless file counts as it did");

    // They go on.
    assert_eq!(guest.call("get", reader), 0);
    for writer in [7, 8] {
        assert_eq!(guest.call("put", writer), 0);
    }
    assert_eq!(guest.call("get", 18), 0);
    assert_eq!(guest.call("put", far), 0, "closed, which is no error of its own");
    assert_eq!(guest.call("name", 0), 0);
    let reads = guest.describe().1;
    assert_eq!(reads[5].handle, Handle::FileReader { file: 0, position: 7 });
    assert_eq!(reads[6].handle, writer(Some(13), false));
    assert_eq!(reads[17].handle, Handle::FileReader { file: 1, position: 5 });
    // Eight were written over from the sixth on, then eight at the end.
    let content = world.workspace.usage().bytes - 8;
    assert_eq!(content, 24);
    // The nameless file ends with its last handle.
    guest.drop_handle(Resource::Input, 18);
    guest.drop_handle(Resource::Descriptor, 17);
    assert_eq!(world.workspace.usage().bytes, 24);
    // Children before parents, as ever.
    assert!(guest.try_call("drop-output-stream", far).is_err());
}

#[test]
fn a_line_of_standard_error_goes_on() {
    let world = World::new();
    let mut guest = world.guest(Clock::new());
    let stderr = guest.make("stderr", 0);
    guest.call("put", stderr);
    let mut guest = guest.moved(|_| {});
    guest.call("put", stderr);
    assert_eq!(guest.describe().1, [slot(stderr, Handle::Stderr(b"abcdefghabcdefgh".to_vec()))]);
}

#[test]
fn a_network_is_made_again_as_itself() {
    let world = World::new();
    let mut guest = world.guest(Clock::new());
    let [first, network] = [guest.make("network", 0), guest.make("network", 0)];
    guest.drop_handle(Resource::Network, first);
    let mut guest = guest.moved(|_| {});
    assert_eq!(guest.describe().1, [slot(network, Handle::Network)]);
    guest.drop_handle(Resource::Network, network);
    assert_eq!(guest.make("network", 0), network);
}

#[test]
fn a_renamed_file_is_found_and_a_removed_directory_is_not() {
    let world = World::new();
    let mut guest = world.guest(Clock::new());
    let work = guest.make("dirs", 0);
    let file = put_file(&mut guest, work, 0, 1);
    let root = world.dir.path().join("work");
    std::fs::create_dir_all(root.join("d/e")).unwrap();
    std::fs::rename(root.join("a"), root.join("d/e/a (deleted)")).unwrap();
    let (files, slots) = guest.describe();
    assert_eq!(files[0].path.as_deref(), Some("d/e/a (deleted)"));
    let mut guest = guest.moved(|_| {});
    assert_eq!(guest.describe(), (files, slots));
    // A name that is another file's by now.
    std::fs::write(root.join("a"), b"another").unwrap();
    std::fs::remove_file(root.join("d/e/a (deleted)")).unwrap();
    std::fs::write(root.join("d/e/a"), b"another").unwrap();
    let (files, _) = guest.describe();
    assert_eq!((files[0].path.as_deref(), files[0].content.size), (None, 8));
    guest.drop_handle(Resource::Descriptor, file);

    std::fs::create_dir(root.join("b")).unwrap();
    guest.call("name", 1);
    let dir = guest.make("open-read", work);
    assert_eq!(guest.describe().1.last(), Some(&slot(dir, Handle::Directory("b".to_owned()))));
    std::fs::remove_dir(root.join("b")).unwrap();
    let refused = guest.state().describe_handles().unwrap_err();
    assert!(refused.what.contains("removed"), "{refused}");
}

#[test]
fn a_listing_goes_on_where_it_was() {
    let world = World::new();
    let mut guest = world.guest(Clock::new());
    let work = guest.make("dirs", 0);
    for name in 0..4 {
        let file = put_file(&mut guest, work, name, 0);
        guest.drop_handle(Resource::Descriptor, file);
    }
    let list = guest.make("list", work);
    let left = |guest: &mut Guest<'_>| {
        let Handle::Entries(left) = guest.describe().1.pop().unwrap().handle else { panic!("no listing") };
        left.into_iter().map(|(_, name)| name).collect::<Vec<_>>()
    };
    let all = left(&mut guest);
    assert_eq!(all.len(), 4);
    // The first byte of the name that comes.
    assert_eq!(guest.call("next", list), u32::from(all[0].as_bytes()[0]));
    assert_eq!(left(&mut guest), all[1..]);
    let mut guest = guest.moved(|_| {});
    for name in &all[1..] {
        assert_eq!(guest.call("next", list), u32::from(name.as_bytes()[0]));
    }
    assert_eq!(guest.call("next", list), 0);
}

#[test]
fn the_highest_numbers_are_reached() {
    let world = World::new();
    let mut guest = world.guest(Clock::new());
    guest.make("dirs", 0);
    for number in 3..=512 {
        assert_eq!(guest.make("stdout", 0), number);
    }
    assert!(guest.try_call("stdout", 0).is_err(), "the table is full");

    // Only the last is left, of a type whose number is bounded further.
    let mut guest = world.guest(Clock::new());
    let work = guest.make("dirs", 0);
    for _ in 3..512 {
        guest.make("stdout", 0);
    }
    assert_eq!(guest.make("list", work), 512);
    for number in 3..512 {
        guest.drop_handle(Resource::Output, number);
    }
    guest.drop_handle(Resource::Descriptor, work);
    guest.drop_handle(Resource::Descriptor, work + 1);
    guest.moved(|again| {
        again.make("after", 5);
        again.make("dirs", 0);
    });

    // Each timer takes two entries.
    let mut guest = world.guest(Clock::new());
    for n in 0..256 {
        guest.make("at", n);
    }
    let mut guest = guest.moved(|_| {});
    assert!(guest.try_call("stdout", 0).is_err(), "the bound holds again");
}
