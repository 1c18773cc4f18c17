//! Descriptions that no host has written, or that do not fit what is there any more.

use super::*;

fn staged(world: &World, files: Vec<OpenFile<Piece>>, slots: Vec<Slot>) -> Result<(), Unrestorable> {
    world.guest(Clock::new()).stage(&(files, slots))
}

fn named(path: &str) -> Vec<OpenFile<Piece>> {
    vec![OpenFile { path: Some(path.to_owned()), content: Content::default() }]
}

fn reader(file: u32) -> Vec<Slot> {
    vec![slot(1, Handle::FileReader { file, position: u64::MAX })]
}

#[test]
fn is_refused() {
    let world = World::new();
    let many = |count: u32, handle: Handle| (1..=count).map(|n| slot(n, handle.clone())).collect::<Vec<_>>();
    let long = "x".repeat(256);
    for (what, slots) in [
        ("no number", vec![slot(0, Handle::Stdin)]),
        ("a number too high", vec![slot(513, Handle::Stdin)]),
        ("one number twice", vec![slot(1, Handle::Stdin), slot(1, Handle::Stdin)]),
        ("descending numbers", vec![slot(2, Handle::Stdin), slot(1, Handle::Stdin)]),
        ("too many", many(512, Handle::Timer { at: 0 })),
        ("a stream of no file", reader(0)),
        ("flags", vec![slot(1, Handle::File { file: 0, flags: 4 })]),
        ("a pollable of nothing", vec![slot(1, Handle::Pollable { of: 2 })]),
        ("a pollable of itself", vec![slot(1, Handle::Pollable { of: 1 })]),
        (
            "a pollable of a pollable",
            vec![slot(1, Handle::Timer { at: 0 }), slot(2, Handle::Pollable { of: 1 })],
        ),
        ("a pollable of no stream", vec![slot(1, Handle::Top), slot(2, Handle::Pollable { of: 1 })]),
        ("a line", vec![slot(1, Handle::Stderr(vec![b'x'; 8 * 1024 + 1]))]),
        ("an error's text", vec![slot(1, Handle::Error { text: "x".repeat(4097), code: None })]),
        ("an error's code", vec![slot(1, Handle::Error { text: String::new(), code: Some(37) })]),
        ("an entry's type", vec![slot(1, Handle::Entries(vec![(8, "a".to_owned())]))]),
        ("an entry's name", vec![slot(1, Handle::Entries(vec![(6, "a/b".to_owned())]))]),
        ("an entry's long name", vec![slot(1, Handle::Entries(vec![(6, long)]))]),
        ("a listing", vec![slot(1, Handle::Entries(vec![(6, "abcd".to_owned()); 60_000]))]),
    ] {
        let refused = staged(&world, vec![], slots).unwrap_err();
        assert!(matches!(refused, Unrestorable::Forged(_)), "{what}: {refused:?}");
    }
    let count = u32::try_from(MAX_DESCRIPTORS).unwrap();
    assert!(staged(&world, vec![], many(count, Handle::Top)).is_ok());
    let refused = staged(&world, vec![], many(count + 1, Handle::Top)).unwrap_err();
    assert!(matches!(refused, Unrestorable::Refused(_)), "{refused:?}");
}

#[test]
fn opens_nothing_that_a_guest_could_not() {
    let world = World::new();
    let root = world.dir.path().join("work");
    std::fs::write(world.dir.path().join("secret"), b"").unwrap();
    std::fs::write(root.join("file"), b"").unwrap();
    std::fs::create_dir(root.join("dir")).unwrap();
    std::os::unix::fs::symlink("../secret", root.join("out")).unwrap();
    std::os::unix::fs::symlink("..", root.join("up")).unwrap();
    for path in
        ["", "gone", "dir", "../secret", "/etc/passwd", "dir/../../secret", "out", "up/secret", "a\0b"]
    {
        let refused = staged(&world, named(path), reader(0)).unwrap_err();
        assert!(matches!(refused, Unrestorable::Gone { .. }), "{path:?}: {refused:?}");
    }
    for path in ["gone", "file", "..", "/", "dir/..", "up", "/etc"] {
        let refused = staged(&world, vec![], vec![slot(1, Handle::Directory(path.to_owned()))]).unwrap_err();
        assert!(matches!(refused, Unrestorable::Gone { .. }), "{path:?}: {refused:?}");
    }
    assert!(staged(&world, named("file"), reader(0)).is_ok());
}

#[test]
fn pays_for_a_nameless_file() {
    let world = World::new();
    let before = world.workspace.usage();
    let nameless = |size, pieces| vec![OpenFile { path: None, content: Content { size, pieces } }];
    let piece = |bytes: &'static [u8]| Some(Piece::new(bytes.into()));
    for (files, forged) in [
        (nameless(1, vec![]), true),
        (nameless(u64::MAX, vec![]), true),
        (nameless(3, vec![piece(b"ab")]), true),
        (nameless(1, vec![piece(b"ab")]), true),
        (nameless(2 << 20, vec![None; 32]), false),
    ] {
        let refused = staged(&world, files, reader(0)).unwrap_err();
        assert_eq!(matches!(refused, Unrestorable::Forged(_)), forged, "{refused:?}");
        assert_eq!(world.workspace.usage(), before);
    }
    let mut guest = world.guest(Clock::new());
    let files = nameless(65_536 + 2, vec![None, piece(b"ab")]);
    guest.restore(&(files.clone(), reader(0))).unwrap();
    assert_eq!(world.workspace.usage().bytes, before.bytes + 65_538);
    assert_eq!(guest.describe(), (files, reader(0)));
    drop(guest);
    assert_eq!(world.workspace.usage(), before);
}

#[test]
fn a_guest_restores_nothing_by_itself() {
    let world = World::new();
    for number in [0, u32::MAX] {
        assert!(world.guest(Clock::new()).try_call("make-input-stream", number).is_err());
    }
    let slots = vec![slot(1, Handle::Stdin), slot(3, Handle::TerminalInput)];
    // Not as another type, not twice, and not what is not there.
    for (first, then) in [
        (None, ("make-output-stream", 0)),
        (Some(("make-input-stream", 0)), ("make-input-stream", 0)),
        (None, ("make-input-stream", 2)),
        // Nor under another number.
        (Some(("make-input-stream", 0)), ("make-terminal-input", 1)),
    ] {
        let mut guest = world.guest(Clock::new());
        guest.stage(&(vec![], slots.clone())).unwrap();
        if let Some((name, number)) = first {
            guest.call(name, number);
        }
        assert!(guest.try_call(then.0, then.1).is_err(), "{then:?}");
        let differs = guest.state().finish_restore().unwrap_err();
        assert!(matches!(differs, Unrestorable::Differs(_)), "{differs:?}");
    }
    // Nor is there anything left when a restore is over.
    let mut guest = world.guest(Clock::new());
    guest.restore(&(vec![], slots.clone())).unwrap();
    assert_eq!(guest.describe().1, slots);
    assert!(guest.try_call("make-input-stream", u32::MAX).is_err());
}
